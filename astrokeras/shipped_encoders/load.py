"""Networks of the encoders that come with the package."""

import hashlib
import io
from pathlib import Path

import keras
import numpy as np

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.models.encoder import build_encoder
from astrokeras.records.directory import RecordsDirectory
from astrokeras.shipped_encoders.card import Card, read_card


def load_encoder(name: str, size: int | None = None, bands: tuple[str, ...] | None = None) -> keras.Model:
    """Return an encoder that comes with the package.

    Args:
        name: see `encoder_names`.
        size: side of the stamps that it shall take; those that it was trained on if None. Stamps of another size are
            resampled to the same side within the network, so that their objects look larger or smaller to it.
        bands: the order in which the stamps have the bands; that of the card if None.

    Shapes:
        flux [N, size, size, B] float32 -> embedding [N, D] float32

    Units:
        flux in that of the card; NaN counts as sky

    Raises:
        AstrokerasError: the file of weights is not the one of the card.
        UsageError: no such encoder, or bands that it was not trained on.

    Example:
        >>> load_encoder("sdss-gri-compact").output_shape
        (None, 128)
    """
    card = read_card(name)
    size, bands = size or card.size, card.bands if bands is None else tuple(bands)
    if sorted(bands) != sorted(card.bands):
        raise UsageError(
            f"encoder {name} was trained on the bands {', '.join(card.bands)}, and not on {', '.join(bands)}"
        )
    encoder = _build(card, size, bands)
    weights = _read_weights(card)
    if [value.shape for value in weights] != [tuple(value.shape) for value in encoder.weights]:
        raise AstrokerasError(
            f"the weights of encoder {name} are not those of {card.backbone}; install astrokeras again"
        )
    encoder.set_weights(weights)
    return encoder


def encoder_like(name: str, weights: str | None) -> keras.Model:
    """Return the network of an encoder that comes with the package, with other weights.

    Args:
        name: see `encoder_names`.
        weights: None for random ones, ``imagenet``, or a file, as in `models.encoder.build_encoder`.

    Raises:
        UsageError: no such encoder, or one whose backbone has no such weights.
        WeightsUnavailable: the weights could not be had.
    """
    card = read_card(name)
    return _build(card, card.size, card.bands, weights)


def encoder_for(name: str, records: RecordsDirectory, size: int | None = None) -> keras.Model:
    """Return an encoder that comes with the package, as it takes the stamps of these records.

    Args:
        name: see `encoder_names`.
        records: their bands may have another order.
        size: side of the stamps after cropping; that of the card if the stamps are as large, else their own.

    Raises:
        AstrokerasError: the file of weights is not the one of the card.
        UsageError: no such encoder, or the stamps are not such as it was trained on: other bands, or another unit.
    """
    card = read_card(name)
    if records.unit != card.unit:
        raise UsageError(
            f"encoder {name} takes stamps in the unit {card.unit} (levels 0 to 255 of colour pictures), and those of "
            f"{records.path} are in {records.unit}"
        )
    return load_encoder(name, size or min(card.size, records.size), records.bands)


def _read_weights(card: Card) -> list[np.ndarray]:
    """Return the weights in the order of `keras.Model.weights`, float32."""
    content = card.weights.read_bytes()
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise AstrokerasError(
            f"the weights of encoder {card.name} are damaged (another checksum); install astrokeras again"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return [file[key].astype(np.float32) for key in file.files]


def _build(card: Card, size: int, bands: tuple[str, ...], weights: str | None = None) -> keras.Model:
    places = [card.bands.index(band) for band in bands]
    content = {
        "name": card.name,
        "bands": bands,
        "size": size,
        "unit": card.unit,
        "sky": [card.sky[place] for place in places],
        "noise": [card.noise[place] for place in places],
    }
    order = None if bands == card.bands else tuple(bands.index(band) for band in card.bands)
    stamps = RecordsDirectory(Path(card.name), content)
    return build_encoder(stamps, backbone=card.backbone, resize=card.resize, weights=weights, order=order)
