"""Reading models back: importing this module makes our layers known to Keras."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from astrokeras.config import MAX_MODEL_BYTES
from astrokeras.errors import AstrokerasError
from astrokeras.models import adapter, applications, inflate, joined, outputs, side, stretch, turns
from astrokeras.models.limits import check_network, read_config
from astrokeras.models.normalization import SYNCHRONIZED

# Keras finds a layer by its registered name, so its module must have been imported.
LAYERS = (
    adapter.BandOrder, adapter.ChannelAdapter, applications.ImageNetPreprocessing, inflate.BandScaling,
    stretch.Stretch, turns.EightTurns, turns.MeanOfTurns, joined.Features, joined.MixtureMoments,
    outputs.GaussianOutput,
    outputs.CumulativeLogits, outputs.CumulativeProbabilities, outputs.TreeProbabilities, outputs.CosineLogits,
    outputs.FirstLogits, outputs.TemperedMean, side.Blend,
)  # fmt: skip
# By which layers an encoder is known.
ENCODER = {"stretch": stretch.Stretch}


def load_model(
    path: str | Path, layers: Mapping[str, type] | None = None, *, max_bytes: int = MAX_MODEL_BYTES
) -> keras.Model:
    """Return a model from a ``.keras`` file, without optimizer or loss, whatever backend of Keras has written it.

    Args:
        path: the file.
        layers: which it must have, by name, if it is to take stamps, as in `ENCODER`.
        max_bytes: see `limits`.

    Raises:
        AstrokerasError: the file is missing, no such model, or one that is too large.
    """
    path = Path(path)
    if not path.is_file():
        raise AstrokerasError(f"there is no model {path}; was the run that should have written it finished?")
    try:
        model = _load(path, max_bytes)
        if layers:
            _check(model, layers)
    except Exception as error:  # a file may be anything, and so may what Keras says of it
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise AstrokerasError(f"cannot read the model {path} (expected a .keras file of ours): {reason}") from error
    return model


def _load(path: Path, max_bytes: int) -> keras.Model:
    config = read_config(path, max_bytes)
    if not SYNCHRONIZED:  # backends without replicas refuse the very word
        _desynchronize(config)
    check_network(config, max_bytes)
    if SYNCHRONIZED:
        model = keras.saving.load_model(path, compile=False)
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
        return model
    model = keras.saving.deserialize_keras_object({**config, "compile_config": None})
    model.load_weights(path)
    return model


def _check(model: keras.Model, layers: Mapping[str, type]) -> None:
    """Make sure that it takes square stamps and has the layers.

    Raises:
        ValueError: it is not so.
    """
    shape = model.input_shape
    if len(shape) != 4 or not all(isinstance(side, int) for side in shape[1:]) or shape[1] != shape[2]:
        raise ValueError(f"it takes inputs of shape {shape}, expected [N, size, size, bands]")
    for name, kind in layers.items():
        # An encoder that is joined from several has the layers of one in each of them.
        for part in joined.encoders_of(model) if layers is ENCODER else [model]:
            if not isinstance(part.get_layer(name), kind):
                raise ValueError(f"its layer {name!r} is a {type(part.get_layer(name)).__name__}")


def _desynchronize(config: Any) -> None:
    if isinstance(config, list):
        for entry in config:
            _desynchronize(entry)
    elif isinstance(config, dict):
        if "synchronized" in config:
            config["synchronized"] = False
        for entry in config.values():
            _desynchronize(entry)
