"""Say whether what is there already, finished or not, is the conversion that is asked for."""

import json
from pathlib import Path
from typing import Any

from astrokeras import __version__
from astrokeras.config import ConvertConfig, as_dict, describe_changes
from astrokeras.errors import AstrokerasError
from astrokeras.files import digest, digest_of
from astrokeras.records.conversion.workspace import Workspace
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.metadata import CONVERT_JSON
from astrokeras.records.splitting.assignment import SPLITS_JSON
from astrokeras.survey.parquet_table import parquet_files
from astrokeras.survey.tables import is_table

# Options that say how the work is done, not what comes of it.
_NOT_RECORDED = ("out", "workers", "scheduler", "overwrite", "resume", "max_reject_fraction")


def recorded_options(config: ConvertConfig) -> dict[str, Any]:
    """Return the options that decide what is in the records."""
    return {name: value for name, value in as_dict(config).items() if name not in _NOT_RECORDED}


def what_is_asked(config: ConvertConfig) -> dict[str, Any]:
    """Return all that decides what a conversion makes of the same images.

    Version, options, catalogue and other tables.
    """
    options = recorded_options(config)
    return {
        "astrokeras": __version__,
        "options": options,
        "tables": [_describe_table(name) for name in _tables(options)],
    }


def _tables(options: dict[str, Any]) -> list[str]:
    """Return the files, other than images, that options name."""
    zero_point, splits_from = options.get("zero_point"), options.get("splits_from")
    return [
        *([options["catalog"]] if options["catalog"] else []),
        *([zero_point] if zero_point and is_table(zero_point) else []),
        *([str(Path(splits_from) / SPLITS_JSON)] if splits_from else []),
    ]


def _describe_table(name: str) -> dict[str, Any] | None:
    path = Path(name)
    if path.is_dir():
        return _describe_directory(path)
    if not path.is_file():  # a pipe would never end
        return None
    try:
        return {"path": name, "bytes": path.stat().st_size, "sha256": digest(path)}
    except OSError:  # reading it will say what is wrong
        return None


def _describe_directory(path: Path) -> dict[str, Any] | None:
    """Return all files of a data set together, as the stamps of a survey of objects."""
    found = [one for file in sorted(parquet_files(path)) if (one := _describe_table(str(file)))]
    if not found:
        return None
    together = "".join(f"{one['path']} {one['sha256']}\n" for one in found)
    return {
        "path": str(path),
        "files": len(found),
        "bytes": sum(one["bytes"] for one in found),
        "sha256": digest_of(together.encode(errors="surrogateescape")),
    }


def already_complete(asked: dict[str, Any], workspace: Workspace, *, resume: bool) -> dict[str, Any]:
    """Return the content of the ``convert.json`` that is there, if the same was asked for and it may be used again.

    It may with ``--resume``, or when a run was killed after its last step but before it could tell.

    Raises:
        AstrokerasError: it is not.
    """
    out = workspace.out
    made = _what_made(out)
    if not resume and (made != asked or workspace.plan != asked):
        raise AstrokerasError(f"{out} already exists; use --overwrite or another --out, or --resume if it is the same")
    if made is None:
        raise AstrokerasError(f"{out} is no records directory that could be resumed; use --overwrite or another --out")
    if made != asked:
        raise AstrokerasError(
            f"{out} is complete, but {_differences(made, asked)}; use --overwrite to convert again, or another --out"
        )
    return RecordsDirectory.load(out).content


def check_unfinished(asked: dict[str, Any], workspace: Workspace) -> None:
    """Refuse to go on with an unfinished conversion of something else.

    Raises:
        AstrokerasError: it has finished tasks, which would be lost.
    """
    begun = workspace.plan
    if begun not in (None, asked) and workspace.kept:
        raise AstrokerasError(
            f"an unfinished conversion to {workspace.out} is there, but {_differences(begun, asked)}; "
            "repeat its own command to go on with it, or use --overwrite to start afresh"
        )


def _what_made(out: Path) -> dict[str, Any] | None:
    try:
        content = json.loads((out / CONVERT_JSON).read_text(encoding="utf-8"))
        options = content["options"]
        tables = content["inputs"][: len(_tables(options))]
        return {"astrokeras": content["astrokeras"], "options": options, "tables": tables}
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def _differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Return in words what is not as it was."""
    said = []
    if before["astrokeras"] != now["astrokeras"]:
        said.append(f"astrokeras was {before['astrokeras']} and is {now['astrokeras']}")
    names = sorted(before["options"].keys() | now["options"].keys())
    said += describe_changes(before["options"], now["options"], names)
    if not said:
        said.append("the catalogue or another table has changed")
    return ", ".join(said)
