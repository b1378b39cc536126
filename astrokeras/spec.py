"""Specifications that a user types: names with arguments, as in ``shift(4)|noise(0.1)`` or ``magnitudes(loss=huber)``.

A specification is read, never run: Python's own parser finds its structure, of which names, calls, arguments and ``|``
are known here and nothing else. Names may be words that Python keeps for itself (``class``) or would take apart
(``a-b``); text in quotes may be any. What a name takes is a list of parameters (`Number`, `Whole`, `Word`, `Flag`,
`Text`, `ColumnNames`, `File`), against which `bind` checks the arguments.
"""

import ast
import dataclasses
import re
from collections.abc import Mapping, Sequence

from astrokeras.errors import UsageError, unknown_name
from astrokeras.parameters import ColumnNames, File, Flag, Number, Parameter, Text, Typed, Value, Whole, Word, as_typed

__all__ = ["Call", "bind", "parse", "parse_one", "signature"]
__all__ += ["ColumnNames", "File", "Flag", "Number", "Parameter", "Text", "Typed", "Value", "Whole", "Word"]

_LONGEST = 2000
_ATOM = re.compile(
    r"""(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))|(?P<word>[A-Za-z_][\w.-]*)"""
    r"""|(?P<quoted>"[^"]*"|'[^']*')|(?P<sign>[(),=|])|(?P<space>\s+)"""
)
_FORM = "it is written like name|name(1.5)|name(0.9,1.1,option=word)"


@dataclasses.dataclass(frozen=True)
class Call:
    """One name with its arguments, as it was typed."""

    name: str
    positional: tuple[Typed, ...] = ()
    named: tuple[tuple[str, Typed], ...] = ()

    def __str__(self) -> str:
        arguments = [as_typed(value) for value in self.positional] + [f"{k}={as_typed(v)}" for k, v in self.named]
        return f"{self.name}({','.join(arguments)})" if arguments else self.name


class _Unreadable(Exception):
    """Why a specification cannot be read: what was expected."""


def parse(text: str, option: str) -> tuple[Call, ...]:
    """Read ``name|name(argument,…,key=argument)|…``; an argument is a number, a word, or text in quotes.

    Args:
        text: what was typed.
        option: where, for messages: ``--augment``.

    Raises:
        UsageError: it cannot be read.

    Example:
        >>> parse("class('Hubble T')|shift(4)", "--augment")[0]
        Call(name='class', positional=('Hubble T',), named=())
    """
    if len(text) > _LONGEST:
        raise UsageError(f"{option} {text[:40]!r}… has {len(text):,} characters, at most {_LONGEST:,} can be meant")
    try:
        plain, atoms = _numbered(text)
        return tuple(_call(node, atoms) for node in _in_turn(_structure(plain, atoms)))
    except _Unreadable as error:
        raise UsageError(f"{option} {text!r} cannot be read: {error}; {_FORM}") from None


def parse_one(text: str, option: str) -> Call:
    """Read one name with its arguments.

    Raises:
        UsageError: it cannot be read, or there are several.

    Example:
        >>> parse_one("magnitudes(loss=huber)", "--task").named
        (('loss', 'huber'),)
    """
    calls = parse(text, option)
    if len(calls) > 1:
        raise UsageError(f"{option} {text!r}: expected one name, got {len(calls)}; give {option} once for each")
    return calls[0]


@dataclasses.dataclass(frozen=True)
class _Atom:
    """A name, number or quoted text; `bare` if it may be a name."""

    value: Typed
    bare: bool


def _numbered(text: str) -> tuple[str, Mapping[str, _Atom]]:
    """Return the text with ``_0_``, ``_1_`` … for names, numbers and quoted text, and what they stand for."""
    atoms: dict[str, _Atom] = {}
    parts: list[str] = []
    position = 0
    while position < len(text):
        match = _ATOM.match(text, position)
        if match is None:
            raise _Unreadable(f"expected a name, a number or one of ( ) , = |, not {text[position:][:12]!r}")
        kind, found, position = match.lastgroup, match[0], match.end()
        if kind == "space":
            parts.append(" ")
        elif kind == "sign":
            parts.append(found)
        else:
            name = f"_{len(atoms)}_"
            value = float(found) if kind == "number" else found[1:-1] if kind == "quoted" else found
            atoms[name] = _Atom(value, kind == "word")
            parts.append(f" {name} ")
    return "".join(parts).strip(), atoms


def _structure(plain: str, atoms: Mapping[str, _Atom]) -> ast.expr:
    try:
        return ast.parse(plain, mode="eval").body
    except SyntaxError as error:
        reason = _in_their_words(error.msg, atoms)
        where = _in_their_words(plain[max(0, (error.offset or 1) - 1) :], atoms).strip()
        told = f"{where[:12]!r} does not fit" if where else "it breaks off before its end"
        reason = told if reason == "invalid syntax" else f"{told} ({reason})"
    except (RecursionError, MemoryError, ValueError):
        reason = "it is nested too deeply"
    raise _Unreadable(reason) from None


