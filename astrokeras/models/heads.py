"""Heads that replace a pretext task's on an encoder."""

import keras


def classifier(encoder: keras.Model, n_classes: int, dropout: float) -> keras.Model:
    """Return a linear classifier on the embedding.

    Shapes:
        flux [N, H, W, B] -> probabilities [N, n_classes] float32
    """
    flux = keras.Input(encoder.input_shape[1:], dtype="float32", name="flux")
    x = keras.layers.Dropout(dropout, name="dropout")(encoder(flux))
    logits = keras.layers.Dense(n_classes, dtype="float32", name="logits")(x)
    probabilities = keras.layers.Activation("softmax", dtype="float32", name="probabilities")(logits)
    return keras.Model(flux, probabilities, name="classifier")
