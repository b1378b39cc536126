"""Several encoders as one: their embeddings side by side, and heads that look at one of them each."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import KerasTensor, ops

from astrokeras.models.stretch import Stretch


@keras.saving.register_keras_serializable(package="astrokeras")
class Features(keras.layers.Layer):
    """Some of the numbers of an embedding, those from `start` to before `stop`.

    Shapes:
        [N, D] -> [N, stop - start]
    """

    def __init__(self, start: int, stop: int, **options: Any) -> None:
        super().__init__(**options)
        self.start, self.stop = int(start), int(stop)

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return these numbers."""
        return inputs[:, self.start : self.stop]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [N, stop - start]."""
        return (input_shape[0], self.stop - self.start)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "start": self.start, "stop": self.stop}


@keras.saving.register_keras_serializable(package="astrokeras")
class MixtureMoments(keras.layers.Layer):
    """Means and standard deviations of the mixture, in equal parts, of normal distributions.

    The variance is the mean of the variances plus the variance of the means.

    Source: Lakshminarayanan, Pritzel & Blundell 2017 (arXiv 1612.01474, section 2.4).

    Shapes:
        several [N, 2C], C values and then C standard deviations -> [N, 2C]
    """

    def call(self, inputs: Sequence[KerasTensor]) -> KerasTensor:
        """Return the values and deviations of the mixture."""
        together = ops.stack(inputs)
        values, deviations = ops.split(together, 2, axis=-1)
        variance = ops.mean(ops.square(deviations), axis=0) + ops.var(values, axis=0)
        return ops.concatenate([ops.mean(values, axis=0), ops.sqrt(variance)], axis=-1)

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of one of the inputs."""
        return tuple(input_shape[0])


def joined(encoders: Sequence[keras.Model]) -> keras.Model:
    """Return an encoder whose embedding is those of several, side by side.

    Args:
        encoders: for stamps of one shape; they become parts of it and are called ``part_1`` and so on from then on.

    Shapes:
        flux [N, size, size, B] float32 -> embedding [N, D1 + D2 + …] float32
    """
    flux = keras.Input(encoders[0].input_shape[1:], dtype="float32", name="flux")
    for number, encoder in enumerate(encoders, 1):
        encoder.name = f"part_{number}"
    together = keras.layers.Concatenate(dtype="float32", name="embedding")([encoder(flux) for encoder in encoders])
    return keras.Model(flux, together, name="encoder")


def encoders_of(encoder: keras.Model) -> list[keras.Model]:
    """Return the encoders that an encoder is joined from; itself if it is one alone, which stretches the flux."""
    if any(isinstance(layer, Stretch) for layer in encoder.layers):
        return [encoder]
    inner = [layer for layer in encoder.layers if isinstance(layer, keras.Model) and _is_encoder(layer)]
    return [part for one in inner for part in encoders_of(one)] or [encoder]


def _is_encoder(model: keras.Model) -> bool:
    return any(isinstance(layer, Stretch) for layer in model._flatten_layers())


def mean_head(
    name: str, heads: Sequence[keras.Model], widths: Sequence[int], mean: Callable[[list[KerasTensor]], KerasTensor]
) -> keras.Model:
    """Return a head for the embedding of `joined`: the mean of what heads say of the parts of it.

    Args:
        name: of it.
        heads: one a part; they become parts of it and take other names.
        widths: numbers of each part.
        mean: of predictions, as `tasks.target.Target.mean` gives it.

    Shapes:
        a list of one [N, D1 + D2 + …] -> the prediction
    """
    embedding = keras.Input((sum(widths),), dtype="float32", name="embedding_0")
    predictions, start = [], 0
    for number, (head, width) in enumerate(zip(heads, widths, strict=True), 1):
        part = Features(start, start + width, dtype="float32", name=f"features_{number}")(embedding)
        head.name = f"{name}_{number}"
        predictions.append(head([part]))
        start += width
    return keras.Model([embedding], mean(predictions), name=name)
