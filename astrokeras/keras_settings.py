"""Keras as this package means it, whatever stands in the user's own ``~/.keras/keras.json``.

The environment variable KERAS_BACKEND decides about the backend, TensorFlow being the default. Images have their bands
last and numbers are float32: records, encoders and exports are made so. What was downloaded to Keras's own directory is
still found there.

Keras reads its configuration when it is imported, and what is wrong in it ends the import. Conversion and its processes
do without Keras, so that it is not imported here, but met when somebody does.
"""

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

_HOME = "KERAS_HOME"


def _home() -> str:
    """Return where Keras keeps its configuration and downloads, by its own rules."""
    home = Path("~").expanduser()
    return os.environ.get(_HOME) or str((home if os.access(home, os.W_OK) else Path("/tmp")) / ".keras")


def _settle(keras: ModuleType) -> None:
    """Set what is ours to decide, and make our layers known, so that `keras.saving.load_model` reads our models."""
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    importlib.import_module("astrokeras.models.saving")


class _Loader(importlib.abc.Loader):
    """Imports Keras while its directory is an empty one."""

    def __init__(self, whole: importlib.abc.Loader) -> None:
        self._whole = whole

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._whole.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        own, place = os.environ.get(_HOME), _home()
        with tempfile.TemporaryDirectory(prefix="astrokeras-") as empty:
            os.environ[_HOME] = empty
            try:
                self._whole.exec_module(module)
            finally:
                if own is None:
                    del os.environ[_HOME]
                else:
                    os.environ[_HOME] = own
        sys.modules["keras.src.backend.config"]._KERAS_DIR = place
        _settle(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds Keras before others do."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "keras":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


def apply() -> None:
    """Do so for the Keras of this process, imported or not yet."""
    if "keras" in sys.modules:
        _settle(sys.modules["keras"])
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
