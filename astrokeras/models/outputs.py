"""Last layers of networks that predict more than a class or a number; all of them compute in float32."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

MOST_NODES = 2000
"""Of a tree: the file of a model may claim any number, and the paths take its square."""

_SMALLEST_PROBABILITY = 1e-12  # whose logarithm is taken
_LARGEST_LOG = 7.0  # of a standard deviation: beyond it a likelihood overflows in float32


def _float32(options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "dtype": "float32"}


def most_probable(probabilities: KerasTensor) -> KerasTensor:
    """Return the first place of the largest of each row.

    `keras.ops.argmax` tells zeros apart by their bits, with an operation that TensorFlow Lite does not have.

    Shapes:
        [N, C] -> [N] int32
    """
    return ops.cast(ops.top_k(probabilities, 1)[1][:, 0], "int32")


def clipped_log(log_deviation: KerasTensor) -> KerasTensor:
    """Return logarithms of standard deviations within what float32 can do with them."""
    return ops.clip(log_deviation, -_LARGEST_LOG, _LARGEST_LOG)


@keras.saving.register_keras_serializable(package="astrokeras")
class GaussianOutput(keras.layers.Layer):
    """Values and standard deviations in their unit, from standardised values and logarithms of deviations.

    Args:
        scale: of the C values, by which standardised ones are multiplied.
        offset: of the C values, added after that.

    Shapes:
        [N, 2C] -> [N, 2C], values first
    """

    def __init__(self, scale: Sequence[float], offset: Sequence[float], **options: Any) -> None:
        super().__init__(**_float32(options))
        self.scale, self.offset = [float(s) for s in scale], [float(o) for o in offset]

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return the values and deviations."""
        scale, count = np.array(self.scale, np.float32), len(self.scale)
        values = inputs[:, :count] * scale + np.array(self.offset, np.float32)
        return ops.concatenate([values, ops.exp(clipped_log(inputs[:, count:])) * scale], axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}


@keras.saving.register_keras_serializable(package="astrokeras")
class CumulativeLogits(keras.layers.Layer):
    """Logits of being above each of K - 1 ordered thresholds on one axis, which are learned.

    The weights are the first threshold and the gaps between them before a softplus, so that they stay in order.

    Args:
        classes: K, at least 2.

    Shapes:
        positions on the axis [N, 1] -> [N, K - 1], falling along the last axis
    """

    def __init__(self, classes: int, **options: Any) -> None:
        super().__init__(**_float32(options))
        self.classes = classes

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights: thresholds one apart, around 0."""
        first = -(self.classes - 2) / 2
        self.first = self.add_weight(shape=(1,), initializer=keras.initializers.Constant(first), name="first")
        gap = keras.initializers.Constant(float(np.log(np.expm1(1.0))))
        self.gaps = self.add_weight(shape=(self.classes - 2,), initializer=gap, name="gaps")

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return the logits."""
        steps = ops.concatenate([self.first, ops.softplus(self.gaps)])
        return inputs - ops.cumsum(steps)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [N, K - 1]."""
        return (*input_shape[:-1], self.classes - 1)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "classes": self.classes}

    @staticmethod
    def weights_for(thresholds: np.ndarray) -> list[np.ndarray]:
        """Return the weights that give these thresholds, [K - 1] in rising order."""
        gaps = np.maximum(np.diff(thresholds), 1e-4)
        return [thresholds[:1].astype(np.float32), np.log(np.expm1(gaps)).astype(np.float32)]


def cumulative_log_probabilities(logits: KerasTensor) -> KerasTensor:
    """Return the logarithms of the probabilities of K ordered classes.

    With the logits a > b of being above the thresholds at the lower and the upper end of a class, its probability is
    sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), of which each factor has an exact logarithm.

    Shapes:
        [N, K - 1] -> [N, K]
    """
    above, below = -ops.softplus(-logits), -ops.softplus(logits)
    nothing = ops.zeros_like(logits[:, :1])
    gaps = ops.maximum(logits[:, :-1] - logits[:, 1:], 1e-6)
    between = ops.concatenate([nothing, ops.log1p(-ops.exp(-gaps)), nothing], axis=1)
    return ops.concatenate([nothing, above], axis=1) + ops.concatenate([below, nothing], axis=1) + between


@keras.saving.register_keras_serializable(package="astrokeras")
class CumulativeProbabilities(keras.layers.Layer):
    """Probabilities of K ordered classes, see `cumulative_log_probabilities`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**_float32(options))

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return the probabilities [N, K]."""
        return ops.exp(cumulative_log_probabilities(inputs))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [N, K]."""
        return (*input_shape[:-1], input_shape[-1] + 1)


