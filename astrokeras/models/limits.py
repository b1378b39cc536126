"""How large a model is, found out before any of it is put into memory: the file may be somebody else's.

Models of Keras are zip archives of a configuration, from which the network is built, and an HDF5 file of weights. Both
may claim anything.
"""

import copy
import io
import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
from keras.src.backend.common import global_state

from astrokeras.config import MAX_MODEL_BYTES
from astrokeras.errors import AstrokerasError

_WEIGHTS = "model.weights.h5"
_MEMBERS = {"config.json", "metadata.json", _WEIGHTS}
_COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
# The largest network of keras.applications has 1 MB.
_MOST_TEXT = 8 << 20
# Keras compresses nothing, and weights could not be compressed as much.
_EXPANSION, _HARMLESS = 100, 16 << 20
_DEEPEST, _MOST_OBJECTS = 64, 100_000
_FLOAT = 4


class NoModel(AstrokerasError):
    """A file that is no model, or none that is believed."""


def read_config(path: Path, most: int = MAX_MODEL_BYTES) -> dict[str, Any]:
    """Return the configuration in a ``.keras`` file whose parts and weights are not too large.

    Args:
        path: the file.
        most: bytes that its parts may take when unpacked, and its weights.

    Raises:
        NoModel: they are.
    """
    with zipfile.ZipFile(path) as archive:
        _check_members(archive, most)
        config = json.loads(archive.read("config.json"))
        weights = io.BytesIO(archive.read(_WEIGHTS))
    _check_datasets(weights, weights.getbuffer().nbytes, most)
    return config


def check_weights_file(path: Path, most: int = MAX_MODEL_BYTES) -> None:
    """Make sure that a file of weights (``.h5`` or ``.keras``) is not too large, if it is one.

    Raises:
        NoModel: it is.
    """
    if not path.is_file():
        return
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, most)
            weights = io.BytesIO(archive.read(_WEIGHTS))
        _check_datasets(weights, weights.getbuffer().nbytes, most)
    elif h5py.is_hdf5(path):
        _check_datasets(path, path.stat().st_size, most)


def _check_members(archive: zipfile.ZipFile, most: int) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(set(names)) < len(names) or not {"config.json", _WEIGHTS} <= set(names) <= _MEMBERS:
        listed = ", ".join(repr(name) for name in names[:5])
        raise NoModel(f"it holds {listed or 'nothing'}; expected {', '.join(sorted(_MEMBERS))}")
    for member in members:
        if member.flag_bits & 1:
            raise NoModel(f"{member.filename} in it is encrypted")
        if member.compress_type not in _COMPRESSIONS:
            raise NoModel(f"{member.filename} in it is compressed in a way that Keras does not use")
        if member.filename != _WEIGHTS and member.file_size > _MOST_TEXT:
            raise NoModel(f"{member.filename} in it has {member.file_size:,} bytes, expected at most {_MOST_TEXT:,}")
        _check_bytes(member.file_size, most, member.filename, member.compress_size)


def _check_datasets(weights: io.BytesIO | Path, stored: int, most: int) -> None:
    total = 0
    with h5py.File(weights, "r") as file:
        for name, one in _datasets(file):
            if one.external or one.is_virtual:
                raise NoModel(f"the weights {name!r} in it are those of another file")
            total += math.prod(one.shape or ()) * one.dtype.itemsize
            _check_bytes(total, most, "the weights", stored)


def _datasets(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield every dataset, by hard links alone, which is what Keras writes."""
    groups, seen = [(file["/"], "", 0)], 0
    while groups:
        group, place, depth = groups.pop()
        for name in group:
            seen += 1
            if depth > _DEEPEST or seen > _MOST_OBJECTS:
                raise NoModel("its weights are nested deeper, or in more pieces, than Keras writes them")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise NoModel(f"the weights {place + name!r} in it lie elsewhere")
            found = group[name]
            if isinstance(found, h5py.Group):
                groups.append((found, f"{place}{name}/", depth + 1))
            elif isinstance(found, h5py.Dataset):
                yield place + name, found


def check_network(config: dict[str, Any], most: int = MAX_MODEL_BYTES) -> None:
    """Build a network without its variables, and makes sure that it is one and not too large.

    Args:
        config: as `read_config` gives it.
        most: bytes that its weights may take, and the activations of one stamp.

    Raises:
        NoModel: it is none, or too large.
    """
    pending = "uninitialized_variables"
    before = list(global_state.get_global_attribute(pending) or [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            # A copy: Keras takes what it reads apart.
            model = keras.saving.deserialize_keras_object({**copy.deepcopy(config), "compile_config": None})
            if not isinstance(model, keras.Model) or not isinstance(getattr(model, "input_shape", None), tuple):
                raise NoModel(f"it is no network, but a {type(model).__name__}")
            weights = sum(math.prod(one.shape) for one in model.variables)
            _check_bytes(_FLOAT * weights, most, "its weights")
            _check_bytes(_FLOAT * sum(map(math.prod, _activations(model))), most, "the activations of one stamp")
    finally:
        global_state.set_global_attribute(pending, before)


def _activations(model: keras.Model) -> Iterator[tuple[int, ...]]:
    """Yield the shapes of what the layers of a model give for one example."""
    layers = [model, *model._flatten_layers()]
    operations = [*layers, *(one for layer in layers for one in getattr(layer, "operations", ()))]
    for operation in {id(one): one for one in operations}.values():
        for node in operation._inbound_nodes:
            for tensor in node.output_tensors:
                yield tuple(side or 1 for side in tensor.shape)


def _check_bytes(claimed: int, most: int, what: str, stored: int | None = None) -> None:
    if claimed > most:
        raise NoModel(f"{what} would take {claimed:,} bytes, --max-model-bytes allows {most:,}")
    if stored is not None and claimed > max(_EXPANSION * stored, _HARMLESS):
        raise NoModel(f"{what} would take {claimed:,} bytes, more than {_EXPANSION} times what is stored of it")
