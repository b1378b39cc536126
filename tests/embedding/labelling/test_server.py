import http.client
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from astrokeras.embedding.labelling.label_file import LabelFile
from astrokeras.embedding.labelling.server import MAX_BODY, LabellingServer
from astrokeras.embedding.labelling.session import LabelQuestion, Session
from astrokeras.errors import AstrokerasError, UsageError


class Client:
    """Speaks to a server as a browser does, but for what a test changes."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token, self.host = port, token, f"127.0.0.1:{port}"

    def get(self, path: str = "", **headers: str) -> http.client.HTTPResponse:
        return self.send("GET", f"/{self.token}/{path}", None, {"Host": self.host, **headers})

    def post(self, path: str, body: object, **headers: str) -> tuple[int, dict]:
        own = {"Host": self.host, "Origin": f"http://{self.host}", "Content-Type": "application/json"}
        answer = self.send("POST", f"/{self.token}/{path}", json.dumps(body).encode(), own | headers)
        content = answer.read()
        return answer.status, json.loads(content) if content.startswith(b"{") else {}

    def send(self, method: str, path: str, body: bytes | None, headers: dict) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection._encode_request = lambda request: request.encode("latin-1")  # also what a browser would not send
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Content-Length": str(len(body or b"")), **headers}.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body)
        return connection.getresponse()


def picture(number: int) -> bytes:
    if number == 2:
        raise AstrokerasError("shard 5 is damaged")
    return b"\x89PNG of %d" % number


@pytest.fixture
def served(tmp_path) -> Iterator[tuple[LabellingServer, Client]]:
    questions = [LabelQuestion("1"), LabelQuestion("</script><script>evil()"), LabelQuestion("3", "ra 1°")]
    with LabelFile(tmp_path / "labels.csv") as table:
        session = Session(questions, ("spiral", "</script><script>evil()//"), table)
        with LabellingServer(session, picture, 0) as server:
            thread = threading.Thread(target=server.serve)
            thread.start()
            try:
                yield server, Client(server.server_address[1], server.token)
            finally:
                server.shutdown()
                thread.join()


def labels(server: LabellingServer) -> list[str]:
    lines = Path(server.session.state()["table"]).read_text().splitlines()
    return [line.rpartition(",")[0] for line in lines][1:]


def test_a_sitting_over_http(served):
    server, client = served
    assert server.address == f"http://{client.host}/{client.token}/"
    assert server.server_address[0] == "127.0.0.1"
    assert json.load(client.get("state"))["id"] == "1"
    assert client.get("stamp/0").read() == b"\x89PNG of 0"
    status, state = client.post("answer", {"number": 0, "label": 0})
    assert (status, state["number"], labels(server)) == (200, 1, ["1,spiral"])
    assert client.post("skip", {"number": 1})[1]["number"] == 2
    status, state = client.post("undo", {"number": 2})
    assert (status, state["id"], state["last"]) == (200, "</script><script>evil()", "spiral")
    status, state = client.post("answer", {"number": 0, "label": 1})
    assert (status, state["number"]) == (409, 1)
    assert "not the stamp that is asked for" in state["error"]
    assert client.post("finish", {})[0] == 200
    assert labels(server) == ["1,spiral"]


def test_the_page_holds_no_markup_from_names(served):
    _, client = served
    answer = client.get()
    page, policy = answer.read().decode(), answer.headers["Content-Security-Policy"]
    assert page.count("<script") == page.count("</script>") == 1
    assert "\\u003c/script\\u003e\\u003cscript\\u003eevil()//" in page
    assert "default-src 'none'" in policy and "unsafe" not in policy
    nonce = policy.partition("script-src 'nonce-")[2].partition("'")[0]
    assert f'<script nonce="{nonce}">' in page and nonce not in client.get().read().decode()


@pytest.mark.parametrize("path", ["", "state", "stamp/0"])
def test_other_hosts_and_origins_get_nothing(served, path):
    _, client = served
    for headers in (
        {"Host": "evil.example"}, {"Host": f"evil.example:{client.port}"}, {"Host": None}, {"Host": ""},
        {"Host": f"127.0.0.1.evil.example:{client.port}"}, {"Host": f"localhost:{client.port}x"},
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"},
        {"Origin": f"https://{client.host}"},
    ):  # fmt: skip
        answer = client.get(path, **headers)
        assert (answer.status, answer.read()) == (403, b"Forbidden"), headers
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert client.get(path).status == 200
    assert client.get(path, Origin=f"http://{client.host}").status == 200
    assert client.get(path, Host="localhost:9000").status == 200, "forwarded from another machine"


def test_only_the_page_can_answer(served):
    server, client = served
    body = {"number": 0, "label": 0}
    for headers, status in (
        ({"Origin": None}, 403), ({"Origin": "null"}, 403), ({"Origin": "http://evil.example"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415), ({"Content-Type": None}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ):  # fmt: skip
        assert client.post("answer", body, **headers)[0] == status, headers
    assert client.post("finish", {}, Origin="http://evil.example")[0] == 403
    assert labels(server) == []
    assert client.post("answer", body)[0] == 200, "it serves on"


def test_another_token_finds_nothing(served):
    _, client = served
    for path in ("/", "//", "/state", "/x/state", f"/{client.token[:-1]}/state", f"/{client.token}", "state", "/\xff/"):
        answer = client.send("GET", path, None, {"Host": client.host})
        assert answer.status == 404, path
    for path in ("stamp/9", "stamp/-1", "stamp/x", "stamp/²", "stamp/" + "9" * 5000, "../etc", "state/", "answer"):
        assert client.get(path).status == 404, path


@pytest.mark.parametrize(
    "body",
    [
        [], "x", None, 1, {}, {"number": 0}, {"number": "0", "label": 0}, {"number": 0, "label": None},
        {"number": 0, "label": "spiral"}, {"number": 0, "label": 0.0},
    ],
)  # fmt: skip
def test_what_the_page_would_not_send_is_refused(served, body):
    server, client = served
    assert client.post("answer", body)[0] == 400
    assert labels(server) == []


def test_odd_bodies(served):
    server, client = served
    path = f"/{client.token}/answer"
    own = {"Host": client.host, "Origin": f"http://{client.host}", "Content-Type": "application/json"}
    for length, status in ((None, 411), ("x", 411), ("-1", 411), ("9" * 5000, 413), (str(MAX_BODY + 1), 413)):
        assert client.send("POST", path, None, own | {"Content-Length": length}).status == status, length
    for body in (b"{", b"\xff", b"[" * 1000, b'{"number": 1e999}'):
        assert client.send("POST", path, body, own).status == 400, body
    assert client.send("OPTIONS", path, None, own).status == 501
    assert client.send("PUT", path, None, own).status == 501
    assert labels(server) == []


def test_what_fails_is_said_on_the_page_and_it_goes_on(served, monkeypatch):
    server, client = served

    def full(*_):
        raise OSError(28, "No space left on device")

    write = os.write
    monkeypatch.setattr(os, "write", full)
    status, state = client.post("answer", {"number": 0, "label": 0})
    assert (status, state["number"]) == (500, 0)
    assert "No space left on device" in state["error"]
    monkeypatch.setattr(os, "write", write)
    assert client.post("answer", {"number": 0, "label": 0})[0] == 200
    assert (client.get("stamp/2").status, labels(server)) == (500, ["1,spiral"])


def test_a_port_that_is_taken_is_said(served):
    server, client = served
    with pytest.raises(UsageError, match=f"--port {client.port} cannot be used: Address already in use"):
        LabellingServer(server.session, picture, client.port)


def test_finish_is_answered_before_the_server_ends(served, monkeypatch):
    server, client = served
    order, over, send = [], threading.Event(), server.RequestHandlerClass._send_json

    def answered(handler, *arguments):
        send(handler, *arguments)
        order.append("answered")

    def ended():
        order.append("ended")
        over.set()

    with monkeypatch.context() as patch:
        patch.setattr(server.RequestHandlerClass, "_send_json", answered)
        patch.setattr(server, "shutdown", ended)
        assert client.post("finish", {})[0] == 200
        assert over.wait(60)
    assert order == ["answered", "ended"]
