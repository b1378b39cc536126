"""Which stamps of a split share pixels with training stamps."""

import numpy as np
from scipy.spatial import cKDTree

from astrokeras.survey.placement import unit_vectors

_MOST = 0.01  # share of the test stamps above which a split is said to leak


def overlap_shares(  # noqa: PLR0913 - what is known of an object's place
    field_of: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    ra: np.ndarray,
    dec: np.ndarray,
    split: np.ndarray,
    *,
    names: tuple[str, ...],
    size: int,
    scale: float | None,
) -> dict[str, float]:
    """Return the share of the stamps of each split but training that overlap with a training stamp.

    On one field two stamps overlap if their centres are less than a side apart in x and in y. Stamps of different
    fields, or with files of their own, overlap if they are less than a side apart on the sky, as circles as wide as the
    stamps would.

    Args:
        field_of: index of each object's field, -1 for a file of its own, ``[N]``.
        x: 0-based pixel columns, NaN for a file of its own, ``[N]``.
        y: 0-based pixel rows, ``[N]``.
        ra: degrees, NaN where unknown, ``[N]``.
        dec: degrees, ``[N]``.
        split: index into `names`, ``[N]``; larger for none of them.
        names: of the splits, the first of which is trained on.
        size: side of a stamp in pixels.
        scale: arcseconds a pixel; None where it is not known.

    Returns:
        By the name of a split the share; a split is left out where positions are known of none of its stamps.
    """
    train = split == 0
    placed = np.isfinite(ra) & np.isfinite(dec) if scale is not None else np.zeros(len(split), dtype=bool)
    found, known = np.zeros(len(split), dtype=bool), placed | (field_of >= 0)
    for field in np.unique(field_of[field_of >= 0]):
        here = np.flatnonzero(field_of == field)
        of_train = here[train[here]]
        if len(of_train):
            tree = cKDTree(np.column_stack([x[of_train], y[of_train]]))
            distance, _ = tree.query(np.column_stack([x[here], y[here]]), p=np.inf, distance_upper_bound=size)
            found[here] |= distance < size
    on_sky = np.flatnonzero(placed)
    of_train = on_sky[train[on_sky]]
    if len(of_train):
        vectors = unit_vectors(ra, dec)
        reach = 2 * np.sin(np.radians(size * scale / 3600) / 2)
        # Those of the same field were compared by their pixels, more exactly.
        several = cKDTree(vectors[of_train])
        near = several.query_ball_point(vectors[on_sky], reach * (1 - 1e-9)) if len(of_train) else []
        for row, others in zip(on_sky.tolist(), near, strict=True):
            if not found[row] and others:
                fields = field_of[of_train[others]]
                found[row] = bool(np.any((fields != field_of[row]) | (fields < 0)))
    shares = {}
    for number, name in enumerate(names[1:], start=1):
        mine = (split == number) & known
        if mine.any():
            shares[name] = float(found[mine].mean())
    return shares


def overlap_lines(shares: dict[str, float], by: str) -> list[str]:
    """Return what to say of the shares: a line, a warning where more than one per cent of the stamps overlap."""
    if not shares:
        return []
    told = ", ".join(f"{share:.1%} of the {name} stamps" for name, share in shares.items())
    if max(shares.values()) <= _MOST:
        return [f"overlap: {told} share sky with training stamps"]
    return [
        f"WARNING: overlap: {told} share sky with training stamps, so that scores will be too good (split by {by}); "
        "--split-by sky keeps them apart"
    ]
