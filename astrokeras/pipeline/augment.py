"""Augmentations of a batch of raw flux: one decorated function each, usable by its name.

An augmentation is a pure function of (flux, seed): it uses stateless random numbers only. It must leave NaN
pixels NaN and conserve flux (no interpolation), because the targets are magnitudes.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from astrokeras.registry import Registry

Augmentation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation")
_DEFAULT = "dihedral"


def augmentation(spec: str) -> Augmentation | None:
    """The augmentation of this name; ``default`` is the dihedral group, ``none`` is no augmentation.

    Raises:
        UsageError: there is none of this name.
    """
    if spec == "none":
        return None
    return AUGMENTATIONS.get(_DEFAULT if spec == "default" else spec)


def _dihedral_table(size: int) -> np.ndarray:
    """Where each pixel of a turned stamp comes from, [8, size * size], for the eight symmetries of a square."""
    places = np.arange(size * size, dtype=np.int32).reshape(size, size)
    turns = [np.rot90(places, quarter) for quarter in range(4)]
    return np.stack([turn.ravel() for turn in (*turns, *(np.flipud(turn) for turn in turns))])


@AUGMENTATIONS.register("dihedral")
def dihedral(flux: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """One of the eight flips and quarter turns of a square, each as likely, drawn for every stamp.

    Pixels move but don't change. One gather over the batch, several times faster than `tf.where` between the
    batch and its mirror images.

    Shapes:
        flux [N, S, S, B] with S known, seed [2] integers -> [N, S, S, B]
    """
    shape, (size, n_bands) = tf.shape(flux), flux.shape[2:]
    element = tf.random.stateless_uniform([shape[0]], seed, 0, 8, tf.int32)
    sources = tf.gather(tf.constant(_dihedral_table(size)), element)
    moved = tf.gather(tf.reshape(flux, [shape[0], size * size, n_bands]), sources, batch_dims=1)
    return tf.reshape(moved, shape)
