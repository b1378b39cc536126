"""Import Keras as a command needs it."""

import os

from astrokeras.chatter import without_chatter
from astrokeras.errors import AstrokerasError, UsageError


def import_keras(*, tensorflow: bool = True, quiet: bool = False) -> None:
    """Import Keras and its backend without the start-up chatter.

    Args:
        tensorflow: whether no other backend will do.
        quiet: whether TensorFlow's errors are kept back too: a lost worker is our line to tell, not some ten of its.

    Raises:
        UsageError: another is set, or the one that is set is not installed.
        AstrokerasError: Keras is not installed as it should be.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3" if quiet else "2")
    named = os.environ.get("KERAS_BACKEND")
    with without_chatter():
        try:
            import keras  # noqa: PLC0415
        except (ImportError, ValueError) as error:
            if not named:
                raise AstrokerasError(f"Keras cannot be imported: {error}") from error
            raise UsageError(
                f"Keras cannot be used with KERAS_BACKEND={named} ({error}); install that backend, or unset "
                "KERAS_BACKEND for TensorFlow"
            ) from error
        backend = keras.backend.backend()
        if backend == "tensorflow":
            import tensorflow as tf  # noqa: PLC0415

            tf.config.list_physical_devices()
    if tensorflow and backend != "tensorflow":
        raise UsageError(f"this command needs TensorFlow, but Keras is set to {backend}; unset KERAS_BACKEND")
