"""Reading models back: importing this module makes our layers known to Keras."""

import json
import zipfile
from pathlib import Path
from typing import Any

import keras

from astrokeras.errors import AstrokerasError
from astrokeras.models import adapter, applications, stretch
from astrokeras.models.normalization import SYNCHRONIZED

# Keras finds a layer by its registered name, so its module must have been imported.
LAYERS = (adapter.ChannelAdapter, applications.ImageNetPreprocessing, stretch.Stretch)


def load_model(path: str | Path) -> keras.Model:
    """A model from a ``.keras`` file, without optimizer or loss, whatever backend of Keras has written it.

    Raises:
        AstrokerasError: the file is missing or no such model.
    """
    path = Path(path)
    if not path.is_file():
        raise AstrokerasError(f"there is no model {path}; was the run that should have written it finished?")
    try:
        return _load(path)
    except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:200]
        raise AstrokerasError(f"cannot read the model {path} (expected a .keras file of ours): {reason}") from error


def _load(path: Path) -> keras.Model:
    if SYNCHRONIZED:
        model = keras.saving.load_model(path, compile=False)
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
        return model
    # Backends without replicas refuse the very word.
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    _desynchronize(config)
    model = keras.saving.deserialize_keras_object(config)
    model.load_weights(path)
    return model


def _desynchronize(config: Any) -> None:
    if isinstance(config, list):
        for entry in config:
            _desynchronize(entry)
    elif isinstance(config, dict):
        if "synchronized" in config:
            config["synchronized"] = False
        for entry in config.values():
            _desynchronize(entry)
