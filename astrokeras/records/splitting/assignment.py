"""How a conversion was split, kept beside its shards so that a later one can go on with it."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from astrokeras.config import DEFAULT_SPLITS, ConvertConfig, replaced
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.files import digest_of, write_json
from astrokeras.records.splitting.shares import parse_splits, split_groups, split_objects
from astrokeras.survey.template import ImageTemplate

SPLITS_JSON = "splits.json"
SPLITS_FORMAT = 1
GIVEN = "given"  # by --split-column
_WHY = {
    "sky": "the default for objects cut from tiles: no test stamp shares pixels with a training stamp",
    "id": "the default for one file an object: whether two files show the same sky is not known",
}
UNLABELLED = ""  # no class can be called so: an empty label is none


@dataclasses.dataclass(frozen=True)
class Group:
    """A field, an area of sky or a value of a column: its split, and how many objects of each class it had."""

    split: str
    objects: dict[str, int]


@dataclasses.dataclass
class Splitting:
    """What decides the split of every object.

    Attributes:
        by: ``id``, ``field``, ``sky``, a column's name, or `GIVEN` where a column says it of each object.
        seed: of the draw.
        shares: from `parse_splits`.
        cells: ``{"nside": …}`` (HEALPix, nested, ICRS) or ``{"pixels": …}`` (side of a block); None unless by sky.
        groups: by name; none where objects are split by id.
        source: the records that this goes on from, "" for none.
        objects: whether rows with one object (``--object-column``) share its draw where objects are split by id.
    """

    by: str
    seed: int
    shares: dict[str, float]
    cells: dict[str, int | float] | None = None
    groups: dict[str, Group] = dataclasses.field(default_factory=dict)
    source: str = ""
    objects: bool = False

    def split_objects(self, ids: np.ndarray) -> np.ndarray:
        """Index into `shares` of each object, ``[N]``.

        Raises:
            UsageError: a split gets no object, unless earlier records are continued, which have some.
        """
        split = split_objects(ids, self.shares, self.seed)
        counts = np.bincount(split, minlength=len(self.shares))
        for (name, share), count in zip(self.shares.items(), counts, strict=True):
            if not count and not self.source:
                raise UsageError(
                    f"--splits: by chance none of the {len(ids)} objects falls into {name} (share {share:.3g}); "
                    "give it a larger share, leave it out, or take another --seed"
                )
        return split

    def split_groups(
        self, names: np.ndarray, member_of: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]
    ) -> np.ndarray:
        """Split groups that no two splits share, and remember where each went.

        Args:
            names: of the groups, all different, text ``[G]``.
            member_of: index of each object's group, ``[N]``.
            labels: index of each object's class, -1 where unlabelled, ``[N]``.
            classes: their names.

        Returns:
            Index into `shares` of each group, ``[G]``.
        """
        if len(names) < len(self.shares) and not self.source:
            raise UsageError(
                f"--split-by {self.by}: {len(names)} group(s) cannot fill {len(self.shares)} splits; "
                "split by something finer"
            )
        width = len(classes) + 1
        tally = np.bincount(member_of * width + labels + 1, minlength=len(names) * width).reshape(-1, width)
        here = {
            name: {c: int(n) for c, n in zip((UNLABELLED, *classes), row, strict=True) if n}
            for name, row in zip(names.tolist(), tally.tolist(), strict=True)
        }
        objects = {name: group.objects for name, group in self.groups.items()}
        for name, found in here.items():
            before = objects.get(name, {})
            objects[name] = {c: max(found.get(c, 0), before.get(c, 0)) for c in sorted({*found, *before})}
        everything = sorted(objects)
        column = {c: i for i, c in enumerate(sorted({c for row in objects.values() for c in row}))}
        counts = np.zeros((len(everything), len(column)))
        for row, name in enumerate(everything):
            for c, n in objects[name].items():
                counts[row, column[c]] = n
        order = list(self.shares)
        known = np.array([order.index(self.groups[n].split) if n in self.groups else -1 for n in everything])
        split = split_groups(np.array(everything), counts, self.shares, self.seed, known)
        self.groups = {n: Group(order[s], objects[n]) for n, s in zip(everything, split.tolist(), strict=True)}
        return np.array([order.index(self.groups[name].split) for name in names.tolist()])

    def save(self, directory: Path) -> None:
        """Write ``splits.json``."""
        content = {
            "splits_format": SPLITS_FORMAT,
            "by": self.by,
            "seed": self.seed,
            "shares": self.shares,
            "cells": self.cells,
            "objects": self.objects,
            "groups": {name: dataclasses.asdict(group) for name, group in self.groups.items()},
        }
        write_json(directory / SPLITS_JSON, {**content, "sha256": _checksum(content)})


def load_splitting(records: str) -> Splitting:
    """Return the splitting of a records directory.

    Raises:
        AstrokerasError: there is none, or the file is damaged.
    """
    path = Path(records) / SPLITS_JSON
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["splits_format"] != SPLITS_FORMAT:
            raise AstrokerasError(f"{path} has format {content['splits_format']}, expected {SPLITS_FORMAT}")
        if content.pop("sha256") != _checksum(content):
            raise ValueError("its checksum does not fit")
        groups = {name: Group(**group) for name, group in content["groups"].items()}
        cells, objects = content["cells"], content.get("objects", False)
        return Splitting(content["by"], content["seed"], content["shares"], cells, groups, records, objects)
    except OSError as error:
        raise AstrokerasError(
            f"--splits-from {records}: cannot read {path} ({error.strerror}); expected a directory that astrokeras "
            "convert wrote"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        detail = " ".join(str(error).split())
        raise AstrokerasError(f"{path} is damaged ({detail}); the splits cannot be continued") from None


def _checksum(content: dict[str, Any]) -> str:
    return digest_of(json.dumps(content, sort_keys=True).encode())


def choose_splitting(
    config: ConvertConfig, report: Callable[[str], None] = lambda _: None
) -> tuple[Splitting, ConvertConfig]:
    """Return the splitting that `config` asks for, and `config` with the splitting's options in full.

    What follows from a default is told to `report`.

    With ``--splits-from`` the seed, the shares and what is split by are those of the earlier records. An option that
    was left at its default is taken over, one that says something else is refused.
    """
    if config.splits.split_column is not None:
        return _given_splitting(config), config
    if config.splits.splits_from is None:
        splits, by = config.splits.splits or DEFAULT_SPLITS, config.splits.split_by
        if by is None:
            by = "id" if ImageTemplate(config.images.images, config.images.bands).per_object else "sky"
            report(f"splits: by {by} ({_WHY[by]})")
        chosen = Splitting(
            by, config.running.seed, parse_splits(splits), objects=by == "id" and bool(config.catalogue.object_column)
        )
        return chosen, replaced(config, splits=splits, split_by=by)
    earlier = load_splitting(config.splits.splits_from)
    _check_agrees(config, earlier)
    shares = _as_text(earlier.shares)
    return earlier, replaced(config, splits=shares, split_by=earlier.by, seed=earlier.seed)


def _given_splitting(config: ConvertConfig) -> Splitting:
    for option in ("splits", "split_by", "cell_size", "splits_from"):
        if getattr(config.splits, option) is not None:
            raise UsageError(
                f"--{option.replace('_', '-')}: --split-column {config.splits.split_column} says already in which "
                "split each object is; give one of the two"
            )
    return Splitting(GIVEN, config.running.seed, {})


def _check_agrees(config: ConvertConfig, earlier: Splitting) -> None:
    """Refuse options that say something else than the earlier splitting."""
    asked = config.splits
    if earlier.by == GIVEN:
        raise UsageError(
            f"--splits-from {asked.splits_from}: a column of the catalogue said in which split each object is; give "
            "the column again (--split-column)"
        )
    shares = _as_text(earlier.shares)
    where = f"but --splits-from {asked.splits_from} goes on with"
    if asked.splits and not _equal(parse_splits(asked.splits), earlier.shares):
        raise UsageError(f"--splits {asked.splits}, {where} {shares}; leave --splits out")
    if asked.split_by and asked.split_by.lower() != earlier.by.lower():
        raise UsageError(f"--split-by {asked.split_by}, {where} {earlier.by}; leave --split-by out")
    if config.running.seed not in (0, earlier.seed):
        raise UsageError(f"--seed {config.running.seed}, {where} seed {earlier.seed}; leave --seed out")
    if asked.cell_size is not None:
        raise UsageError(f"--cell-size {asked.cell_size:g}, {where} the areas of those records; leave it out")
    if earlier.objects and not config.catalogue.object_column:
        raise UsageError(f"{where.removeprefix('but ')} all rows of an object in one split; give their --object-column")
    if earlier.by == "id" and config.catalogue.object_column and not earlier.objects:
        raise UsageError(f"--object-column {config.catalogue.object_column}, {where} each id by itself; leave it out")


def _as_text(shares: dict[str, float]) -> str:
    return ",".join(f"{name}={share:.10g}" for name, share in shares.items())


def _equal(shares: dict[str, float], others: dict[str, float]) -> bool:
    return list(shares) == list(others) and np.allclose(list(shares.values()), list(others.values()), rtol=0, atol=1e-9)
