"""Open a records directory, refusing one that is incomplete or of another version."""

import dataclasses
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astrokeras.errors import AstrokerasError
from astrokeras.records.metadata import CONVERT_JSON, RECORDS_FORMAT
from astrokeras.records.objects import read_objects

if TYPE_CHECKING:
    from astropy.table import Table

_KEYS = {"name", "bands", "size", "unit", "classes", "columns", "sky", "noise", "splits", "fingerprint", "options"}


@dataclasses.dataclass(frozen=True)
class RecordsDirectory:
    """A converted survey.

    Attributes:
        path: the directory.
        content: what stands in ``convert.json``.
    """

    path: Path
    content: dict[str, Any]

    @classmethod
    def load(cls, path: str | Path) -> "RecordsDirectory":
        """Open the directory `path` and check that all of its files are there in their full size.

        Raises:
            AstrokerasError: it is no records directory, one of another format, or a file is missing or cut.

        Example:
            >>> RecordsDirectory.load("records").counts  # doctest: +SKIP
            {'train': 1471, 'val': 163, 'test': 182}
        """
        path = Path(path)
        file = path / CONVERT_JSON
        if not file.is_file():
            raise AstrokerasError(
                f"{path} is no records directory: it has no {CONVERT_JSON}; make one with astrokeras convert"
            )
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            version = content["records_format"]
        except (ValueError, KeyError, TypeError):
            raise AstrokerasError(f"{file} is damaged; convert the survey again") from None
        if version != RECORDS_FORMAT:
            raise AstrokerasError(
                f"{path} has records format {version}, this astrokeras reads {RECORDS_FORMAT}; convert the survey again"
            )
        records = cls(path, content)
        if not content.keys() >= _KEYS:
            raise AstrokerasError(f"{file} is damaged; convert the survey again")
        for split in records.splits:
            for name, shard in zip(records.shards(split), content["splits"][split]["shards"], strict=True):
                size = Path(name).stat().st_size if Path(name).is_file() else None
                if size != shard["bytes"]:
                    what = "is missing" if size is None else f"has {size:,} bytes, expected {shard['bytes']:,}"
                    raise AstrokerasError(f"{path} is incomplete: {shard['file']} {what}; convert the survey again")
        return records

    @property
    def name(self) -> str:
        """The name that the shards carry."""
        return self.content["name"]

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the B bands, in the order of the image's last axis."""
        return tuple(self.content["bands"])

    @property
    def size(self) -> int:
        """Side of the stamps in pixels."""
        return self.content["size"]

    @property
    def unit(self) -> str:
        """``nJy``, ``image`` (uncalibrated) or ``display`` (levels 0 to 255 of JPEG and PNG)."""
        return self.content["unit"]

    @property
    def pixel_scale(self) -> float | None:
        """Arcseconds a pixel, by the images' WCS or ``--pixel-scale``; None where neither says it."""
        return self.content.get("pixel_scale") or self.content.get("options", {}).get("pixel_scale")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty without labels."""
        return tuple(self.content["classes"])

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the carried columns."""
        return tuple(self.content["columns"])

    @property
    def integer_columns(self) -> tuple[str, ...]:
        """Those of them that are stored as integers, because float64 would not hold every digit."""
        return tuple(self.content.get("integer_columns", ()))

    @property
    def sky(self) -> tuple[float, ...]:
        """Sky level of each band, from the borders of the training stamps, in `unit`."""
        return tuple(self.content["sky"])

    @property
    def noise(self) -> tuple[float, ...]:
        """Sky noise (standard deviation) of each band, in `unit`; positive."""
        return tuple(self.content["noise"])

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self.content["splits"])

    @property
    def regrouped(self) -> bool:
        """Whether each split holds all objects, since a table says which of them belong to it."""
        return self.content.get("regrouped", False)

    @property
    def fingerprint(self) -> str:
        """One checksum over all shards."""
        return self.content["fingerprint"]

    @property
    def conversion(self) -> dict[str, Any]:
        """The options that the directory was made with."""
        return self.content["options"]

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of records of each split."""
        return {split: content["count"] for split, content in self.content["splits"].items()}

    def count(self, split: str) -> int:
        """Return the number of records of one split."""
        return self._split(split)["count"]

    def labels(self, split: str) -> dict[str, int]:
        """Return the number of labelled records of each class in one split."""
        return self._split(split)["labels"]

    def magnitudes(self, split: str) -> dict[str, int]:
        """Return the number of records of one split that have a magnitude in each band."""
        return self._split(split)["magnitudes"]

    def objects(self, split: str | None = None) -> "Table":
        """Return a row for each record of one split, or of all, in the order in which the shards are read.

        ``id`` (integers where the catalogue's are), ``split``, ``shard`` (its file's name), ``row`` within it (from
        0), ``ra`` and ``dec`` (ICRS, deg), ``x`` and ``y`` (0-based pixels of the image), ``field``, ``label`` (masked
        where unlabelled), ``magnitude_BAND`` and the carried columns; NaN where a number is missing. Records made
        before there was ``objects.parquet`` have no positions and no fields, and all ids are text.

        Raises:
            AstrokerasError: there is no such split, or a file is damaged.
        """
        if split is not None:
            self._split(split)
        return read_objects(self, split)

    def shards(self, split: str) -> list[str]:
        """Return paths of one split's files, in order."""
        return [str(self.path / shard["file"]) for shard in self._split(split)["shards"]]

    def shard_lengths(self, split: str) -> list[int]:
        """Return the number of records in each of one split's files."""
        return [shard["records"] for shard in self._split(split)["shards"]]

    def _split(self, split: str) -> dict[str, Any]:
        try:
            return self.content["splits"][split]
        except KeyError:
            there = ", ".join(self.splits)
            raise AstrokerasError(f"{self.path} has no split {split!r}; there are: {there}") from None
