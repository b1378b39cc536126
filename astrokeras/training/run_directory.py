"""Run directories: what was asked for, with what it was done, and what came out."""

import importlib
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import astropy
import keras
import numpy as np

import astrokeras
from astrokeras.config import as_dict, describe_changes
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.files import write_json
from astrokeras.jsonable import finite
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training.recorded import read_run

RUN_FILE = "run.json"
LOCK = ".lock"
# They say where and whether, or what is told of it, not what is trained: a resumed run may differ in them.
_NOT_COMPARED = (
    "out",
    "records",
    "resume",
    "overwrite",
    "devices",
    "worker_timeout",
    "checkpoint_every",
    "max_model_bytes",
    "slice_by",
    "allow_leaks",
)


def versions() -> dict[str, str]:
    """Return the versions that results depend on."""
    backend = keras.backend.backend()
    return {
        "astrokeras": astrokeras.__version__,
        "python": platform.python_version(),
        backend: importlib.import_module(backend).__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "astropy": astropy.__version__,
    }


def beside(out: str | Path, what: str) -> Path:
    """Return ``.OUT.what``: what is kept beside a run directory while another run is to take its place."""
    named, real = Path(out), Path(out).resolve()
    return (real if named.is_symlink() or named.name != real.name else named).with_name(f".{real.name}.{what}")


def is_empty(path: Path) -> bool:
    """Return whether nothing is there, or a directory with nothing in it."""
    if not path.is_dir():
        return not path.exists()
    return not any(entry.name != LOCK for entry in path.iterdir())


def check_out(out: str | Path, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()) -> None:
    """Make sure that a run can be written to a directory, and changes nothing.

    Args:
        out: the directory.
        overwrite: whether it may take the place of an earlier run there.
        inputs: what the run reads, which must not go with it.

    Raises:
        AstrokerasError: there is something already (with `overwrite`: something that is no run of ours).
    """
    path = Path(out)
    for needed in inputs:
        if Path(needed).resolve().is_relative_to(path.resolve()):
            raise UsageError(f"--out {path} is where {needed} lies, which the run reads; choose another --out")
    if path.exists() and not path.is_dir():
        raise AstrokerasError(f"{path} is a file; --out must be a directory")
    if not is_empty(path):
        if not overwrite:
            raise AstrokerasError(f"{path} is not empty; choose another --out, or replace it with --overwrite")
        try:
            load_run(path)
        except AstrokerasError:
            raise AstrokerasError(
                f"{path} is not a run directory, so --overwrite leaves it; remove it yourself"
            ) from None


def write_run(
    path: Path,
    command: str,
    config: Any,
    records: RecordsDirectory,
    result: dict[str, Any] | None = None,
    **further: Any,
) -> dict[str, Any]:
    """Write ``run.json``; without a result the run counts as unfinished. Returns what was written.

    Args:
        path: the run directory.
        command: its name.
        config: the options.
        records: what they are applied to.
        result: what came out.
        further: what else there is to say: ``resolved`` is what options that leave a choice became, ``changed`` what
            was changed on the way.
    """
    options = as_dict(config)
    run = {
        "command": command,
        "options": options,
        "seed": options["seed"],
        "versions": versions(),
        "records": {
            "path": str(records.path),
            "name": records.name,
            "fingerprint": records.fingerprint,
            "bands": list(records.bands),
            "unit": records.unit,
            "size": records.size,
            "classes": list(records.classes),
            "conversion": records.conversion,
        },
        **further,
        "result": result,
    }
    write_json(path / RUN_FILE, run)
    return finite(run)


def load_run(path: str | Path, *, finished: bool = False) -> dict[str, Any]:
    """Return the content of ``run.json``.

    Raises:
        AstrokerasError: not a run directory; or, with `finished`, a run without a result.
    """
    path = Path(path)
    if not path.exists() and (old := beside(path, "old")).is_dir():
        raise AstrokerasError(
            f"{path} is not there: a run was killed while it took its place; what was there is in {old}, the new run "
            f"in {beside(path, 'new')}; the next run there puts that right, or rename one of them"
        )
    if not (path / RUN_FILE).is_file():
        raise AstrokerasError(f"{path} is not a run directory of astrokeras (it has no {RUN_FILE})")
    try:
        run = read_run(path / RUN_FILE)
    except ValueError as error:
        raise AstrokerasError(f"{path / RUN_FILE} is damaged ({error}); repeat the run") from error
    except OSError as error:
        raise AstrokerasError(f"cannot read {path / RUN_FILE}: {error.strerror}") from error
    if finished and run["result"] is None:
        again = "go on with --resume" if run["command"] == "pretrain" else "repeat it with --overwrite"
        raise AstrokerasError(f"the {run['command']} run in {path} has not finished; {again}")
    return run


def check_same(path: Path, config: Any, records: RecordsDirectory, free: Iterable[str] = ()) -> dict[str, Any]:
    """Make sure that a run to be resumed was started with these options on these records; returns its ``run.json``.

    Args:
        path: the run directory.
        config: the options now.
        records: the records now.
        free: further options that may differ.

    Raises:
        UsageError: some option differs.
        AstrokerasError: the records differ, or it is no run directory.
    """
    run = load_run(path)
    options = as_dict(config)
    compared = [name for name in options if name not in (*_NOT_COMPARED, *free)]
    if changed := describe_changes(run["options"], options, compared):
        raise UsageError(f"cannot resume {path} with other options: {', '.join(changed)}")
    if run["records"]["fingerprint"] != records.fingerprint:
        raise AstrokerasError(f"cannot resume {path}: {records.path} holds other records than it was started with")
    return run
