"""Ends a process that waits too long in C++, and says why, which it can't itself.

While TensorFlow connects workers it holds Python's lock: no signal handler and no thread of Python runs. The timer of
`faulthandler` can end the process then, but says nothing that a user wants to read. So another process, this file run
as a program, says it a few seconds before, and tries who still answers.
"""

import contextlib
import faulthandler
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

# Seconds for finding out who answers, and from the line to the end of the process.
_TRYING, _UNTIL_END = 2.0, 5.0
# How the program ends if it had to say something.
_SPOKE = 3


@contextlib.contextmanager
def patience(seconds: float, others: Mapping[str, str]) -> Iterator[None]:
    """End the process with a line on stderr, and 1, if what is within takes longer.

    Args:
        seconds: so long.
        others: the processes that it waits for: what they are called, and ``host:port`` of each.
    """
    task = json.dumps({"seconds": seconds, "others": dict(others)})
    command = [sys.executable, "-I", "-S", __file__, task]
    with (
        Path(os.devnull).open("w") as nowhere,
        # Signals of a terminal are for this process.
        subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as watchdog,
    ):
        faulthandler.dump_traceback_later(seconds + _UNTIL_END, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            watchdog.stdin.close()
            if watchdog.wait() == _SPOKE:
                raise SystemExit(1)


def _silent(others: Mapping[str, str]) -> list[str]:
    """Return who does not listen at its address."""
    answered = set()

    def call(name: str, address: str) -> None:
        host, _, port = address.rpartition(":")
        with contextlib.suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), timeout=_TRYING):
            answered.add(name)

    threads = [threading.Thread(target=call, args=other, daemon=True) for other in others.items()]
    deadline = time.monotonic() + _TRYING
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    return [name for name in others if name not in answered]


def _line(seconds: float, others: Mapping[str, str]) -> str:
    silent = _silent(others)
    if silent:
        missing = f"{', '.join(silent)} {'does' if len(silent) == 1 else 'do'} not answer"
    else:
        missing = "some worker hangs, though all answer"
    return (
        f"error: TensorFlow could not connect the workers within {seconds:g} s: {missing} (their own logs may say "
        "why); when all are back, the same command with --resume goes on"
    )


def _main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    task = json.loads(sys.argv[1])
    # Its end of the pipe is closed when all went well, and when it is dead.
    if not select.select([sys.stdin], [], [], task["seconds"])[0]:
        print(_line(**task), file=sys.stderr, flush=True)
        os._exit(_SPOKE)


if __name__ == "__main__":
    _main()
