"""An encoder that looks at each stamp in eight ways: as it is and mirrored, each turned by 0, 90, 180 and 270 degrees.

The mean of the embeddings does not depend on how the camera was held, and a linear head makes of it the mean of what it
makes of the eight. (Dieleman, Willett & Dambre 2015, MNRAS 450, 1441, average over flips and turns of galaxies.)
"""

from typing import Any

import keras
from keras import KerasTensor, ops

_TURNS = 8


@keras.saving.register_keras_serializable(package="astrokeras")
class EightTurns(keras.layers.Layer):
    """The flips and turns of each stamp, those of the first kind for all stamps first.

    Shapes:
        [N, S, S, B] -> [8 N, S, S, B]
    """

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return the views."""
        mirrored = ops.flip(inputs, axis=2)
        views = [ops.rot90(x, k, axes=(1, 2)) if k else x for x in (inputs, mirrored) for k in range(4)]
        return ops.concatenate(views, axis=0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[Any, ...]:
        """Return [8 N, S, S, B]."""
        count = input_shape[0]
        return (None if count is None else _TURNS * count, *input_shape[1:])


@keras.saving.register_keras_serializable(package="astrokeras")
class MeanOfTurns(keras.layers.Layer):
    """The mean over what was made of `EightTurns`.

    Shapes:
        [8 N, D] -> [N, D]
    """

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return the mean."""
        return ops.mean(ops.reshape(inputs, (_TURNS, -1, inputs.shape[-1])), axis=0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[Any, ...]:
        """Return [N, D]."""
        count = input_shape[0]
        return (None if count is None else count // _TURNS, *input_shape[1:])


def turned(encoder: keras.Model) -> keras.Model:
    """Return an encoder that gives the mean of the embeddings of the eight flips and turns of each stamp.

    Args:
        encoder: for square stamps; it becomes a part of it.

    Shapes:
        flux [N, S, S, B] float32 -> embedding [N, D] float32
    """
    flux = keras.Input(encoder.input_shape[1:], dtype="float32", name="flux")
    views = EightTurns(dtype="float32", name="turns")(flux)
    mean = MeanOfTurns(dtype="float32", name="embedding")(encoder(views))
    return keras.Model(flux, mean, name="encoder")


def without_turns(encoder: keras.Model) -> keras.Model:
    """Return the encoder that one of `turned` was made of; another as it is."""
    if not any(isinstance(layer, EightTurns) for layer in encoder.layers):
        return encoder
    return next(layer for layer in encoder.layers if isinstance(layer, keras.Model))
