import io
import json
import subprocess
import sys

import pytest

from astrokeras import terminal


class Terminal(io.StringIO):
    def isatty(self):
        return True


on_both = pytest.mark.parametrize("kind", [Terminal, io.StringIO])


@on_both
def test_a_bar_is_shown_on_a_terminal_and_rare_lines_elsewhere(monkeypatch, kind):
    monkeypatch.setattr(sys, "stderr", stderr := kind())
    monkeypatch.setattr(terminal, "_QUIET_SECONDS", -1)
    with terminal.progress("epoch 3/9", 20) as advance:
        for steps in (0, 8, 8, 4):
            advance(steps)
    shown = stderr.getvalue()
    if stderr.isatty():
        assert "epoch 3/9" in shown
        assert "100%" in shown
        assert shown.endswith("\033[1A\033[2K")
    else:
        assert shown.splitlines() == [f"epoch 3/9: {done} of 20 done" for done in (8, 16, 20)]


def test_lines_of_a_bar_are_rare(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    with terminal.progress("epoch 1/9", 10) as advance:
        for _ in range(10):
            advance(1)
    assert stream.getvalue() == ""


def test_a_result_is_text_or_strict_json():
    result = {"név": [1.5, float("nan")], "count": 3}
    assert terminal.show(result, "as text", as_json=False) == "as text"
    shown = terminal.show(result, "as text", as_json=True)
    assert "név" in shown
    assert json.loads(shown) == {"név": [1.5, None], "count": 3}


def test_an_interrupt_in_a_finalizer_is_not_lost():
    program = (
        "import os, signal\n"
        "from astrokeras.terminal import interruptible\n"
        "class Unlucky:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "try:\n"
        "    with interruptible():\n"
        "        Unlucky()\n"
        "        while True:\n"
        "            signal.pause()\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
