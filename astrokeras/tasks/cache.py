"""Arrays that take long to make and depend on little, kept from run to run in the user's cache directory."""

import contextlib
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from astrokeras.files import CannotWrite, digest_of, write_atomically


def cache_directory() -> Path:
    """Where they are kept; who deletes it loses time alone."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "astrokeras"


def kept(kind: str, depends_on: Sequence[str], shape: tuple[int, ...], make: Callable[[], np.ndarray]) -> np.ndarray:
    """Return what `make` gives, or gave before for the same `depends_on`.

    The files carry checksums: one that is damaged, or that holds another shape, counts as none. Where none can be
    written (a full disk, a home that is read-only), nothing is kept.

    Args:
        kind: first part of the file's name.
        depends_on: all that decides the result.
        shape: of the result.
        make: makes it.
    """
    key = digest_of("\n".join(depends_on).encode())[:40]
    path = cache_directory() / f"{kind}-{key}.npz"
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            found = file["values"]
        if found.shape == shape:
            return found
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass
    made = make()
    with contextlib.suppress(OSError, CannotWrite):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda temporary: np.savez(temporary, values=made))
    return made
