"""Locks that a process holds on a place, and that go with it, however it ends."""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from astrokeras.errors import AstrokerasError

# File systems without locks are worked on without them.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
# How often the directory of a lock may vanish under the hands of who wants it.
_ATTEMPTS = 100


class Locked(AstrokerasError):
    """Another process holds the lock; the message says which, if it has left its name."""

    def __init__(self, out: Path, holder: str) -> None:
        super().__init__(f"another run is at work on {out}{holder}; wait for it, or choose another --out")


def take_lock(file: Path, out: Path) -> IO[str]:
    """Lock `file` for as long as the result stays open; the directory is made if it is not there.

    The holder's process, host and time stand in the file.

    Args:
        file: the lock; `let_go` removes it.
        out: what it stands for, for the message.

    Raises:
        Locked: another process has it.
        OSError: the file cannot be made.
    """
    for attempt in range(_ATTEMPTS):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            stream = file.open("a+", encoding="utf-8", errors="replace")
        except (FileNotFoundError, FileExistsError):  # the run before has just cleaned up
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                holder = _holder(stream)
                stream.close()
                if isinstance(error, BlockingIOError):
                    raise Locked(out, holder) from None
                raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(stream.fileno()), file.stat()):
                _sign(stream)
                return stream
        stream.close()
    raise Locked(out, "")


def let_go(stream: IO[str], file: Path) -> None:
    """Remove a lock that is held: first its name, so that nobody takes what is about to go."""
    file.unlink(missing_ok=True)
    stream.close()


@contextlib.contextmanager
def locked(file: Path, out: Path) -> Iterator[None]:
    """Hold a lock for a block, see `take_lock`.

    Raises:
        Locked: another process has it.
        OSError: the file cannot be made.
    """
    stream = take_lock(file, out)
    try:
        yield
    finally:
        let_go(stream, file)


@contextlib.contextmanager
def locked_beside(directory: Path, out: Path) -> Iterator[None]:
    """Hold the lock of the directory of unfinished work for a block; the directory is made if it is not there.

    Args:
        directory: beside `out`.
        out: what is worked on.

    Raises:
        AstrokerasError: another run is at work there, or the directory cannot be made.
    """
    try:
        stream = take_lock(directory / "lock", out)
    except OSError as error:
        raise AstrokerasError(f"cannot write beside {out}: {error.strerror}") from None
    with stream:
        yield


def _sign(stream: IO[str]) -> None:
    since = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    with contextlib.suppress(OSError):  # a full disk must not keep anybody from trying
        stream.seek(0)
        stream.truncate()
        stream.write(json.dumps({"process": os.getpid(), "host": socket.gethostname(), "since": since}))
        stream.flush()


def _holder(stream: IO[str]) -> str:
    try:
        stream.seek(0)
        found = json.loads(stream.read(1000))
        return f" (process {int(found['process'])} on {str(found['host'])[:64]} since {str(found['since'])[:32]})"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
