"""What a server runs: a network as functions of TensorFlow alone, which look at a request before they answer it."""

import functools
from collections.abc import Callable, Mapping

import keras
import tensorflow as tf

from astrokeras.serving.pretrained import Pretrained
from astrokeras.tasks.target import Target
from astrokeras.tasks.targets.class_ import Class

DEFAULT, EMBED = "serving_default", "embed"
Tell = Callable[[tf.Tensor], Mapping[str, tf.Tensor]]


class Served(tf.Module):
    """An encoder with heads, from raw flux to named outputs.

    It holds the variables and nothing else of Keras. A layer of Keras that hangs on a `tf.Module` is written with a
    second handle for each variable, which only `tf.saved_model.load` fills: TensorFlow Serving, the C, Java and Go
    interfaces, ``saved_model_cli run`` and TFLite restore by an operation of the graph, which knows the first alone.

    Args:
        model: has the layers ``encoder`` and one for each head, from the embedding to a prediction.
        tell: for each head the outputs that are made of its prediction.

    Shapes:
        flux ``[N, H, W, B]`` float32, N from 0; any other shape ends as InvalidArgument, which says what was expected
        → ``embedding`` ``[N, D]`` and the outputs of the heads

    Units:
        flux in that of the records that the run was trained on; NaN pixels count as sky
    """

    def __init__(self, model: keras.Model, tell: Mapping[str, Tell]) -> None:
        super().__init__()
        self.weights = [variable.value for variable in model.variables]
        encoder, heads = model.get_layer("encoder"), {name: model.get_layer(name) for name in tell}
        expected = model.input_shape
        spec = tf.TensorSpec(expected, tf.float32, name="flux")

        def embed(flux: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"embedding": encoder(tf.ensure_shape(flux, expected), training=False)}

        def predict(flux: tf.Tensor) -> dict[str, tf.Tensor]:
            embedding = encoder(tf.ensure_shape(flux, expected), training=False)
            outputs = {"embedding": embedding}
            for name, head in heads.items():
                outputs |= tell[name](head([embedding], training=False))
            return outputs

        self.predict = tf.function(predict, input_signature=[spec], autograph=False)
        self.embed = tf.function(embed, input_signature=[spec], autograph=False)

    @property
    def signatures(self) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """The functions by the names under which they are served."""
        return {DEFAULT: self.predict, EMBED: self.embed}


class ServedModel(Served):
    """A fine-tuned network from raw flux to named outputs, see `Served`.

    Shapes:
        → ``embedding`` ``[N, D]``; of ``class`` ``probabilities`` ``[N, C]``, ``class_names`` ``[N, C]`` in their order
        (repeated for each object, as the row format of TensorFlow Serving wants it) and ``class_name`` ``[N]`` the most
        probable; of another target its `Target.outputs` by their names, ``[N]`` each, in their units.
        Of several targets the names of outputs begin with ``TARGET_``.
    """

    def __init__(self, model: keras.Model, targets: Mapping[str, Target]) -> None:
        super().__init__(model, {name: functools.partial(self._told, name) for name in targets})
        self.targets = dict(targets)

    def _told(self, name: str, prediction: tf.Tensor) -> dict[str, tf.Tensor]:
        prefix = f"{name}_" if len(self.targets) > 1 else ""
        return {prefix + key: value for key, value in self._named(name, prediction).items()}

    def _named(self, name: str, prediction: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the outputs of one target."""
        target = self.targets[name]
        if isinstance(target, Class):
            names = tf.constant(list(target.names))
            return {
                "probabilities": prediction,
                "class_names": tf.repeat(names[None], tf.shape(prediction)[0], axis=0),
                "class_name": tf.gather(names, tf.argmax(prediction, axis=1)),
            }
        values = {output.name: output.values for output in target.outputs() if output.values}
        told = target.told(prediction)
        return {key: tf.gather(_constant(values[key]), v) if key in values else v for key, v in told.items()}


class ServedTasks(Served):
    """The networks of a pre-training from raw flux to what `predict` writes, see `Served`.

    Shapes:
        → ``embedding`` ``[N, D]``, and each number that a task predicts of a stamp alone, ``[N]``, as ``predicted_g``
    """

    def __init__(self, pretrained: Pretrained) -> None:
        def tell(name: str, prediction: tf.Tensor) -> dict[str, tf.Tensor]:
            return {told.name: told.values for told in pretrained.told(name, prediction)}

        super().__init__(pretrained.model, {name: functools.partial(tell, name) for name in pretrained.tasks})


def _constant(values: tuple[str, ...] | tuple[float, ...]) -> tf.Tensor:
    """Return names as text, numbers as float32."""
    return tf.constant(values) if isinstance(values[0], str) else tf.constant(values, tf.float32)
