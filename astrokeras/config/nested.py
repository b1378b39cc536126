"""Configurations whose options are nested by subject: each option by its name alone, wherever it stands."""

import dataclasses
import functools
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

Config = TypeVar("Config")


@functools.cache
def _subjects(kind: type) -> dict[str, type]:
    """Return the fields that hold the options of a subject, with their dataclasses, in the order of ``--help``."""
    types = typing.get_type_hints(kind)
    fields = [field.name for field in dataclasses.fields(kind) if dataclasses.is_dataclass(types[field.name])]
    return {name: types[name] for name in fields}


@functools.cache
def option_fields(kind: type) -> Mapping[str, dataclasses.Field]:
    """Return the fields of all options of a configuration by their names, subject by subject.

    Raises:
        TypeError: two options have the same name.

    Example:
        >>> from astrokeras.config import ConvertConfig
        >>> option_fields(ConvertConfig)["size"].default is None
        True
    """
    subjects = _subjects(kind)
    found: dict[str, dataclasses.Field] = {}
    for part in (*subjects.values(), kind):
        for field in dataclasses.fields(part):
            if part is kind and field.name in subjects:
                continue
            if field.name in found:
                raise TypeError(f"{kind.__name__} has two options called {field.name}")
            found[field.name] = field
    return found


@functools.cache
def option_types(kind: type) -> Mapping[str, Any]:
    """Return the types of all options of a configuration by their names."""
    types = typing.get_type_hints(kind)
    for part in _subjects(kind).values():  # later, since a subject may have the name of one of its options
        types |= typing.get_type_hints(part)
    return {name: types[name] for name in option_fields(kind)}


def values_of(config: Any) -> dict[str, Any]:
    """Return the values of all options of a configuration by their names.

    Example:
        >>> from astrokeras.config import ConvertConfig, configure
        >>> values_of(configure(ConvertConfig, images="{id}.jpg", bands=("r",), out="records"))["edge"]
        'reject'
    """
    found = dict(vars(config))
    parts = [found.pop(name) for name in _subjects(type(config))]
    for part in parts:
        found |= vars(part)
    return {name: found[name] for name in option_fields(type(config))}


def configure(kind: type[Config], /, **options: Any) -> Config:
    """Return a configuration with these options; the others have their defaults.

    Args:
        kind: the class of the configuration.
        options: their values by their names.

    Raises:
        TypeError: an option is unknown, or one without a default is missing.

    Example:
        >>> from astrokeras.config import ConvertConfig
        >>> configure(ConvertConfig, images="{id}.jpg", bands=("r",), out="records").running.out
        'records'
    """
    parts = {}
    for name, part in _subjects(kind).items():
        own = {field.name: options.pop(field.name) for field in dataclasses.fields(part) if field.name in options}
        parts[name] = part(**own)
    if unknown := options.keys() - option_fields(kind).keys():
        raise TypeError(f"{kind.__name__} has no option {', '.join(sorted(unknown))}")
    return kind(**parts, **options)


def replaced(config: Config, /, **options: Any) -> Config:
    """Return a configuration in which some options are others.

    Args:
        config: the configuration, which stays as it is.
        options: new values by their names.

    Raises:
        TypeError: an option is unknown.

    Example:
        >>> from astrokeras.config import ConvertConfig
        >>> config = configure(ConvertConfig, images="{id}.jpg", bands=("r",), out="records")
        >>> replaced(config, size=32).stamps.size
        32
    """
    return configure(type(config), **{**values_of(config), **options})
