"""Where a run is written: where it was asked for, or beside it until it can take the place of an earlier run.

A run that replaces another is written to ``.OUT.new``. When it is whole, what was there is renamed to ``.OUT.old``, the
new one to ``OUT``, and the old one goes. Whoever comes after a process that was killed in between finishes that.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.files import sync
from astrokeras.locking import locked
from astrokeras.training.run_directory import LOCK, beside, check_out, is_empty, load_run


class Place:
    """The place of a run.

    Attributes:
        named: the directory as it was typed.
        out: the directory itself, which a symbolic link may stand for.
    """

    def __init__(self, out: str | Path) -> None:
        self.named, self.out = Path(out), Path(out).resolve()
        if not self.out.name:
            raise UsageError(f"--out {out} cannot be a run directory; give one within it")
        self._new, self._old = beside(self.named, "new"), beside(self.named, "old")

    @contextlib.contextmanager
    def held(self) -> Iterator[Self]:
        """Keep other runs out, and puts right what one that was killed has left.

        Raises:
            Locked: another run is at work there.
            AstrokerasError: nothing can be written there.
        """
        try:
            lock = locked(self._lock_file(), self.named)
            lock.__enter__()
        except OSError as error:
            raise AstrokerasError(f"cannot make the directory {self.named}: {error.strerror}") from None
        try:
            self._finish_swap()
            yield self
        finally:
            lock.__exit__(None, None, None)

    def _lock_file(self) -> Path:
        """Return a path beside the directory, which may be renamed, or within it if nothing can be written there."""
        parent = self.out.parent
        alone = parent.is_dir() and not os.access(parent, os.W_OK)
        return self.out / LOCK if alone else beside(self.named, "lock")

    @property
    def path(self) -> Path:
        """Where the run is that is to be gone on with."""
        return self._new if self._new.is_dir() else self.named

    @property
    def replacing(self) -> bool:
        """Whether an earlier run is there, whose place the new one has yet to take."""
        return self._new.is_dir()

    def begin(self, *, overwrite: bool, inputs: Iterable[str | Path] = ()) -> Path:
        """Return an empty directory for a run.

        Args:
            overwrite: whether it may take the place of an earlier run.
            inputs: what the run reads, which must not go with it.

        Raises:
            AstrokerasError: there is something already (with `overwrite`: something that is no run of ours).
        """
        self.check(overwrite=overwrite, inputs=inputs)
        path = self.named if is_empty(self.named) else self._new
        try:
            shutil.rmtree(self._new, ignore_errors=True)
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AstrokerasError(f"cannot make the directory {path}: {error.strerror}") from None
        return path

    def check(self, *, overwrite: bool, inputs: Iterable[str | Path] = ()) -> None:
        """Make sure that `begin` can do its work, and changes nothing.

        Raises:
            AstrokerasError: see `begin`.
        """
        if self.replacing and not overwrite:
            raise AstrokerasError(
                f"an unfinished run that was to take the place of {self.named} is in {self._new}; drop it with "
                "--overwrite, or if it is a pretrain run, go on with --resume"
            )
        check_out(self.named, overwrite=overwrite, inputs=inputs)
        if is_empty(self.named):
            return
        parent = self.out.parent
        if os.path.ismount(self.out) or not os.access(parent, os.W_OK):
            raise AstrokerasError(
                f"--overwrite keeps {self.named} until the new run is whole, and cannot write beside it; choose a "
                "directory within it, or empty it yourself"
            )

    @contextlib.contextmanager
    def telling(self, report: Callable[[str], None]) -> Iterator[None]:
        """Say at the beginning, and if the block fails, where the old and the new run are."""
        if not self.replacing:
            yield
            return
        report(f"{self.named} stays as it is until the new run is complete, which is written to {self._new}")
        try:
            yield
        except BaseException:
            if self.replacing:
                report(f"{self.named} is as it was; what there is of the new run is in {self._new}")
            raise

    def drop(self) -> None:
        """Remove the run that was begun."""
        shutil.rmtree(self.path, ignore_errors=True)

    def publish(self) -> None:
        """Let the new run take the place of the old one.

        Raises:
            AstrokerasError: it can't; it stays whole where it is.
        """
        if not self.replacing:
            return
        try:
            if self.out.exists():
                self.out.rename(self._old)
            self._new.rename(self.out)
        except OSError as error:
            if self._old.exists() and not self.out.exists():
                self._old.rename(self.out)
            raise AstrokerasError(
                f"the new run is complete in {self._new}, but cannot take the place of {self.named}: {error.strerror}; "
                "move it yourself"
            ) from None
        with contextlib.suppress(OSError):
            sync(self.out.parent)
        shutil.rmtree(self._old, ignore_errors=True)

    def _finish_swap(self) -> None:
        """Put the new run, if it is whole, or the old one where a process that was killed has left neither."""
        if not self._old.exists():
            return
        if not is_empty(self.named) and not _is_finished(self.out):
            raise AstrokerasError(
                f"a run was killed while it took the place of {self.named}: what was there is in {self._old}, but "
                f"{self.named} holds something else now; move one of them away"
            )
        if is_empty(self.named):
            found = self._new if _is_finished(self._new) else self._old
            try:
                if self.out.is_dir():
                    (self.out / LOCK).unlink(missing_ok=True)
                    self.out.rmdir()
                found.rename(self.out)
            except OSError as error:
                raise AstrokerasError(f"{self.named} is in {found}, and cannot be put back: {error.strerror}") from None
        shutil.rmtree(self._old, ignore_errors=True)


def _is_finished(path: Path) -> bool:
    try:
        return load_run(path)["result"] is not None
    except AstrokerasError:
        return False
