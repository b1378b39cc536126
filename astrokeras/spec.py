"""Specifications that a user types: names with arguments, as in ``shift(4)|noise(0.1)`` or ``magnitudes(loss=huber)``.

A specification is read, never run: arguments are numbers and words and nothing else. What a name takes is a list of
`Number` and `Word`, against which `bind` checks the arguments.
"""

import dataclasses
import math
import re
from collections.abc import Sequence

from astrokeras.errors import UsageError, unknown_name

Value = float | str

_LONGEST = 2000

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))|(?P<word>[A-Za-z_][\w.-]*)|(?P<sign>[(),=|]))"
)


@dataclasses.dataclass(frozen=True)
class Call:
    """One name with its arguments, as it was typed."""

    name: str
    positional: tuple[Value, ...] = ()
    named: tuple[tuple[str, Value], ...] = ()

    def __str__(self) -> str:
        arguments = [_text(value) for value in self.positional] + [f"{k}={_text(v)}" for k, v in self.named]
        return f"{self.name}({','.join(arguments)})" if arguments else self.name


@dataclasses.dataclass(frozen=True)
class Number:
    """An argument that is a number from `low` to `high`, both included; without a `default` it must be given."""

    name: str
    low: float = -math.inf
    high: float = math.inf
    default: float | None = None

    @property
    def allowed(self) -> str:
        """What it may be, for people."""
        if math.isinf(self.low) and math.isinf(self.high):
            return "a number"
        if math.isinf(self.high):
            return f"a number of at least {_text(self.low)}"
        return f"a number from {_text(self.low)} to {_text(self.high)}"

    def accepts(self, value: Value) -> bool:
        """Whether it may be `value`."""
        return not isinstance(value, str) and math.isfinite(value) and self.low <= value <= self.high


@dataclasses.dataclass(frozen=True)
class Word:
    """An argument that is one of a few words; without a `default` it must be given."""

    name: str
    choices: tuple[str, ...]
    default: str | None = None

    @property
    def allowed(self) -> str:
        """What it may be, for people."""
        return " or ".join(self.choices)

    def accepts(self, value: Value) -> bool:
        """Whether it may be `value`."""
        return value in self.choices


Parameter = Number | Word


def _text(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:g}"


class _Reader:
    """The tokens of a specification, one after the other."""

    def __init__(self, text: str, option: str) -> None:
        self.text, self.option, self.tokens, position = text, option, [], 0
        stripped = text.rstrip()
        while position < len(stripped):
            match = _TOKEN.match(stripped, position)
            if match is None:
                start = position + len(stripped[position:]) - len(stripped[position:].lstrip())
                raise self.error(f"a name, a number or one of ( ) , = |, not {stripped[start:][:12]!r}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self.next = 0

    def error(self, expected: str) -> UsageError:
        return UsageError(
            f"{self.option} {self.text!r} cannot be read: expected {expected}; "
            "it is written like name|name(1.5)|name(0.9,1.1,option=word)"
        )

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.next] if self.next < len(self.tokens) else ("end", "")

    def take(self, kind: str, sign: str = "", *, expected: str) -> str:
        found, text = self.peek()
        if found != kind or (sign and text != sign):
            raise self.error(f"{expected} {'before its end' if found == 'end' else f'instead of {text!r}'}")
        self.next += 1
        return text

    def is_sign(self, sign: str) -> bool:
        return self.peek() == ("sign", sign)


def parse(text: str, option: str) -> tuple[Call, ...]:
    """Read ``name|name(argument,…,key=argument)|…``; an argument is a number or a word.

    Args:
        text: what was typed.
        option: where, for messages: ``--augment``.

    Raises:
        UsageError: it cannot be read.
    """
    if len(text) > _LONGEST:
        raise UsageError(f"{option} {text[:40]!r}… has {len(text):,} characters, at most {_LONGEST:,} can be meant")
    reader = _Reader(text, option)
    calls = [_call(reader)]
    while reader.is_sign("|"):
        reader.next += 1
        calls.append(_call(reader))
    reader.take("end", expected="| or nothing")
    return tuple(calls)


