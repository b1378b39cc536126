"""What the BatchNormalization of our networks has in common."""

import keras

# Over replicas, so that several equal one; only TensorFlow has replicas, and elsewhere Keras refuses it.
SYNCHRONIZED = keras.backend.backend() == "tensorflow"
# Short trainings need a short memory: with Keras's 0.99 the statistics of the start would linger.
MOMENTUM = 0.9


def batch_normalization(name: str | None = None) -> keras.layers.BatchNormalization:
    """Return normalisation over the batch, that of all replicas together."""
    return keras.layers.BatchNormalization(momentum=MOMENTUM, synchronized=SYNCHRONIZED, name=name)


def freeze_normalization(model: keras.Model, frozen: bool = True) -> None:
    """Make scale, offset and statistics of every BatchNormalization stay as they are when the model is trained.

    Keras 3 gives the whole model's ``training`` to all its layers, also where they were called with another.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = not frozen
