"""Find the objects that two sets of records share: by their ids, and by their places on the sky."""

import dataclasses
from typing import Self

import numpy as np
from scipy.spatial import cKDTree

from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.objects import read_objects
from astrokeras.survey.columns import as_text
from astrokeras.survey.placement import unit_vectors

_ARCSEC = np.radians(1 / 3600)
RADIUS = 1.0
"""Arcseconds within which two positions are of one object."""
_APART = 60.0
"""Arcseconds from which on two objects of the same id are two: ids such as 1, 2, 3 occur in every survey."""


@dataclasses.dataclass(frozen=True)
class Whereabouts:
    """Ids and positions of N objects.

    Attributes:
        ids: text, ``[N]``.
        ra: ICRS degrees, ``[N]``, NaN where unknown.
        dec: the same.
    """

    ids: np.ndarray
    ra: np.ndarray
    dec: np.ndarray

    @classmethod
    def of(cls, records: RecordsDirectory, split: str) -> Self:
        """Return the objects of a split; none where there is no such split.

        Raises:
            AstrokerasError: a file is damaged.
        """
        if not records.counts.get(split, 0):
            return cls(np.empty(0, dtype=str), np.empty(0), np.empty(0))
        table = read_objects(records, split, ("id", "ra", "dec"))
        unknown = np.full(len(table), np.nan)
        place = [np.asarray(table[name], float) if name in table.colnames else unknown for name in ("ra", "dec")]
        return cls(as_text(np.ma.MaskedArray(np.asarray(table["id"]))), *place)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: np.ndarray) -> Self:
        return type(self)(self.ids[rows], self.ra[rows], self.dec[rows])

    @property
    def vectors(self) -> np.ndarray:
        """Unit vectors, ``[N, 3]``, NaN where the position is unknown."""
        return unit_vectors(self.ra, self.dec)


def shared_by_id(some: Whereabouts, others: Whereabouts) -> np.ndarray:
    """Say which of `some` have the id of one of `others`, ``[N]`` booleans.

    Where both positions are known, and more than an arcminute apart, they are two objects of the same name.

    Example:
        >>> a, b = (Whereabouts(np.array(["1"]), np.array([ra]), np.array([0.0])) for ra in (10.0, 20.0))
        >>> shared_by_id(a, a).tolist(), shared_by_id(a, b).tolist()
        ([True], [False])
    """
    shared = np.zeros(len(some), dtype=bool)
    if not len(some) or not len(others):
        return shared
    order = np.argsort(others.ids, kind="stable")
    place = np.minimum(np.searchsorted(others.ids, some.ids, sorter=order), len(others) - 1)
    partner = order[place]
    shared = others.ids[partner] == some.ids
    distance = np.linalg.norm(some.vectors - others.vectors[partner], axis=-1)
    return shared & ~(distance > _chord(_APART))


def shared_by_place(some: Whereabouts, others: Whereabouts, radius: float = RADIUS) -> np.ndarray:
    """Say which of `some` lie within `radius` arcseconds of one of `others`, ``[N]`` booleans."""
    shared = np.zeros(len(some), dtype=bool)
    mine, theirs = some.vectors, others.vectors
    known = np.flatnonzero(np.isfinite(mine).all(axis=-1))
    theirs = theirs[np.isfinite(theirs).all(axis=-1)]
    if len(known) and len(theirs):
        distance, _ = cKDTree(theirs).query(mine[known], distance_upper_bound=_chord(radius) * (1 + 1e-9))
        shared[known] = np.isfinite(distance)
    return shared


def _chord(arcseconds: float) -> float:
    """Return the distance of two unit vectors that are so far apart."""
    return 2 * np.sin(arcseconds * _ARCSEC / 2)
