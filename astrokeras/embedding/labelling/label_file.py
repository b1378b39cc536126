"""The table that labels are appended to: one row an object, each on the disk before the next is asked for."""

import contextlib
import csv
import datetime
import io
import os
import re
from pathlib import Path
from typing import Self

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.files import CannotWrite, write_atomically
from astrokeras.locking import let_go, take_lock

COLUMNS = ("id", "label", "time")
MAX_BYTES = 1 << 30
_WHOLE = re.compile(rb",\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")  # how a row of ours ends


class LabelFile:
    """A CSV file ``id,label,time`` that this process alone appends to while it is entered.

    A row is written and forced to the disk by `append`. A process that is killed leaves at most one torn row, at the
    end, which was never answered for; it is taken off when the file is opened again.

    Attributes:
        path: the file; it is made if it is not there.
        labels: the label of each id, those of earlier sessions too; the last row counts where an id has several.
        mended: bytes of a torn row that were taken off.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with LabelFile(Path(tempfile.mkdtemp()) / "labels.csv") as table:
        ...     table.append("NGC1275", "elliptical")
        ...     table.labels
        {'NGC1275': 'elliptical'}
    """

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() != ".csv":
            raise UsageError(f"--out {path}: labels are appended to a CSV file; expected a name that ends in .csv")
        self.path = path
        self.labels: dict[str, str] = {}
        self.mended = 0
        self._lock_file = path.with_name(f".{path.name}.lock")
        self._ends: list[int] = []  # where the file ended before each row of this session

    def __enter__(self) -> Self:
        """Lock and open the file.

        Raises:
            Locked: another process labels into it.
            AstrokerasError: it is no table of labels, or cannot be written.
        """
        try:
            self._lock = take_lock(self._lock_file, self.path)
        except OSError as error:
            raise CannotWrite(self.path, error) from error
        try:
            self._open()
        except BaseException:
            let_go(self._lock, self._lock_file)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        let_go(self._lock, self._lock_file)

    def append(self, identifier: str, label: str) -> None:
        """Add a row and force it to the disk.

        Raises:
            AstrokerasError: that failed, or something else has written to the file; it is as it was.
        """
        time = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        row = io.StringIO()
        csv.writer(row, lineterminator="\n").writerow((identifier, label, time))
        before = self._check_own()
        try:
            _write(self._descriptor, row.getvalue().encode())
        except OSError as error:
            with contextlib.suppress(OSError):
                self._cut(before)
            raise CannotWrite(self.path, error) from error
        self._size = os.fstat(self._descriptor).st_size
        self._ends.append(before)
        self.labels[identifier] = label

    def undo(self, identifier: str) -> None:
        """Take the last row of this session off again, which was that of `identifier`.

        Raises:
            AstrokerasError: that failed, or something else has written to the file.
        """
        self._check_own()
        try:
            self._cut(self._ends[-1])
        except OSError as error:
            raise CannotWrite(self.path, error) from error
        self._size = self._ends.pop()
        del self.labels[identifier]

    def _open(self) -> None:
        try:
            if not self.path.exists() or (self.path.is_file() and self.path.stat().st_size == 0):
                write_atomically(self.path, lambda temporary: temporary.write_text(",".join(COLUMNS) + "\n"))
            if not self.path.is_file():
                raise AstrokerasError(f"{self.path} is no regular file; name another --out")
            if self.path.stat().st_size > MAX_BYTES:
                raise AstrokerasError(f"{self.path} is larger than any table of labels; name another --out")
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            raise CannotWrite(self.path, error) from error
        try:
            whole = self._mend(self.path.read_bytes())
            self.labels = _parse(whole, self.path)
            self._size = len(whole)
        except OSError as error:
            os.close(self._descriptor)
            raise CannotWrite(self.path, error) from error
        except BaseException:
            os.close(self._descriptor)
            raise

    def _mend(self, content: bytes) -> bytes:
        """Return the content without a torn row at its end, and let the file be that."""
        if content.endswith(b"\n"):
            return content
        whole = content[: content.rfind(b"\n") + 1]
        _parse(whole or content, self.path)  # nothing is taken off a file that is no table of labels
        last = content[len(whole) :]
        if _WHOLE.search(last):  # all but its line end
            _write(self._descriptor, b"\n")
            return content + b"\n"
        self._cut(len(whole))
        self.mended = len(last)
        return whole

    def _check_own(self) -> int:
        """Return the size of the file.

        Raises:
            AstrokerasError: it is not as this process left it.
        """
        there = os.fstat(self._descriptor)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(there, self.path.stat()) and there.st_size == self._size:
                return there.st_size
        raise AstrokerasError(
            f"{self.path} was changed by another program; nothing was written: end this labelling and start it again"
        )

    def _cut(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)
        os.fsync(self._descriptor)


def _write(descriptor: int, content: bytes) -> None:
    """Write all of it and force it to the disk."""
    while content:
        content = content[os.write(descriptor, content) :]
    os.fsync(descriptor)


def _parse(content: bytes, path: Path) -> dict[str, str]:
    """Return the label of each id.

    Raises:
        AstrokerasError: it is no table of labels.
    """
    try:
        rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        head = next(rows, [])
        if tuple(head) != COLUMNS:
            raise AstrokerasError(
                f"{path} has the columns {','.join(head)[:80]!r}, expected {','.join(COLUMNS)}; name another --out"
            )
        labels = {}
        for row in rows:
            if len(row) != len(COLUMNS) or not row[0]:
                raise AstrokerasError(f"{path}, line {rows.line_num}: expected {','.join(COLUMNS)}; mend that line")
            labels[row[0]] = row[1]
    except (UnicodeDecodeError, csv.Error) as error:
        raise AstrokerasError(f"{path} cannot be read as a table of labels: {error}") from None
    return labels
