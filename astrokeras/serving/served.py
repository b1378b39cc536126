"""What a server runs: a classifier as functions of TensorFlow alone, which look at a request before they answer it."""

from collections.abc import Sequence

import keras
import tensorflow as tf

DEFAULT, EMBED = "serving_default", "embed"


class ServedClassifier(tf.Module):
    """A classifier from raw flux to named outputs.

    It holds the variables and nothing else of Keras. A layer of Keras that hangs on a `tf.Module` is written with a
    second handle for each variable, which only `tf.saved_model.load` fills: TensorFlow Serving, the C, Java and Go
    interfaces, ``saved_model_cli run`` and TFLite restore by an operation of the graph, which knows the first alone.

    Shapes:
        flux ``[N, H, W, B]`` float32, N from 0; any other shape ends as InvalidArgument, which says what was expected
        → ``probabilities`` ``[N, C]``, ``class_names`` ``[N, C]`` in the order of the probabilities (repeated for each
        object, as the row format of TensorFlow Serving wants it), ``class_name`` ``[N]`` the most probable,
        ``embedding`` ``[N, D]``.

    Units:
        flux in that of the records that the run was trained on; NaN pixels count as sky.
    """

    def __init__(self, model: keras.Model, classes: Sequence[str]) -> None:
        super().__init__()
        self.weights = [variable.value for variable in model.variables]
        self.names = tf.constant(list(classes))
        encoder, logits = model.get_layer("encoder"), model.get_layer("logits")
        expected = model.input_shape
        spec = tf.TensorSpec(expected, tf.float32, name="flux")

        def embed(flux: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"embedding": encoder(tf.ensure_shape(flux, expected), training=False)}

        def classify(flux: tf.Tensor) -> dict[str, tf.Tensor]:
            flux = tf.ensure_shape(flux, expected)
            embedding = encoder(flux, training=False)
            probabilities = tf.nn.softmax(logits(embedding))
            return {
                "probabilities": probabilities,
                "class_names": tf.repeat(self.names[None], tf.shape(flux)[0], axis=0),
                "class_name": tf.gather(self.names, tf.argmax(probabilities, axis=1)),
                "embedding": embedding,
            }

        self.classify = tf.function(classify, input_signature=[spec], autograph=False)
        self.embed = tf.function(embed, input_signature=[spec], autograph=False)

    @property
    def signatures(self) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """The functions by the names under which they are served."""
        return {DEFAULT: self.classify, EMBED: self.embed}
