"""How an option is declared: its default, help, group and limits stand in the field of a command's dataclass."""

import dataclasses
from collections.abc import Sequence
from typing import Any

MAX_SEED = 2**31 - 1
MAX_CATALOG_BYTES = 4 << 30
MAX_MODEL_BYTES = 2 << 30
_NAME = "option"


@dataclasses.dataclass(frozen=True)
class Option:
    """What a field of a configuration is on the command line and in Python.

    Attributes:
        help: one line.
        group: the heading under which ``--help`` shows it.
        argument: whether it is given by position.
        repeated: whether a tuple is given by repeating the option; others are separated by commas.
        choices: the words, or the whole numbers from the first to the last, that it takes.
        minimum: the least number; None for any.
        maximum: the greatest number; None for any.
        metavar: how ``--help`` writes the value.
        numbers: whether text may be written as a number in a file: ``zero_point = 25``.
    """

    help: str
    group: str
    argument: bool = False
    repeated: bool = False
    choices: tuple[str | int, ...] = ()
    minimum: float | None = 0
    maximum: float | None = None
    metavar: str | None = None
    numbers: bool = False


def option(
    default: Any = dataclasses.MISSING,
    help: str = "",
    *,
    group: str,
    choices: Sequence[str | int] = (),
    **settings: Any,
) -> Any:
    """Return a field of a configuration.

    Args:
        default: its value where nothing is given; without one the option is required.
        help: one line.
        group: see `Option`, as for the others.
        choices: see `Option`.
        settings: the other attributes of `Option`.

    Example:
        >>> import dataclasses
        >>> @dataclasses.dataclass(frozen=True)
        ... class GreetConfig:
        ...     name: str = option(help="Whom to greet.", group="Input", argument=True)
        ...     times: int = option(1, "How often.", group="Output")
        >>> GreetConfig("you").times
        1
    """
    described = Option(help, group, choices=tuple(choices), **settings)
    return dataclasses.field(default=default, metadata={_NAME: described})


def declared(field: dataclasses.Field) -> Option:
    """Return what was declared for a field.

    Raises:
        TypeError: the field was not made by `option`.

    Example:
        >>> import dataclasses
        >>> from astrokeras.config import SimulateConfig
        >>> declared(dataclasses.fields(SimulateConfig)[1]).help
        'Number of image tiles; neighbours overlap.'
    """
    if _NAME not in field.metadata:
        raise TypeError(f"{field.name} is no option: declare it with astrokeras.config.option(…)")
    return field.metadata[_NAME]
