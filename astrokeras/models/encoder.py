"""The encoder: everything from raw flux to the feature vector, in one model."""

import keras

from astrokeras.models.adapter import BandOrder, ChannelAdapter
from astrokeras.models.backbone import build_backbone, needs_three_channels
from astrokeras.models.stretch import stretch_for
from astrokeras.pipeline.cropping import check_size
from astrokeras.records.directory import Records


def build_encoder(
    records: Records,
    *,
    backbone: str,
    size: int | None = None,
    resize: int | None = None,
    stretch: str = "auto",
    weights: str | None = None,
    order: tuple[int, ...] | None = None,
) -> keras.Model:
    """Stretch, resizing, channel adapter, backbone and mean over the pixels.

    Args:
        records: gives the bands, the size of the stamps and the constants of the stretch.
        backbone: see `backbones.build_backbone`.
        size: side of the stamps after cropping; the records' own if None.
        resize: side to which the stretched stamps are resampled (bilinear); None leaves them.
        stretch: ``auto``, ``asinh`` or ``linear``.
        weights: None for random ones, ``imagenet``, or a file.
        order: which band of the stamps the backbone gets as its first, second and so on; None leaves them.

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
    if order is not None:
        x = BandOrder(order, name="band_order")(x)
    if resize is not None and resize != side:
        side = resize
        x = keras.layers.Resizing(resize, resize, interpolation="bilinear", name="resize")(x)
    if needs_three_channels(backbone):
        x, n_bands = ChannelAdapter(name="adapter")(x), 3
    x = build_backbone(backbone, (side, side, n_bands), weights)(x)
    embedding = keras.layers.GlobalAveragePooling2D(dtype="float32", name="embedding")(x)
    return keras.Model(flux, embedding, name="encoder")
