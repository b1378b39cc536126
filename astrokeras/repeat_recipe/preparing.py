"""Files that a recipe makes before its first stage: pictures of archives, tables of tables."""

import csv
import hashlib
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from astrokeras.errors import AstrokerasError
from astrokeras.files import write_atomically, write_json

DONE = "recipe.json"
_LARGEST = 64 << 20  # bytes of a file in an archive
_PICTURES = {".jpg", ".jpeg", ".png", ".fits"}


def filled(text: str, places: Mapping[str, Path | str]) -> str:
    """Return a text of a recipe with what its ``{out}`` and the like stand for."""
    for name, place in places.items():
        text = text.replace(f"{{{name}}}", str(place))
    return text


def there(name: str) -> Path:
    """Return the path of a file.

    Raises:
        AstrokerasError: it is not there.
    """
    if not Path(name).is_file():
        raise AstrokerasError(f"there is no file {name}, which the recipe needs; is --data the right directory?")
    return Path(name)


def prepare(
    item: Mapping[str, Any],
    places: Mapping[str, Path | str],
    out: Path,
    done: dict[str, Any],
    report: Callable[[str], None],
) -> None:
    """Unpack an archive (``unpack``, ``into``), or write one table of several (``tables``, ``into``), see `_gather`."""
    item = json.loads(json.dumps(item), object_hook=lambda found: _filled_all(found, places))
    key = f"prepare {item['into']} {hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()[:8]}"
    if done.get(key) == item:
        return
    if "unpack" in item:
        count, what = _unpack(there(item["unpack"]), Path(item["into"])), f"files of {item['unpack']}"
    else:
        count, what = _gather(item["tables"], Path(item["into"])), "rows"
    report(f"{count} {what} in {item['into']}")
    done[key] = item
    write_json(out / DONE, done)


def _filled_all(found: dict[str, Any], places: Mapping[str, Path | str]) -> dict[str, Any]:
    return {key: filled(value, places) if isinstance(value, str) else value for key, value in found.items()}


def _unpack(archive: Path, folder: Path) -> int:
    """Put the pictures of an archive into one folder, under their own names; returns their number."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    try:
        with tarfile.open(archive) as file:
            for member in file:
                name = Path(member.name).name
                if not member.isfile() or Path(name).suffix.lower() not in _PICTURES or member.size > _LARGEST:
                    continue
                (folder / name).write_bytes(file.extractfile(member).read())
                count += 1
    except (tarfile.TarError, EOFError) as error:
        raise AstrokerasError(f"{archive} is no whole tar archive ({error})") from None
    return count


def _gather(tables: list[dict[str, Any]], into: Path) -> int:
    """Write the rows of CSV tables one below the other; returns their number.

    Args:
        tables: each a ``file`` with a column `id`; with ``join``, another table, its columns by id are added and rows
            without any there are left out; ``set`` gives columns that are the same in all rows.
        into: the file to write.
    """
    rows: list[dict[str, str]] = []
    for table in tables:
        mine = _rows(there(table["file"]))
        if "join" in table:
            further = {row["id"]: row for row in _rows(there(table["join"]))}
            mine = [row | further[row["id"]] for row in mine if row["id"] in further]
        rows += [row | table.get("set", {}) for row in mine]
    names = list(dict.fromkeys(name for row in rows for name in row))

    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, names, restval="")
            writer.writeheader()
            writer.writerows(rows)

    write_atomically(into, write)
    return len(rows)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    if not rows or "id" not in rows[0]:
        raise AstrokerasError(f"{path} has no rows with an id")
    return rows
