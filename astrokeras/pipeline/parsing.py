"""From serialized records to tensors, a batch at a time."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from astrokeras.pipeline.cropping import check_size
from astrokeras.pipeline.source import no_field
from astrokeras.records.directory import RecordsDirectory

Parser = Callable[[tf.Tensor], dict[str, tf.Tensor]]


def _spec(records: RecordsDirectory, field: str) -> tf.io.FixedLenFeature:
    """Return how `field` is stored; see the schema in `records/`."""
    if field in ("magnitudes", "magnitude_errors"):
        return tf.io.FixedLenFeature([len(records.bands)], tf.float32)
    if field == "label" or field in records.integer_columns:
        return tf.io.FixedLenFeature([], tf.int64)
    has_valid = ("valid",) if records.content["options"].get("valid") else ()
    if field in ("id", "image", *has_valid) or field in records.columns:
        return tf.io.FixedLenFeature([], tf.string)
    raise no_field(records, field, ("id", "label", "magnitudes", "magnitude_errors", *has_valid, *records.columns))


def _decode_image(records: RecordsDirectory, raw: tf.Tensor, size: int, margin: int, dtype: tf.DType) -> tf.Tensor:
    """Return pixels from bytes, cropped around the centre (rounded towards the origin for an odd difference).

    With a margin there are so many pixels more at each edge, or as many as the records have at all of them.

    Shapes:
        raw [N] bytes -> [N, size + 2 margin, size + 2 margin, B] of `dtype`
    """
    full, bands = records.size, len(records.bands)
    # Not -1 for N: stamps of another size would be cut up into more or fewer without a word.
    flux = tf.reshape(tf.io.decode_raw(raw, dtype), [tf.shape(raw)[0], full, full, bands])
    start = (full - size) // 2
    more = min(margin, start)
    first, last = start - more, start + size + more
    return flux[:, first:last, first:last, :]


def parser(records: RecordsDirectory, fields: Sequence[str], size: int | None = None, margin: int = 0) -> Parser:
    """Return a function that parses a batch of serialized records into the named features.

    Args:
        records: where from.
        fields: the features.
        size: crop around the centre to this many pixels.
        margin: keep so many pixels more at each edge, as far as the records have them.

    Shapes:
        [N] bytes -> ``image`` [N, size, size, B] float32; ``magnitudes`` and ``magnitude_errors`` [N, B]
        float32 with NaN where missing; ``valid`` [N, size, size, B] uint8, where the records have it, 1 for a
        good pixel; ``label`` [N] int64; ``id`` [N] bytes; a carried column [N] float64 or
        int64. ``image`` and ``valid`` are larger with a margin.

    Raises:
        AstrokerasError: a field that the records don't have.
        UsageError: `size` does not fit.
    """
    specs: dict[str, Any] = {field: _spec(records, field) for field in fields}
    side = check_size(records, size)

    def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.io.parse_example(serialized, specs)
        for field in features:
            if field in ("image", "valid"):
                dtype = tf.float32 if field == "image" else tf.uint8
                features[field] = _decode_image(records, features[field], side, margin, dtype)
            elif field in records.columns and field not in records.integer_columns:
                features[field] = tf.reshape(tf.io.decode_raw(features[field], tf.float64), tf.shape(serialized))
        return features

    return parse
