"""Encoders: one that has not been trained, for records, and those that come with the package."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astrokeras.api.records import open_records
from astrokeras.commands.backend import import_keras

if TYPE_CHECKING:
    import keras


def build_encoder(
    records: Any,
    backbone: str = "compact",
    *,
    size: int | None = None,
    resize: int | None = None,
    stretch: str = "auto",
    weights: str | Path | None = None,
) -> "keras.Model":
    """Stretch, resizing, channel adapter, backbone and pooling, from raw flux to the embedding.

    Args:
        records: `Records`, or the path of a records directory.
        backbone: ``compact``, or a network of `keras.applications`.
        size: side of the stamps after cropping; the records' own if None.
        resize: side to which the encoder resamples them; None leaves them.
        stretch: ``auto``, ``asinh`` or ``linear``.
        weights: None for random ones, ``imagenet``, or a file.

    Shapes:
        flux [N, size, size, B] float32 -> embedding [N, D] float32

    Units:
        flux in that of the records; NaN counts as sky.

    Raises:
        AstrokerasError: an unknown name, a size that does not work, weights that cannot be had.

    Example:
        >>> encoder = astrokeras.build_encoder("records", backbone="mobilenet_v2", resize=96)  # doctest: +SKIP
    """
    import_keras(tensorflow=False)
    from astrokeras.models import encoder  # noqa: PLC0415

    opened = records if hasattr(records, "bands") else open_records(records)
    given = None if weights is None else str(weights)
    return encoder.build_encoder(opened, backbone=backbone, size=size, resize=resize, stretch=stretch, weights=given)


def load_encoder(name: str, size: int | None = None, bands: Sequence[str] | None = None) -> "keras.Model":
    """Return an encoder that comes with the package, see ``astrokeras encoders``.

    Args:
        name: of the encoder.
        size: side of the stamps that it shall take; that of its card if None.
        bands: the order in which the stamps have the bands; that of its card if None.

    Shapes:
        flux [N, size, size, B] float32 -> embedding [N, D] float32

    Units:
        flux in that of the card, for colour pictures levels 0 to 255; NaN counts as sky.

    Raises:
        AstrokerasError: no such encoder, bands that it does not know, or a damaged installation.

    Example:
        >>> encoder = astrokeras.load_encoder("sdss-gri-mobilenet")  # doctest: +SKIP
        >>> encoder.predict(stamps).shape  # doctest: +SKIP
        (100, 1280)
    """
    import_keras(tensorflow=False)
    from astrokeras.shipped_encoders import load  # noqa: PLC0415

    return load.load_encoder(name, size, None if bands is None else tuple(bands))
