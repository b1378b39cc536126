"""Every network of `keras.applications` by its snake_case name, with ImageNet weights or without.

The network is the same for each initialisation, weights apart: it is always built without weights, which
are filled in after.
"""

import contextlib
import inspect
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
from keras import KerasTensor

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.models.normalization import MOMENTUM, SYNCHRONIZED

_RGB_STD = (0.229, 0.224, 0.225)
_RGB_MEAN = (0.485, 0.456, 0.406)


class WeightsUnavailable(AstrokerasError):
    """The weights asked for could not be had."""


def _snake(name: str) -> str:
    """Return MobileNetV2 -> mobilenet_v2, EfficientNetV2B0 -> efficientnet_v2_b0, ResNet50V2 -> resnet50_v2."""
    parts = re.sub(r"(?<=[a-z0-9])(V[123](?!\d)|B\d$|XLarge$|Tiny$|Small$|Base$|Large$|Mobile$|[SML]$)", r"_\1", name)
    parts = re.sub(r"(?<=V[123])(?=[A-Z])", "_", parts)
    return re.sub(r"_+", "_", parts.replace("InceptionResNet", "Inception_ResNet")).lower()


NETWORKS: dict[str, Callable[..., keras.Model]] = {
    _snake(name): entry for name, entry in vars(keras.applications).items() if inspect.isfunction(entry)
}


@keras.saving.register_keras_serializable(package="astrokeras")
class ImageNetPreprocessing(keras.layers.Layer):
    """What the weights of a network of `keras.applications` expect, from stretched channels of about 0 to 1.

    That is the `preprocess_input` of its module on 255 times the input (most networks that have none bring a
    rescaling along). EfficientNet (not V2) built without weights lacks the division by the square root
    of the standard deviation that Keras adds when it loads ImageNet weights; it is done here instead.

    Args:
        family: module of `keras.applications`, such as ``mobilenet_v2``.

    Shapes:
        [N, H, W, 3] -> [N, H, W, 3]
    """

    def __init__(self, family: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.family = family

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return the preprocessed channels."""
        if self.family == "efficientnet":
            channels = keras.ops.split(inputs, 3, axis=-1)
            moments = zip(channels, _RGB_MEAN, _RGB_STD, strict=True)
            inputs = keras.ops.concatenate([m + (x - m) / s**0.5 for x, m, s in moments], axis=-1)
        return getattr(keras.applications, self.family).preprocess_input(inputs * 255.0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "family": self.family}


def _construct(name: str, input_shape: tuple[int, int, int]) -> keras.Model:
    asked = {"include_top": False, "weights": None, "input_shape": input_shape}
    try:
        try:
            return NETWORKS[name](**asked, name=name)
        except KeyError:  # EfficientNetV2 looks its settings up by this name
            return NETWORKS[name](**asked)
    except ValueError as error:
        smallest = re.search(r"at least (\d+)x", str(error))
        if smallest is None:
            raise
        raise UsageError(
            f"backbone '{name}' needs stamps of at least {smallest[1]} px, got {input_shape[0]}; "
            f"enlarge them with --resize {smallest[1]} or more, or use --backbone compact"
        ) from error


def _download(name: str, input_shape: tuple[int, int, int], network: keras.Model) -> None:
    try:
        with warnings.catch_warnings():
            # MobileNet warns that it has no weights for this size and takes those for 224 px, as intended.
            warnings.filterwarnings("ignore", message=".*`input_shape` is undefined or non-square.*")
            source = NETWORKS[name](include_top=False, weights="imagenet", input_shape=input_shape)
    except Exception as error:  # keras raises a bare Exception when a download fails
        reason = " ".join(str(error).split())
        raise WeightsUnavailable(
            f"cannot download the ImageNet weights of '{name}' ({reason}); "
            "fetch them elsewhere and give the file with --imagenet-weights"
        ) from error
    # Through a file, since `Normalization` ignores `set_weights`.
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "downloaded.weights.h5"
        source.save_weights(file)
        _read(name, file, network)


def _read(name: str, path: Path, network: keras.Model) -> None:
    if not path.is_file():
        raise WeightsUnavailable(f"there is no weights file {path}")
    try:
        with warnings.catch_warnings(), _named_as_it_is(path) as named:
            # Keras only warns of layers for which the file has nothing.
            warnings.filterwarnings("error", message="Skipping nested container")
            network.load_weights(named)
    except Exception as error:  # a file may be anything, and so may what Keras says of it
        raise WeightsUnavailable(
            f"the weights in {path} do not fit '{name}' without its top (expected a .weights.h5 or .h5 file of "
            f"keras.applications with include_top=False): {' '.join(str(error).split())[:200]}"
        ) from error


@contextlib.contextmanager
def _named_as_it_is(path: Path) -> Iterator[Path]:
    """Give the weights a name that ends as their format asks for: Keras goes by that, and files get renamed."""
    with h5py.File(path, "r") as file:
        older = "layer_names" in file.attrs or "model_weights" in file
    with tempfile.TemporaryDirectory() as directory:
        named = Path(directory) / ("older.h5" if older else "current.weights.h5")
        named.symlink_to(path.resolve())
        yield named


def application(name: str, input_shape: tuple[int, int, int], weights: str | None) -> keras.Model:
    """Return a network of `keras.applications` without its top, behind its preprocessing.

    Its BatchNormalization layers are synchronized over replicas, so that several equal one device, and have a
    momentum of 0.9: MobileNet's 0.999 would need thousands of steps to forget the statistics it starts with.

    Args:
        name: a key of `NETWORKS`.
        input_shape: height, width and three channels.
        weights: None for random ones, ``imagenet`` for a download, otherwise a file.

    Shapes:
        [N, H, W, 3] of about 0 to 1 -> [N, h, w, C]

    Raises:
        UsageError: the stamps are too small for the network.
        WeightsUnavailable: there are no such weights, or they don't fit.
    """
    network = _construct(name, input_shape)
    if weights == "imagenet":
        _download(name, input_shape, network)
    elif weights is not None:
        _read(name, Path(weights), network)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = SYNCHRONIZED
            layer.momentum = MOMENTUM
    family = NETWORKS[name].__module__.rsplit(".", 1)[-1]
    inputs = keras.Input(input_shape)
    preprocessed = ImageNetPreprocessing(family, name="preprocessing")(inputs)
    return keras.Model(inputs, network(preprocessed), name=f"{name}_backbone")
