"""The labelling page over HTTP, for this machine alone.

What keeps others out: the server listens on 127.0.0.1; a name that another site lets point there (DNS rebinding) is not
in the list of hosts; a request that another site's page sends bears that site as its origin; and a random token stands
in the address.
"""

import functools
import hmac
import http.server
import json
import secrets
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from importlib import resources
from typing import Any

from astrokeras.embedding.labelling.session import OutOfStep, Session
from astrokeras.errors import AstrokerasError, UsageError

ADDRESS = "127.0.0.1"
HOSTS = ("127.0.0.1", "localhost")  # with any port, so that it may be forwarded by ssh
MAX_BODY = 1024
_SECONDS = 30  # for which a connection may say nothing


class LabellingServer(http.server.ThreadingHTTPServer):
    """Serves one session.

    Args:
        session: what is asked.
        picture: gives the PNG of question number so and so.
        port: 0 for any that is free.

    Raises:
        UsageError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, session: Session, picture: Callable[[int], bytes], port: int) -> None:
        self.session = session
        self.token = secrets.token_urlsafe(24)
        self.picture = functools.lru_cache(maxsize=16)(picture)
        self.drawing = threading.Lock()
        self.page = resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            raise UsageError(f"--port {port} cannot be used: {error.strerror}; choose another, or none") from None

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_address[1]}/{self.token}/"

    def serve(self) -> None:
        """Serve until the page says that it is finished, or an interrupt; no answer is cut short."""
        try:
            self.serve_forever(poll_interval=0.1)
        finally:
            self.session.close()
            self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a browser that went away go in silence."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: LabellingServer
    server_version, sys_version = "astrokeras", ""
    timeout = _SECONDS

    def do_GET(self) -> None:
        """Send the page, the state, or a stamp."""
        match self._path():
            case [""]:
                self._send_page()
            case ["state"]:
                self._send_json(self.server.session.state())
            case ["stamp", number] if number.isascii() and number.isdigit() and len(number) < 10:
                self._send_stamp(int(number))
            case list():
                self._refuse(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """Take an answer, and send the state after it."""
        path = self._path()
        if path is None or (asked := self._body()) is None:
            return
        session, ended = self.server.session, False
        try:
            match path, asked:
                case ["answer"], {"number": int(number), "label": int(label)}:
                    session.answer(number, label)
                case ["skip"], {"number": int(number)}:
                    session.answer(number, None)
                case ["undo"], {"number": int(number)}:
                    session.undo(number)
                case ["finish"], {}:
                    ended = True
                case _:
                    self._refuse(HTTPStatus.BAD_REQUEST)
                    return
        except OutOfStep as error:
            self._send_json({**session.state(), "error": str(error)}, HTTPStatus.CONFLICT)
        except AstrokerasError as error:
            self._send_json({**session.state(), "error": str(error)}, HTTPStatus.INTERNAL_SERVER_ERROR)
        else:
            self._send_json(session.state())
        if ended:  # the process ends with it, so the page has its answer first
            threading.Thread(target=self.server.shutdown, daemon=True).start()

    def _path(self) -> list[str] | None:
        """Return what stands behind the token; None, with the answer sent, where the request is not the page's own."""
        host = self.headers.get("Host", "")
        name, _, port = host.partition(":")
        origin = self.headers.get("Origin")
        wanted = [None, f"http://{host}"] if self.command == "GET" else [f"http://{host}"]
        token, *path = self.path.partition("?")[0].removeprefix("/").split("/")
        if name not in HOSTS or (port and not port.isdigit()) or origin not in wanted:
            self._refuse(HTTPStatus.FORBIDDEN)
        elif not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            return path
        return None

    def _body(self) -> dict[str, Any] | None:
        """Return what was posted; None, with the answer sent, where it is nothing that the page posts."""
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        elif not (length.isascii() and length.isdigit()):
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        elif len(length) > 9 or int(length) > MAX_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            try:
                asked = json.loads(self.rfile.read(int(length)))
            except (ValueError, RecursionError):
                asked = None
            if isinstance(asked, dict):
                return asked
            self._refuse(HTTPStatus.BAD_REQUEST)
        return None

    def _send_page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        page = self.server.page.replace("NONCE", nonce)
        page = page.replace("CLASSES", _in_script(self.server.session.classes))
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", page.encode(), {"Content-Security-Policy": policy})

    def _send_stamp(self, number: int) -> None:
        if number >= len(self.server.session.questions):
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        try:
            with self.server.drawing:
                png = self.server.picture(number)
        except (AstrokerasError, OSError) as error:
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", str(error).encode())
            return
        self._send(HTTPStatus.OK, "image/png", png)

    def _send_json(self, value: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(status, "application/json", json.dumps(value).encode())

    def _refuse(self, status: HTTPStatus) -> None:
        self._send(status, "text/plain; charset=utf-8", status.phrase.encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes, further: dict[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            **(further or {}),
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the address, with its token, belongs in no log."""


def _in_script(value: Any) -> str:
    """JSON that may stand within <script>: it holds no character that HTML knows."""
    text = json.dumps(value)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
