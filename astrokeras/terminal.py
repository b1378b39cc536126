"""What a command writes: its log and bars on stderr, its result as text or JSON."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import click

from astrokeras.jsonable import finite
from astrokeras.text import printable, printable_json

_QUIET_SECONDS = 30
_AGAIN_SECONDS = 0.1


def report(line: str) -> None:
    """Print one line of the log, on stderr."""
    click.echo(printable(line), err=True)


def show(result: Any, text: str, as_json: bool) -> str:
    """Return a result as it is printed: the text, or the JSON of all of it."""
    if as_json:
        return printable_json(json.dumps(finite(result), indent=2, ensure_ascii=False, allow_nan=False))
    return printable(text)


def _notebook_bar() -> type | None:
    """Return the bar for a notebook; None where this process shows none."""
    if "ipykernel" not in sys.modules:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a plain bar is shown where ipywidgets are missing
        from tqdm.auto import tqdm  # noqa: PLC0415
    return tqdm


@contextlib.contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal or in a notebook, which goes in the end; elsewhere a line now and then.

    See `astrokeras.progress.Progress`.
    """
    if notebook := _notebook_bar():
        with notebook(total=total, desc=label, leave=False) as shown:
            yield shown.update
        return
    if sys.stderr.isatty():
        with click.progressbar(length=total, label=printable(label), file=sys.stderr) as shown:
            yield shown.update
        click.echo("\033[1A\033[2K", nl=False, err=True)
        return
    done, last = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, last
        before, done = done, done + count
        if done * 10 // total > before * 10 // total and time.monotonic() - last > _QUIET_SECONDS:
            report(f"{label}: {done} of {total} done")
            last = time.monotonic()

    yield advance


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """See to it that Ctrl-C reaches the block: Python drops it in a ``__del__`` or in a callback of the collector.

    There it only tells its hook of it; the signal is sent again a moment later.
    """
    former = sys.unraisablehook

    def hook(dropped: Any) -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            again = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGINT))
            again.daemon = True
            again.start()
        else:
            former(dropped)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = former


class Terminal:
    """Where the commands say what they do: lines and bars on stderr. See `astrokeras.commands.base.Console`."""

    report = staticmethod(report)
    progress = staticmethod(progress)


TERMINAL = Terminal()
