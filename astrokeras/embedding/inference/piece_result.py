"""What came of a piece, and the file that keeps it until all are done."""

import dataclasses
import json
import os
import uuid
import zipfile
from pathlib import Path

import numpy as np

from astrokeras.embedding.inference.network import Outputs
from astrokeras.embedding.inference.piece import ObjectsRead
from astrokeras.files import sync
from astrokeras.records.conversion.result import look_at

_OUTPUT, _FOUND = "output/", "found/"
_DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


@dataclasses.dataclass(frozen=True)
class Result:
    """The outputs for the N objects of a piece, and what was found out of them.

    Attributes:
        outputs: by name, [N, ...] each.
        found: see `ObjectsRead`.
    """

    outputs: Outputs
    found: ObjectsRead


def save(result: Result, path: Path, fingerprint: str) -> None:
    """Write a result, whole or not at all; `fingerprint` says of which piece and network."""
    text = json.dumps({"fingerprint": fingerprint, "why": result.found.why, "seen": result.found.seen}).encode()
    arrays = {f"{_OUTPUT}{name}": values for name, values in result.outputs.items()}
    arrays |= {f"{_FOUND}{name}": values for name, values in result.found.arrays.items()}
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as stream:
            np.savez(stream, json=np.frombuffer(text, dtype=np.uint8), **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def is_whole(path: Path, fingerprint: str) -> bool:
    """Whether a file keeps the result of this work, and the files that it was made from are still the same."""
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive, np.load(stream) as file:
            if archive.testzip() is not None:
                return False
            content = json.loads(file["json"].tobytes())
            same = content["fingerprint"] == fingerprint
            return same and all(look_at(name) == before for name, before in content["seen"].items())
    except _DAMAGED:
        return False


def load(path: Path) -> Result:
    """Read a result that is whole."""
    with np.load(path, allow_pickle=False) as file:
        content = json.loads(file["json"].tobytes())
        outputs = {name.removeprefix(_OUTPUT): file[name] for name in file.files if name.startswith(_OUTPUT)}
        arrays = {name.removeprefix(_FOUND): file[name] for name in file.files if name.startswith(_FOUND)}
    why = [(reason, detail) for reason, detail in content["why"]]
    return Result(outputs, ObjectsRead(arrays, why, content["seen"]))
