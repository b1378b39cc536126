"""What click makes of the values of options."""

import dataclasses
import math
import typing
from typing import Any

import click

from astrokeras.config import declared, option_types


class Amount(click.FloatRange):
    """A finite number within limits."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Refuse NaN and infinity, which a range lets pass."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


class CommaSeparated(click.ParamType):
    """``u,g,r`` on the command line, the same or a list in a file."""

    name = "a,b,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split at the commas."""
        items = value.split(",") if isinstance(value, str) else value
        return tuple(str(item).strip() for item in items if str(item).strip())


class TextOrNumber(click.types.StringParamType):
    """Text that may stand as a number in a file or in Python: ``zero_point = 25``."""


def kind_of(config: type, field: dataclasses.Field) -> type:
    """Return the type of a field's value where it is not None: ``bool``, ``int``, ``float``, ``str`` or ``tuple``."""
    annotation = option_types(config)[field.name]
    kinds = [kind for kind in typing.get_args(annotation) or (annotation,) if kind is not type(None)]
    return tuple if typing.get_origin(annotation) is tuple else kinds[0]


def click_type(config: type, field: dataclasses.Field) -> click.ParamType:
    """Return what click makes of one value of a field."""
    described, kind = declared(field), kind_of(config, field)
    if described.choices:
        first, last = described.choices[0], described.choices[-1]
        return click.IntRange(first, last) if isinstance(first, int) else click.Choice(described.choices)
    if kind is int:
        return click.IntRange(described.minimum, described.maximum)
    if kind is float:
        return Amount(described.minimum, described.maximum)
    if kind is tuple and not described.repeated:
        return CommaSeparated()
    return TextOrNumber() if described.numbers else click.STRING
