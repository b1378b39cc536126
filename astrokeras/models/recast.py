"""The same encoder in another floating-point precision."""

from typing import Any

import keras

# They prepare pixels for the network: half precision would round faint ones off before it sees them.
_ALWAYS_FLOAT32 = ("ImageNetPreprocessing", "BandScaling", "Rescaling", "Normalization", "InputLayer")


def _set_policy(config: Any, policy: str) -> None:
    """Give every layer in a configuration the policy."""
    if isinstance(config, list):
        for entry in config:
            _set_policy(entry, policy)
    elif isinstance(config, dict):
        if config.get("class_name") in _ALWAYS_FLOAT32:
            return
        if isinstance(config.get("dtype"), dict) and config["dtype"].get("class_name") == "DTypePolicy":
            config["dtype"]["config"] = {**config["dtype"]["config"], "name": policy}
        for entry in config.values():
            _set_policy(entry, policy)


def _recast(config: dict[str, Any], policy: str) -> None:
    """Give the networks in the configuration of an encoder the policy, those of an encoder within it too."""
    for layer in config["layers"]:
        inner = layer["config"].get("layers", ())
        if any(one["class_name"] == "Stretch" for one in inner):
            _recast(layer["config"], policy)
        elif inner:
            _set_policy(layer["config"], policy)


def copy_variables(source: keras.Model, target: keras.Model) -> None:
    """Give a model the values of another of the same architecture, the states of its random numbers too."""
    for old, new in zip(source.variables, target.variables, strict=True):
        new.assign(keras.ops.convert_to_numpy(old).copy())
    for layer in target._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it computes with constants made of its variables


def recast(encoder: keras.Model, policy: str) -> keras.Model:
    """Return an encoder of the same weights whose backbone computes by another policy of Keras.

    What stands before the network (stretch, resizing, adapter, preprocessing) and the embedding stay float32, and so
    do all weights.

    Args:
        encoder: as `build_encoder` makes it; unchanged.
        policy: ``float32``, ``mixed_bfloat16`` or ``mixed_float16``.
    """
    config = encoder.get_config()
    _recast(config, policy)
    again = keras.Model.from_config(config)
    copy_variables(encoder, again)
    return again