def parse_one(text: str, option: str) -> Call:
    """Read one name with its arguments.

    Raises:
        UsageError: it cannot be read, or there are several.
    """
    calls = parse(text, option)
    if len(calls) > 1:
        raise UsageError(f"{option} {text!r}: expected one name, got {len(calls)}; give {option} once for each")
    return calls[0]


def _call(reader: _Reader) -> Call:
    name = reader.take("word", expected="a name")
    positional: list[Value] = []
    named: list[tuple[str, Value]] = []
    if not reader.is_sign("("):
        return Call(name)
    reader.next += 1
    while not reader.is_sign(")"):
        if positional or named:
            reader.take("sign", ",", expected=", or )")
        kind, text = reader.peek()
        if kind == "word":
            reader.next += 1
            if reader.is_sign("="):
                reader.next += 1
                if text in dict(named):
                    raise reader.error(f"{text} once only")
                named.append((text, _value(reader)))
                continue
            value: Value = text
        else:
            value = _value(reader)
        if named:
            raise reader.error(f"arguments without a name before those with one, not {_text(value)!r} after them")
        positional.append(value)
    reader.next += 1
    return Call(name, tuple(positional), tuple(named))


def _value(reader: _Reader) -> Value:
    kind, text = reader.peek()
    if kind not in ("number", "word"):
        raise reader.error(f"a number or a word {'before its end' if kind == 'end' else f'instead of {text!r}'}")
    reader.next += 1
    return text if kind == "word" else float(text)


def signature(name: str, parameters: Sequence[Parameter], others: Number | None = None) -> str:
    """How a name is written: ``zoom(low, high, keep=flux)``."""
    parts = [p.name if p.default is None else f"{p.name}={_text(p.default)}" for p in parameters]
    parts += [f"{others.name}=…"] if others else []
    return f"{name}({', '.join(parts)})" if parts else name


def bind(
    call: Call, parameters: Sequence[Parameter], option: str, others: Number | None = None
) -> tuple[dict[str, Value], dict[str, float]]:
    """Check the arguments of a call and fill in defaults.

    Args:
        call: as it was typed.
        parameters: what the name takes, in order.
        option: where it was typed, for messages.
        others: what arguments of any further name must be; none are allowed without.

    Returns:
        The value of every parameter, and the further ones.

    Raises:
        UsageError: one is missing, unknown, given twice, or not what it may be; the message has the signature.
    """
    written = f"{option} {call}"
    form = f"it is written {signature(call.name, parameters, others)}"
    if len(call.positional) > len(parameters):
        most = len(parameters)
        raise UsageError(f"{written}: {len(call.positional)} arguments without a name, expected at most {most}; {form}")
    given: dict[str, Value] = dict(zip((p.name for p in parameters), call.positional, strict=False))
    known = {p.name for p in parameters}
    for name, value in call.named:
        if name in given:
            raise UsageError(f"{written}: {name} is given twice; {form}")
        if name not in known and others is None:
            raise UsageError(f"{written}: {unknown_name('argument', name, sorted(known))}; {form}")
        given[name] = value
    values: dict[str, Value] = {}
    for parameter in parameters:
        value = given.get(parameter.name, parameter.default)
        if value is None:
            raise UsageError(f"{written}: {parameter.name} is missing ({parameter.allowed}); {form}")
        _check(parameter, parameter.name, value, written, form)
        values[parameter.name] = value
    further = {name: value for name, value in given.items() if name not in known}
    for name, value in further.items():
        _check(others, name, value, written, form)
    return values, further


def _check(parameter: Parameter, name: str, value: Value, written: str, form: str) -> None:
    if not parameter.accepts(value):
        raise UsageError(f"{written}: {name} is {_text(value)}, expected {parameter.allowed}; {form}")
