"""The encoder: everything from raw flux to the feature vector, in one model."""

import keras
from keras import KerasTensor

from astrokeras.models.adapter import BandOrder, ChannelAdapter
from astrokeras.models.backbone import build_backbone, needs_three_channels
from astrokeras.models.inflate import inflated
from astrokeras.models.rgb_bands import Colours, colours_of, three_bands
from astrokeras.models.stretch import stretch_for
from astrokeras.pipeline.cropping import check_size
from astrokeras.records.directory import RecordsDirectory

CHANNELS = {
    "rgb": "three bands as red, green and blue, their levels cut at 0 and 1 as those of a picture are",
    "inflate": "every band has a part of the kernels of its colour in the first convolution, see `inflate.inflated`",
    "adapter": "a mixture of the bands that is learned, for three and for one band too, see `ChannelAdapter`",
}
"""How a network that was trained on colour pictures gets any number of bands."""


def build_encoder(
    records: RecordsDirectory,
    *,
    backbone: str,
    size: int | None = None,
    resize: int | None = None,
    stretch: str = "auto",
    weights: str | None = None,
    order: tuple[int, ...] | None = None,
    channels: str | None = None,
) -> keras.Model:
    """Stretch, resizing, channel adapter, backbone and mean over the pixels.

    Args:
        records: gives the bands, the size of the stamps and the constants of the stretch.
        backbone: see `backbones.build_backbone`.
        size: side of the stamps after cropping; the records' own if None.
        resize: side to which the stretched stamps are resampled (bilinear); None leaves them.
        stretch: ``auto``, ``asinh`` or ``linear``.
        weights: None for random ones, ``imagenet``, or a file.
        order: which band of the stamps the backbone gets as its first, second and so on; None leaves them (with
            ``rgb``, takes those of `rgb_bands.three_bands`).
        channels: how a backbone of three channels gets the bands: one of `CHANNELS`, or None for `ChannelAdapter`.

    Shapes:
        flux [N, size, size, B] float32 -> embedding [N, D] float32

    Units:
        that of the records; NaN and infinite pixels count as sky

    Raises:
        UsageError: an unknown name, or a size that does not work.
        WeightsUnavailable: the weights could not be had.
    """
    side, n_bands = check_size(records, size), len(records.bands)
    flux = keras.Input((side, side, n_bands), dtype="float32", name="flux")
    x = stretch_for(records, stretch)(flux)
    if channels == "rgb" and order is None:
        order = three_bands(records)
    if order is not None:
        x = BandOrder(order, name="band_order")(x)
    if resize is not None and resize != side:
        side = resize
        x = keras.layers.Resizing(resize, resize, interpolation="bilinear", name="resize")(x)
    if channels == "inflate":
        x = _inflated(x, backbone, weights, colours_of(records))
    else:
        if channels == "rgb":
            x = keras.layers.ReLU(max_value=1.0, name="levels")(x)  # as in a picture
        if needs_three_channels(backbone):
            adapter = ChannelAdapter(colours_of(records) if channels == "adapter" else None, name="adapter")
            x, n_bands = adapter(x), 3
        x = build_backbone(backbone, (side, side, n_bands), weights)(x)
    embedding = keras.layers.GlobalAveragePooling2D(dtype="float32", name="embedding")(x)
    return keras.Model(flux, embedding, name="encoder")


def _inflated(x: KerasTensor, backbone: str, weights: str | None, colours: Colours) -> KerasTensor:
    """Return the features of a backbone whose first convolution is spread over the bands."""
    parts = [(band, colour, 1.0 / len(bands)) for colour, bands in enumerate(colours) for band in bands]
    bands, of, shares = zip(*sorted(parts), strict=True)
    if list(bands) != list(range(x.shape[-1])):  # of fewer than three bands, one stands for several colours
        x = BandOrder(bands, name="band_order")(x)
    return inflated(build_backbone(backbone, (*x.shape[1:3], 3), weights), of, shares)(x)