def _in_their_words(text: str, atoms: Mapping[str, _Atom]) -> str:
    return re.sub(" ?(_[0-9]+_) ?", lambda match: as_typed(atoms[match[1]].value), text)


def _in_turn(tree: ast.expr) -> list[ast.expr]:
    """Return what stands between the signs ``|``."""
    nodes: list[ast.expr] = []
    while isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.BitOr):
        nodes.append(tree.right)
        tree = tree.left
    return [tree, *reversed(nodes)]


def _call(node: ast.expr, atoms: Mapping[str, _Atom]) -> Call:
    if isinstance(node, ast.Name):
        return Call(_name(node.id, atoms))
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise _Unreadable("expected a name, or a name with arguments in parentheses, between the signs |")
    named: dict[str, Typed] = {}
    for keyword in node.keywords:
        name = _name(keyword.arg or "", atoms)
        if name in named:
            raise _Unreadable(f"expected {name} once only")
        named[name] = _argument(keyword.value, atoms)
    positional = tuple(_argument(argument, atoms) for argument in node.args)
    return Call(_name(node.func.id, atoms), positional, tuple(named.items()))


def _name(key: str, atoms: Mapping[str, _Atom]) -> str:
    if not atoms[key].bare:
        raise _Unreadable(f"expected a name instead of {as_typed(atoms[key].value)!r}")
    return str(atoms[key].value)


def _argument(node: ast.expr, atoms: Mapping[str, _Atom]) -> Typed:
    if not isinstance(node, ast.Name):
        raise _Unreadable("expected a number, a word or text in quotes as an argument, nothing that has parts itself")
    return atoms[node.id].value


def signature(name: str, parameters: Sequence[Parameter], others: Number | None = None) -> str:
    """How a name is written: ``zoom(low, high, keep=flux)``.

    Example:
        >>> signature("shift", [Number("pixels", 0.0), Word("edge", ("keep", "cut"), default="cut")])
        'shift(pixels, edge=cut)'
    """
    parts = [parameter.form for parameter in parameters]
    parts += [f"{others.name}=…"] if others else []
    return f"{name}({', '.join(parts)})" if parts else name


def bind(
    call: Call, parameters: Sequence[Parameter], option: str, others: Number | None = None
) -> tuple[dict[str, Value], dict[str, float]]:
    """Check the arguments of a call and fill in defaults.

    Args:
        call: as it was typed.
        parameters: what the name takes, in order; if the first is `ColumnNames`, it gets all arguments without a name.
        option: where it was typed, for messages.
        others: what arguments of any further name must be; none are allowed without.

    Returns:
        The value of every parameter, and the further ones.

    Raises:
        UsageError: one is missing, unknown, given twice, or not what it may be; the message has the signature.

    Example:
        >>> bind(parse_one("shift(4)", "--augment"), [Number("pixels", 0.0)], "--augment")
        ({'pixels': 4.0}, {})
    """
    written = f"{option} {call}"
    form = f"it is written {signature(call.name, parameters, others)}"
    given: dict[str, Typed | tuple[Typed, ...]] = {}
    if parameters and isinstance(parameters[0], ColumnNames):
        given |= {parameters[0].name: call.positional} if call.positional else {}
    elif len(call.positional) > len(parameters):
        most = len(parameters)
        raise UsageError(f"{written}: {len(call.positional)} arguments without a name, expected at most {most}; {form}")
    else:
        given |= dict(zip((p.name for p in parameters), call.positional, strict=False))
    known = {p.name for p in parameters}
    for name, value in call.named:
        if name in given:
            raise UsageError(f"{written}: {name} is given twice; {form}")
        if name not in known and others is None:
            raise UsageError(f"{written}: {unknown_name('argument', name, sorted(known))}; {form}")
        given[name] = value
    values: dict[str, Value] = {}
    for parameter in parameters:
        if parameter.name in given:
            values[parameter.name] = _read(parameter, parameter.name, given[parameter.name], written, form)
        elif parameter.default is None:
            raise UsageError(f"{written}: {parameter.name} is missing ({parameter.allowed}); {form}")
        else:
            values[parameter.name] = parameter.default
    further = {n: _read(others, n, value, written, form) for n, value in given.items() if n not in known}
    return values, further


def _read(parameter: Parameter, name: str, value: Typed | tuple[Typed, ...], written: str, form: str) -> Value:
    try:
        return parameter.read(value)
    except ValueError:
        said = ", ".join(map(as_typed, value)) if isinstance(value, tuple) else as_typed(value)
        raise UsageError(f"{written}: {name} is {said}, expected {parameter.allowed}; {form}") from None
