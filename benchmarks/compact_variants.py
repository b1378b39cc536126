"""`compact` with one thing changed, and augmentation that is made once: a plug-in, for `backbones.py` to compare.

    ASTROKERAS_PLUGINS=benchmarks/compact_variants.py astrokeras finetune … --backbone compact --backbone compact_dct

None has helped (docs/results.md), so that the package has none of them; they stand here for their numbers to be
repeated. Of the sources the abstracts alone were at hand, so that the forms here are this project's own: Brigato &
Iocchi 2020 (arXiv 2003.12843) of dropout and augmentation with few labels; Alberti et al. 2020 (arXiv 1911.05045) of
trainable matrix transformations of feature maps that begin as spectral ones; Ullah et al. 2020 (ICPR) of lateral
inhibition, of which nothing but the name was to be had; Lifchitz, Avrithis & Picard 2020 (arXiv 2002.07522) of spatial
attention in place of a mean over positions, which they take from a classifier of base classes.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import KerasTensor, layers, ops

from astrokeras.models.backbone import BACKBONES
from astrokeras.models.backbones.compact import compact_like
from astrokeras.models.normalization import batch_normalization
from astrokeras.pipeline.augment import augmentation
from astrokeras.pipeline.augmentations.base import AUGMENTATIONS, Augmentation
from astrokeras.spec import Whole

Shape = tuple[int, int, int]
LAST = 3


@BACKBONES.register("compact_dropout")
def compact_dropout(input_shape: Shape) -> keras.Model:
    """Return `compact` that loses a fifth of the numbers of its feature maps in training, after each stage."""
    drop = [layers.Dropout(0.2) for _ in range(LAST + 1)]
    return compact_like("compact_dropout", input_shape, lambda x, stage: drop[stage](x))


@keras.saving.register_keras_serializable(package="benchmarks")
class CosineTransform(layers.Layer):
    """A linear transformation along rows and columns of each feature map, trained, which begins as the DCT (type II).

    Shapes:
        [N, H, W, C] -> [N, H, W, C]
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make a matrix for each axis, the orthonormal transform at the start."""
        self.rows, self.columns = (
            self.add_weight(shape=(n, n), initializer=lambda shape, dtype: ops.cast(cosines(shape[0]), dtype))
            for n in input_shape[1:3]
        )

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return the transforms."""
        return ops.einsum("uh,nhwc,vw->nuvc", self.rows, inputs, self.columns)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the shape of the input."""
        return input_shape


def cosines(size: int) -> np.ndarray:
    """Return the matrix of the orthonormal discrete cosine transform of type II, [size, size]."""
    places, waves = np.arange(size) + 0.5, np.arange(size)[:, None]
    matrix = np.sqrt(2 / size) * np.cos(np.pi / size * waves * places)
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)


@BACKBONES.register("compact_dct")
def compact_dct(input_shape: Shape) -> keras.Model:
    """Return `compact` whose second stage gets the spectrum of the first one's feature maps beside them."""

    def beside(x: KerasTensor, stage: int) -> KerasTensor:
        if stage:
            return x
        return layers.Concatenate()([x, layers.Activation("relu")(batch_normalization()(CosineTransform()(x)))])

    return compact_like("compact_dct", input_shape, beside)


@keras.saving.register_keras_serializable(package="benchmarks")
class LateralInhibition(layers.Layer):
    """What is left of each number when a share of the mean over it and its neighbours is taken away; at least 0.

    The share is trained, one for each channel, and 0 at the start.

    Shapes:
        [N, H, W, C] -> [N, H, W, C]
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the shares."""
        self.shares = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="shares")

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return what is left."""
        around = ops.average_pool(inputs, 3, strides=1, padding="same")
        return ops.relu(inputs - self.shares * around)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the shape of the input."""
        return input_shape


@BACKBONES.register("compact_inhibited")
def compact_inhibited(input_shape: Shape) -> keras.Model:
    """Return `compact` with lateral inhibition after each stage but the last."""
    return compact_like(
        "compact_inhibited", input_shape, lambda x, stage: x if stage == LAST else LateralInhibition()(x)
    )


@keras.saving.register_keras_serializable(package="benchmarks")
class SpatialAttention(layers.Layer):
    """Feature maps times their weight: of their mean over positions, as an encoder takes it, a weighted one is made.

    The weights of the H W positions are a softmax of a linear score of what is there, times H W; the score is trained
    and 0 at the start, so that it begins as the mean.

    Shapes:
        [N, H, W, C] -> [N, H, W, C]
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of the score."""
        self.score = self.add_weight(shape=(input_shape[-1], 1), initializer="zeros", name="score")

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return the weighted maps."""
        scores = ops.matmul(inputs, self.score)
        weights = ops.exp(scores - ops.max(scores, axis=(1, 2), keepdims=True))
        return inputs * (weights / ops.mean(weights, axis=(1, 2), keepdims=True))

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the shape of the input."""
        return input_shape


@BACKBONES.register("compact_attention")
def compact_attention(input_shape: Shape) -> keras.Model:
    """Return `compact` whose features are pooled by attention."""
    return compact_like(
        "compact_attention", input_shape, lambda x, stage: SpatialAttention()(x) if stage == LAST else x
    )


@AUGMENTATIONS.register("static")
class Static(Augmentation):
    """One of so many versions of a stamp, flipped, turned and shifted, which are the same in every epoch.

    What a stamp and the number of a version decide is drawn from the bits of the stamp's middle pixels.
    """

    parameters = (Whole("copies", 1, 1024),)
    n_draws = 1

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self.chain = augmentation("dihedral|shift(2)", self.facts)

    @property
    def changes(self) -> frozenset[str]:
        """Return what the chain changes."""
        return self.chain.changes

    def reach(self, side: int) -> int:
        """Return what the chain needs."""
        return side + 2 * self.chain.margin(side)

    def apply(self, flux: KerasTensor, draws: KerasTensor, size: int) -> KerasTensor:
        """Return one version of each stamp."""
        middle = flux.shape[1] // 2
        pixels = tf.cast(tf.reshape(flux[:, middle - 2 : middle + 2, middle, :], [tf.shape(flux)[0], -1]), tf.float32)
        version = tf.cast(draws * self.numbers["copies"], tf.uint32)
        seed = tf.reduce_sum(mixed(tf.bitcast(pixels, tf.uint32)), axis=1, keepdims=True)
        numbers = tf.range(1, self.chain.n_draws + 1, dtype=tf.int32)[None]
        bits = mixed(mixed(seed + mixed(version + 1)) + tf.cast(numbers, tf.uint32))
        return self.chain(flux, tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.float32) / 2.0**24)


def mixed(bits: tf.Tensor) -> tf.Tensor:
    """Return 32 bits that look random for each 32 bits, the same for the same (a multiply-xorshift hash)."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, tf.constant(shift, tf.uint32)))
        bits = bits * tf.constant(factor, tf.uint32)
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, tf.constant(16, tf.uint32)))
