"""Find a survey's image files from a template such as ``tiles/{field}_{band}.fits``."""

import dataclasses
import glob
import re
from pathlib import Path

from astrokeras.errors import AstrokerasError, UsageError

PLACEHOLDERS = ("band", "field", "id")
_TOKEN = re.compile(r"\{([^{}]*)\}")


@dataclasses.dataclass(frozen=True)
class ImageTemplate:
    """A file name with the placeholders ``{band}``, ``{field}`` (tiles) or ``{id}`` (one file an object).

    ``*`` stands for any characters of a name: dates or versions that differ from file to file.
    """

    text: str
    bands: tuple[str, ...]
    option: str = "--images"

    def __post_init__(self) -> None:
        names = _TOKEN.findall(self.text)
        for name in names:
            if name not in PLACEHOLDERS:
                raise UsageError(
                    f"{self.option} {self.text}: unknown placeholder {{{name}}}; "
                    "{band}, {field} and {id} are understood"
                )
        if "field" in names and "id" in names:
            raise UsageError(
                f"{self.option} {self.text}: {{field}} names a tile and {{id}} one object's own file; use one of them"
            )

    def __contains__(self, placeholder: str) -> bool:
        return f"{{{placeholder}}}" in self.text

    @property
    def per_object(self) -> bool:
        """Whether each object has files of its own."""
        return "id" in self

    def path(self, unit: str, band: str) -> Path:
        """Return the file of one field (or one object) in one band.

        Raises:
            ValueError: `unit` is a name that would leave the image directory, or several files match ``*``.
        """
        is_unicode = unit.encode(errors="ignore").decode() == unit
        if "/" in unit or "\0" in unit or unit in (".", "..") or not is_unicode:
            raise ValueError(f"{unit!r} is no file name inside the image directory")
        values = {"band": band, "field": unit, "id": unit}
        path = _TOKEN.sub(lambda match: values[match.group(1)], self.text)
        if "*" not in self.text:
            return Path(path)
        pieces = (_TOKEN.sub(lambda match: values[match.group(1)], piece) for piece in self.text.split("*"))
        found = sorted(glob.glob("*".join(map(glob.escape, pieces))))  # noqa: PTH207 - absolute patterns, as below
        if len(found) > 1:
            raise ValueError(f"{len(found)} files match {path}, expected one: {found[0]}, {found[1]}, …")
        return Path(found[0] if found else path)

    def discover(self) -> list[str]:
        """Return the fields (or object ids) that have a file in at least one band, sorted.

        A template with neither ``{field}`` nor ``{id}`` has the one field ``""``.

        Raises:
            AstrokerasError: no file matches, or a band has no file at all.
        """
        units: set[str] = set()
        for band in self.bands if "band" in self else self.bands[:1]:
            found = self._discover_band(band)
            if not found:
                hint = " (for that band)" if "band" in self else ""
                if not set("{*") & set(self.text):
                    raise AstrokerasError(f"{self.option} {self.text}: there is no such file or directory")
                if (missing := self._missing_directory(band)) is not None:
                    raise AstrokerasError(f"{self.option} {self.text}: there is no directory {missing}")
                raise AstrokerasError(
                    f"no image matches {self._fill(band)}{hint}; check --images and --bands, or quote the template"
                )
            units |= found
        return sorted(units)

    def has_files(self) -> bool:
        """Return whether there is any file of the first band."""
        return bool(self._discover_band(self.bands[0]))

    def _missing_directory(self, band: str) -> Path | None:
        """Return the first directory of the template that is not there, as far as it is known without a unit."""
        fixed = _TOKEN.split(self.text.replace("{band}", band))[0].partition("*")[0]
        directory = Path(fixed).parent if not fixed.endswith("/") else Path(fixed)
        lacking = [path for path in (directory, *directory.parents) if not path.is_dir()]
        return lacking[-1] if lacking else None

    def _fill(self, band: str) -> str:
        return _TOKEN.sub(lambda match: band if match.group(1) == "band" else "*", self.text)

    def _discover_band(self, band: str) -> set[str]:
        pieces = _TOKEN.split(self.text)
        pattern, expression, seen = "", "", False
        for index, piece in enumerate(pieces):
            if index % 2 == 0 or piece == "band":
                literals = piece.split("*") if index % 2 == 0 else [band]
                pattern += "*".join(map(glob.escape, literals))
                expression += "[^/]*".join(map(re.escape, literals))
            else:
                pattern += "*"
                expression += "(?P=unit)" if seen else "(?P<unit>.+?)"
                seen = True
        matcher = re.compile(expression + r"\Z")
        units = set()
        for name in glob.iglob(pattern):  # noqa: PTH207 - absolute patterns, which Path.glob refuses
            match = matcher.match(name)
            if match:
                units.add(match.groupdict().get("unit") or "")
        return units
