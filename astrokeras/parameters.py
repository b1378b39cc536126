"""What an argument of a specification may be, see `spec.py`; each kind reads what was typed, or refuses it."""

import abc
import dataclasses
import math
import re

Typed = float | str
"""An argument as it was typed: a number, or a word or quoted text."""

Value = float | int | str | bool | tuple[str, ...]
"""An argument as it is meant."""

_BARE = re.compile(r"[A-Za-z_][\w.-]*")
_YES, _NO = ("true", "yes"), ("false", "no")


def as_typed(value: Value) -> str:
    """Return a value as it is typed: text that is no word stands in quotes.

    Example:
        >>> as_typed(0.5), as_typed("Hubble T"), as_typed(True)
        ('0.5', '"Hubble T"', 'true')
    """
    if isinstance(value, tuple):
        return ",".join(map(as_typed, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return f"{value:g}"
    if _BARE.fullmatch(value):
        return value
    return f"'{value}'" if '"' in value else f'"{value}"'


@dataclasses.dataclass(frozen=True)
class Parameter(abc.ABC):
    """An argument of this name; without a `default` it must be given."""

    name: str

    @property
    @abc.abstractmethod
    def allowed(self) -> str:
        """What it may be, for people."""

    @abc.abstractmethod
    def read(self, value: Typed | tuple[Typed, ...]) -> Value:
        """Return what `value` means.

        Raises:
            ValueError: it may not be that.
        """

    @property
    def form(self) -> str:
        """How it stands in a signature."""
        return self.name if self.default is None else f"{self.name}={as_typed(self.default)}"


@dataclasses.dataclass(frozen=True)
class Number(Parameter):
    """A number from `low` to `high`, both included.

    Example:
        >>> Number("pixels", low=0.0).allowed
        'a number of at least 0'
    """

    low: float = -math.inf
    high: float = math.inf
    default: float | None = None
    kind = "number"

    @property
    def allowed(self) -> str:
        """What it may be, for people."""
        if math.isinf(self.low) and math.isinf(self.high):
            return f"a {self.kind}"
        if math.isinf(self.high):
            return f"a {self.kind} of at least {as_typed(self.low)}"
        return f"a {self.kind} from {as_typed(self.low)} to {as_typed(self.high)}"

    def read(self, value: Typed | tuple[Typed, ...]) -> float:
        """See `Parameter.read`."""
        if isinstance(value, str | tuple) or not math.isfinite(value) or not self.low <= value <= self.high:
            raise ValueError(value)
        return value


@dataclasses.dataclass(frozen=True)
class Whole(Number):
    """A whole number from `low` to `high`, both included.

    Example:
        >>> Whole("clusters", 2, 500, default=10).read(20.0)
        20
    """

    kind = "whole number"

    def read(self, value: Typed | tuple[Typed, ...]) -> int:
        """See `Parameter.read`."""
        number = super().read(value)
        if number != int(number):
            raise ValueError(value)
        return int(number)


@dataclasses.dataclass(frozen=True)
class Word(Parameter):
    """One of a few words.

    Example:
        >>> Word("loss", ("squared", "huber"), default="squared").form
        'loss=squared'
    """

    choices: tuple[str, ...]
    default: str | None = None

    @property
    def allowed(self) -> str:
        """What it may be, for people."""
        return " or ".join(self.choices)

    def read(self, value: Typed | tuple[Typed, ...]) -> str:
        """See `Parameter.read`."""
        if value not in self.choices:
            raise ValueError(value)
        return str(value)


@dataclasses.dataclass(frozen=True)
class Flag(Parameter):
    """True or false.

    Example:
        >>> Flag("sobel").read("yes")
        True
    """

    default: bool | None = False

    @property
    def allowed(self) -> str:
        """What it may be, for people."""
        return "true or false"

    def read(self, value: Typed | tuple[Typed, ...]) -> bool:
        """See `Parameter.read`."""
        if value not in (*_YES, *_NO):
            raise ValueError(value)
        return value in _YES


@dataclasses.dataclass(frozen=True)
class Text(Parameter):
    """Any text, say the name of a column; a `default` of "" stands for none.

    Example:
        >>> Text("unit", default="").form
        'unit=…'
    """

    default: str | None = None
    kind = "a name, in quotes if it is no word"

    @property
    def allowed(self) -> str:
        """What it may be, for people."""
        return self.kind

    @property
    def form(self) -> str:
        """How it stands in a signature."""
        return f"{self.name}=…" if self.default == "" else super().form

    def read(self, value: Typed | tuple[Typed, ...]) -> str:
        """See `Parameter.read`."""
        if not isinstance(value, str) or not value.strip():
            raise ValueError(value)
        return value


@dataclasses.dataclass(frozen=True)
class File(Text):
    """The name of a file; a `default` of "" stands for none.

    Example:
        >>> File("tree").read("votes.toml")
        'votes.toml'
    """

    kind = "the name of a file, in quotes if it is no word"


@dataclasses.dataclass(frozen=True)
class ColumnNames(Parameter):
    """The names of any number of columns, but `least`: all arguments without a name.

    Example:
        >>> ColumnNames("labels", least=2).read(("smooth", "disk"))
        ('smooth', 'disk')
    """

    least: int = 1
    default: tuple[str, ...] | None = None

    @property
    def allowed(self) -> str:
        """What it may be, for people."""
        number = f" of at least {self.least} columns" if self.least > 1 else " of columns"
        return f"names{number}, each once, in quotes where they are no words"

    @property
    def form(self) -> str:
        """How it stands in a signature."""
        return "COLUMN, …"

    def read(self, value: Typed | tuple[Typed, ...]) -> tuple[str, ...]:
        """See `Parameter.read`."""
        names = value if isinstance(value, tuple) else (value,)
        if not all(isinstance(name, str) and name.strip() for name in names):
            raise ValueError(value)
        if len(names) < self.least or len(set(names)) < len(names):
            raise ValueError(value)
        return tuple(map(str, names))
