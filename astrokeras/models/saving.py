"""Reading models back: importing this module makes our layers known to Keras."""

from pathlib import Path

import keras

from astrokeras.errors import AstrokerasError
from astrokeras.models import adapter, applications, stretch

# Keras finds a layer by its registered name, so its module must have been imported.
LAYERS = (adapter.ChannelAdapter, applications.ImageNetPreprocessing, stretch.Stretch)


def load_model(path: str | Path) -> keras.Model:
    """A model from a ``.keras`` file, without optimizer or loss.

    Raises:
        AstrokerasError: the file is missing or no such model.
    """
    path = Path(path)
    if not path.is_file():
        raise AstrokerasError(f"there is no model {path}; was the run that should have written it finished?")
    try:
        return keras.saving.load_model(path, compile=False)
    except (ValueError, OSError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise AstrokerasError(f"cannot read the model {path} (expected a .keras file of ours): {reason}") from error