def tree_log_probabilities(logits: KerasTensor, parents: Sequence[int]) -> KerasTensor:
    """Return the logarithms of the probabilities of the nodes of a tree.

    A softmax among the children of each node gives the probability of a child where the node is given; that of a node
    is the product along its path, so that those of the children of a node sum to its own.

    Args:
        logits: of V nodes.
        parents: of each the number of its parent, which stands before it; -1 at the top.

    Shapes:
        [N, V] -> [N, V]
    """
    given: list[KerasTensor] = [logits[:, :1]] * len(parents)
    for parent in sorted(set(parents)):
        children = [node for node, other in enumerate(parents) if other == parent]
        among = ops.log_softmax(ops.take(logits, np.array(children, np.int32), axis=1), axis=1)
        for place, node in enumerate(children):
            given[node] = among[:, place : place + 1]
    return ops.matmul(ops.concatenate(given, axis=1), paths(parents).T)


def paths(parents: Sequence[int]) -> np.ndarray:
    """Return which nodes lie on the path from the top to each, itself among them: [V, V] float32, a row a node."""
    found = np.eye(len(parents), dtype=np.float32)
    for node, parent in enumerate(parents):
        if parent >= 0:
            found[node] += found[parent]
    return found


@keras.saving.register_keras_serializable(package="astrokeras")
class TreeProbabilities(keras.layers.Layer):
    """Probabilities of the nodes of a tree, see `tree_log_probabilities`."""

    def __init__(self, parents: Sequence[int], **options: Any) -> None:
        super().__init__(**_float32(options))
        self.parents = [int(parent) for parent in parents]
        if len(self.parents) > MOST_NODES or any(not -1 <= parent < n for n, parent in enumerate(self.parents)):
            raise ValueError(f"expected at most {MOST_NODES} nodes, each behind its parent")

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return the probabilities [N, V]."""
        return ops.exp(tree_log_probabilities(inputs, self.parents))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "parents": self.parents}


@keras.saving.register_keras_serializable(package="astrokeras")
class TemperedMean(keras.layers.Layer):
    """The mean of probabilities, or of one network's, at a temperature, which no training changes: 1 until it is set.

    Like `evaluation.calibration.at_temperature` it looks at probabilities and not at logits, and below 1e-12 they count
    as that, so that a network answers what its table says.

    Source: Guo et al. 2017 (arXiv 1706.04599), equation 9.

    Shapes:
        several [N, C] -> [N, C]
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**_float32(options))

    def build(self, input_shape: Sequence[tuple[int | None, ...]]) -> None:
        """Make the temperature."""
        self.temperature = self.add_weight(shape=(), initializer="ones", name="temperature", trainable=False)

    def call(self, inputs: Sequence[KerasTensor]) -> KerasTensor:
        """Return the probabilities."""
        mean = ops.mean(ops.stack(inputs), axis=0)
        return ops.softmax(ops.log(ops.maximum(mean, _SMALLEST_PROBABILITY)) / self.temperature, axis=-1)

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of one of the inputs."""
        return tuple(input_shape[0])


@keras.saving.register_keras_serializable(package="astrokeras")
class CosineLogits(keras.layers.Layer):
    """Cosines of the angles between features and a direction for each class, times a scale.

    Args:
        units: C.
        scale: of the cosines.

    Shapes:
        [N, D] -> [N, C]
    """

    def __init__(self, units: int, scale: float, **options: Any) -> None:
        super().__init__(**_float32(options))
        self.units, self.scale = units, scale

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the directions."""
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="glorot_uniform", name="kernel")

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return the logits."""
        return self.scale * ops.matmul(ops.normalize(inputs, axis=-1), ops.normalize(self.kernel, axis=0))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [N, C]."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "units": self.units, "scale": self.scale}


@keras.saving.register_keras_serializable(package="astrokeras")
class FirstLogits(keras.layers.Layer):
    """The logits of the classes, without those of auxiliary classifiers behind them.

    Args:
        count: of the classes.

    Shapes:
        [N, C + ...] -> [N, C]
    """

    def __init__(self, count: int, **options: Any) -> None:
        super().__init__(**_float32(options))
        self.count = count

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return the logits."""
        return inputs[:, : self.count]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [N, C]."""
        return (*input_shape[:-1], self.count)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "count": self.count}
