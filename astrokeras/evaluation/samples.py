"""What an encoder makes of some objects: embeddings, and small pictures of the stamps beside them."""

import dataclasses

import keras
import numpy as np
from PIL import Image

from astrokeras.evaluation.compare import Comparison
from astrokeras.evaluation.prepare import TEST, TRAIN, VALIDATION, strata_of
from astrokeras.records.picture import rgb, upright, white_balance

MOST_OBJECTS = 500
THUMBNAIL = 32


@dataclasses.dataclass(frozen=True)
class Sample:
    """Some objects of a split.

    Attributes:
        split: its name.
        rows: their places in the split, ascending, [N].
        labelled: whether they have a label.
        vectors: their embeddings, [N, D] float32.
        pictures: [N, 32, 32, 3] uint8.
    """

    split: str
    rows: np.ndarray
    labelled: bool
    vectors: np.ndarray
    pictures: np.ndarray


def labelled_rows(comparison: Comparison) -> dict[str, np.ndarray]:
    """Return by split which of its objects have a label of some target, [N] bool."""
    found = {}
    for split in (TRAIN, TEST, VALIDATION):
        if count := comparison.records.counts.get(split, 0):
            labels = comparison.labels(split, np.ones(count, bool))
            found[split] = strata_of(comparison.targets, labels) >= 0
    return found


def unlabelled_rows(comparison: Comparison) -> dict[str, np.ndarray]:
    """Return by split which of its objects have no label at all, [N] bool; each object stands in one split."""
    known = labelled_rows(comparison)
    if comparison.records.regrouped:  # where every split holds all objects
        return {TRAIN: ~np.logical_or.reduce(list(known.values()))}
    return {split: ~labelled for split, labelled in known.items()}


def drawn(rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Return at most so many of the places, ascending, at random."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def look_at(encoder: keras.Model, comparison: Comparison, split: str, rows: np.ndarray, *, labelled: bool) -> Sample:
    """Return what the encoder makes of some objects of a split.

    Args:
        encoder: takes flux [N, S, S, B].
        comparison: from whose source the stamps come.
        split: of the objects.
        rows: their places, ascending.
        labelled: whether they have a label.
    """
    select = np.zeros(comparison.records.counts[split], bool)
    select[rows] = True
    vectors, pictures, balance = [], [], None
    for flux, _ in comparison.source.stamps(split, comparison.config.batch_size, (), select):
        # Called once for few objects, a compiled function would take longer to make than to run.
        vectors.append(keras.ops.convert_to_numpy(encoder(flux, training=False)))
        if balance is None:
            balance = white_balance(flux, comparison.records)
        pictures.append(thumbnails(upright(rgb(flux, comparison.records, balance), comparison.records)))
    if not vectors:
        width = int(encoder.output_shape[-1])
        return Sample(split, rows, labelled, np.empty((0, width)), np.empty((0, THUMBNAIL, THUMBNAIL, 3), np.uint8))
    return Sample(split, rows, labelled, np.concatenate(vectors).astype(np.float32), np.concatenate(pictures))


def thumbnails(pictures: np.ndarray, side: int = THUMBNAIL) -> np.ndarray:
    """Return pictures [N, H, W, 3] of bytes at another size, [N, side, side, 3]."""
    return np.stack([np.asarray(Image.fromarray(picture).resize((side, side))) for picture in pictures])
