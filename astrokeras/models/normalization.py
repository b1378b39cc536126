"""What the BatchNormalization of our networks has in common."""

import keras

# Over replicas, so that several equal one; only TensorFlow has replicas, and elsewhere Keras refuses it.
SYNCHRONIZED = keras.backend.backend() == "tensorflow"
# Short trainings need a short memory: with Keras's 0.99 the statistics of the start would linger.
MOMENTUM = 0.9


def batch_normalization(name: str | None = None) -> keras.layers.BatchNormalization:
    """Normalisation over the batch, that of all replicas together."""
    return keras.layers.BatchNormalization(momentum=MOMENTUM, synchronized=SYNCHRONIZED, name=name)
