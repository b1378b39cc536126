"""A headless Chromium, driven through a pipe by its own protocol (https://chromedevtools.github.io/devtools-protocol/)."""

import base64
import contextlib
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAM = next((name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), None)

_EXECUTE = "import os, sys; [os.dup2(int(sys.argv[i]), i + 2) for i in (1, 2)]; os.execvp(sys.argv[3], sys.argv[3:])"


class Page:
    """One page of a browser.

    Attributes:
        said: what the page has written to its console, errors and what its policy refused above all.
    """

    def __init__(self, to: int, answers: int) -> None:
        self._to, self._from, self._numbers, self._rest = to, answers, itertools.count(1), b""
        self._session: str | None = None
        self.said: list[str] = []
        (target,) = [t for t in self.do("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        attached = self.do("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            self._note(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, address: str, *, width: int = 1000, height: int = 800, dark: bool = False) -> None:
        """Go to a page, and wait until it is loaded."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.do("Emulation.setEmulatedMedia", features=[scheme])
        self.do(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.do("Page.navigate", url=address)
        while (event := self._next()).get("method") != "Page.loadEventFired":
            self._note(event)

    def ask(self, script: str) -> Any:
        """Return the value of an expression; a promise is waited for."""
        answer = self.do("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until an expression is true, looked at before each frame that is drawn."""
        look = f"() => ({condition}) ? true : new Promise(requestAnimationFrame).then(look)"
        self.ask(f"(() => {{ const look = {look}; return look(); }})()")

    def press(self, key: str) -> None:
        """Press a key."""
        text = {"text": key} if len(key) == 1 else {}
        self.do("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.do("Input.dispatchKeyEvent", type="keyUp", key=key)

    def shoot(self, file: Path) -> None:
        """Write what is to be seen as PNG."""
        file.write_bytes(base64.b64decode(self.do("Page.captureScreenshot")["data"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._from, 1 << 20)
            assert piece, "the browser has ended"
            self._rest += piece
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        if event.get("method") == "Runtime.exceptionThrown":
            self.said.append(json.dumps(event["params"]["exceptionDetails"]))
        elif event.get("method") == "Runtime.consoleAPICalled":
            self.said.append(json.dumps(event["params"]["args"]))
        elif event.get("method") == "Log.entryAdded":
            self.said.append(json.dumps(event["params"]["entry"]))


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """Start a browser with a profile of its own in the directory `profile`."""
    (theirs, ours), (answers, their_answers) = os.pipe(), os.pipe()
    # It reads at 3 and writes at 4; the pipes' own ends are moved out of the way of these.
    given = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs, their_answers)]
    command = [
        sys.executable, "-S", "-c", _EXECUTE, *map(str, given),
        PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-extensions", "--remote-debugging-pipe",
        f"--user-data-dir={profile}", "about:blank",
    ]  # fmt: skip
    process = subprocess.Popen(command, pass_fds=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for end in (theirs, their_answers, *given):
        os.close(end)
    try:
        yield Page(ours, answers)
    finally:
        os.close(ours)
        os.close(answers)
        process.terminate()
        process.wait(timeout=60)
