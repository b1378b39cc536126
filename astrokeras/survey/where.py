"""Choose catalogue rows by a condition such as ``r < 21 & FLAGS == 0``.

The text is parsed to Python's syntax tree, of which a few kinds of nodes are known here; their operators are applied to
the named columns, as pandas holds them. Nothing of the text itself is ever executed.

A row is chosen where the condition is known to be true. A comparison with a missing value (NaN, masked, empty text,
the logarithm of a negative number) is neither true nor false, and neither is its opposite, as in SQL.
"""

import ast
import io
import operator
import re
import tokenize
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from astropy.table import MaskedColumn, Table

from astrokeras.errors import UsageError, unknown_name
from astrokeras.survey.columns import as_text, element_of, split_element

if TYPE_CHECKING:
    import pandas as pd

FUNCTIONS = (
    "abs", "sqrt", "exp", "log", "log10", "floor", "ceil", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2",
)  # fmt: skip
TESTS = ("isnan", "isfinite")
MAX_LENGTH = 10_000
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`([^`]*)`""")
_ARITHMETIC = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow,
}  # fmt: skip
_ORDER = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}  # fmt: skip
_SIGNS = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_Operand = Union["pd.Series", bool, int, float, str]
_Typed = tuple[_Operand, str]
_NUMBER, _TEXT, _CONDITION = "a number", "text", "a condition"


def rows_where(expression: str, table: Table) -> np.ndarray:
    """Whether each row of `table` fulfils `expression`, bool ``[N]``.

    Args:
        expression: comparisons (``<``, ``<=``, ``>``, ``>=``, ``==``, ``!=``, ``in [1, 2]``, ``not in``) of columns,
            numbers, quoted text and arithmetic (``+ - * / // % **``, `FUNCTIONS`), combined by ``and``, ``or``,
            ``not`` (or ``&``, ``|``, ``~``, which bind like those). ``isnan(z)`` is true where z is missing,
            ``isfinite(z)`` where it is a finite number. Columns whose names are no plain words stand in backticks;
            case counts only where two columns differ by nothing else.
        table: the catalogue.

    Raises:
        UsageError: the expression cannot be understood, or names no column of the table.
    """
    names: list[str] = []

    def quoted(match: re.Match) -> str:
        if match.group(1) is None:
            return match.group()
        names.append(match.group(1))
        return f" _backtick_{len(names) - 1}_ "

    try:
        if len(expression) > MAX_LENGTH:
            raise _Refused(f"it is longer than {MAX_LENGTH} characters")
        tree = _parse(_QUOTED.sub(quoted, expression))
        evaluation = _Evaluation(table, {f"_backtick_{i}_": name for i, name in enumerate(names)})
        with np.errstate(all="ignore"):
            return evaluation.rows(tree)
    except _Refused as error:
        raise UsageError(f"--where {_short(expression)}: {error}") from None
    except RecursionError:
        raise UsageError(f"--where {_short(expression)}: it is nested too deeply") from None


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:99] + "…")


class _Refused(Exception):
    """Why an expression is not evaluated."""


def _parse(text: str) -> ast.expr:
    """Return the syntax tree, with ``&`` and ``|`` as ``and`` and ``or``, as `pandas.DataFrame.query` has them."""
    words = {"&": "and", "|": "or"}
    try:
        tokens = tokenize.generate_tokens(io.StringIO(" ".join(text.split("\n")).strip()).readline)
        plain = [(tokenize.NAME, words[t.string]) if t.string in words else (t.type, t.string) for t in tokens]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.parse(tokenize.untokenize(plain).strip(), mode="eval").body
    except (SyntaxError, tokenize.TokenError, ValueError, MemoryError) as error:
        said = getattr(error, "msg", None) or str(error).partition(":")[0] or "it is nested too deeply"
        raise _Refused(
            f"{said}; expected a condition such as r < 21 & FLAGS == 0, odd column names in `backticks`"
        ) from None


class _Evaluation(ast.NodeVisitor):
    """Evaluates a syntax tree bottom up: each comparison becomes a column of true, false and missing.

    A visit returns the value, a column or a constant, and its kind.
    """

    def __init__(self, table: Table, backticks: dict[str, str]) -> None:
        import pandas as pd  # noqa: PLC0415 - takes most of a second, and few conversions need it

        self._pd = pd
        self._table = table
        self._backticks = backticks
        self._columns: dict[str, _Typed] = {}

    def rows(self, tree: ast.expr) -> np.ndarray:
        value, kind = self.visit(tree)
        if kind != _CONDITION:
            raise _Refused(f"it is {kind}, expected a condition such as r < 21")
        if not self._columns:
            raise _Refused("it names no column")
        return value.fillna(False).to_numpy(dtype=bool)

    def visit_Name(self, node: ast.Name) -> _Typed:
        return self._column(self._backticks.get(node.id, node.id))

    def visit_Subscript(self, node: ast.Subscript) -> _Typed:
        """Return an element of a column of arrays, as in ``PSFMAG[2]``, counted from 0."""
        index, whole = "", node
        while isinstance(whole, ast.Subscript):
            place = whole.slice.value if isinstance(whole.slice, ast.Constant) else None
            if type(place) is not int:
                return self.generic_visit(node)
            index, whole = f"[{place}]{index}", whole.value
        if not isinstance(whole, ast.Name):
            return self.generic_visit(node)
        return self._column(self._backticks.get(whole.id, whole.id) + index)

    def visit_Constant(self, node: ast.Constant) -> _Typed:
        kinds = {bool: _CONDITION, int: _NUMBER, float: _NUMBER, str: _TEXT}
        if type(node.value) not in kinds:
            raise _Refused(f"{node.value!r} is not understood")
        return node.value, kinds[type(node.value)]

    def visit_BoolOp(self, node: ast.BoolOp) -> _Typed:
        join = operator.and_ if isinstance(node.op, ast.And) else operator.or_
        value = self._condition(node.values[0])
        for other in node.values[1:]:
            value = join(value, self._condition(other))
        return value, _CONDITION

    def visit_UnaryOp(self, node: ast.UnaryOp) -> _Typed:
        if isinstance(node.op, ast.Not | ast.Invert):
            value = self._condition(node.operand)
            return (not value) if isinstance(value, bool) else ~value, _CONDITION
        return self._keep(self._applied(_SIGNS[type(node.op)], self._number(node.operand))), _NUMBER

    def visit_BinOp(self, node: ast.BinOp) -> _Typed:
        if type(node.op) not in _ARITHMETIC:
            return self.generic_visit(node.op)
        return self._arithmetic(node, self._number(node.left), self._number(node.right)), _NUMBER

    def visit_Compare(self, node: ast.Compare) -> _Typed:
        sides = [node.left, *node.comparators]
        value = True
        for three in zip(sides, node.ops, sides[1:], strict=False):
            value = value & self._pair(*three)
        return value, _CONDITION

    def visit_Call(self, node: ast.Call) -> _Typed:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in (*FUNCTIONS, *TESTS) or node.keywords:
            return self.generic_visit(node)
        return self._call(name, node.args)

    def generic_visit(self, node: ast.AST) -> _Typed:
        said = {
            ast.Attribute: "a dot",
            ast.Subscript: "a subscript",
            ast.Call: "a call",
            ast.List: "a list outside of in",
        }
        known = f"expected columns, numbers, text, comparisons and {', '.join((*FUNCTIONS, *TESTS))}"
        raise _Refused(f"{said.get(type(node), type(node).__name__)} is not understood; {known}")

    def _condition(self, node: ast.expr) -> _Operand:
        value, kind = self.visit(node)
        if kind != _CONDITION:
            raise _Refused(
                f"{self._said(node)} is {kind}, but and, or, not (&, |, ~) combine conditions "
                "(a bit is asked for as in FLAGS // 4 % 2 == 1)"
            )
        return value

    def _number(self, node: ast.expr) -> _Operand:
        value, kind = self.visit(node)
        if kind == _TEXT:
            raise _Refused(f"{self._said(node)} is text, expected a number")
        return self._as_integers(value) if kind == _CONDITION else value

    def _arithmetic(self, node: ast.BinOp, left: _Operand, right: _Operand) -> _Operand:
        """Arithmetic on at least one column; Python's own, on numbers alone, could be made to take for ever."""
        if not self._is_column(left) and not self._is_column(right):
            if isinstance(node.op, ast.Pow):
                raise _Refused(f"{self._said(node)}: write the number itself")
            left, right = _float(left), _float(right)
        return self._keep(self._applied(_ARITHMETIC[type(node.op)], left, right))

    def _pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> "pd.Series":
        if isinstance(op, ast.In | ast.NotIn):
            return self._member(left, right, isinstance(op, ast.NotIn))
        if type(op) not in _ORDER:
            raise _Refused(f"{type(op).__name__} is not understood; expected <, <=, >, >=, ==, !=, in or not in")
        (one, kind), (other, other_kind) = self.visit(left), self.visit(right)
        if kind != other_kind and _TEXT in (kind, other_kind):
            raise _Refused(
                f"{self._said(left)} is {kind}, {self._said(right)} is {other_kind}: they cannot be compared"
            )
        if _CONDITION in (kind, other_kind):
            one, other = self._as_integers(one), self._as_integers(other)
        for side, against, whose in ((one, other, right), (other, one, left)):
            if isinstance(side, str) and side == "" and isinstance(op, ast.Eq | ast.NotEq):
                # Empty text is missing text, and this asks for it.
                missing = self._missing(against, whose)
                return missing if isinstance(op, ast.Eq) else ~missing
        return self._known(self._applied(_ORDER[type(op)], one, other), one, other)

    def _member(self, node: ast.expr, members: ast.expr, negated: bool) -> "pd.Series":
        if not isinstance(members, ast.List | ast.Tuple):
            raise _Refused("expected a list after in, as in [1, 2]")
        left, kind = self.visit(node)
        values = []
        for member in members.elts:
            value, member_kind = self.visit(member)
            if self._is_column(value) or (_TEXT in (kind, member_kind) and member_kind != kind):
                raise _Refused(f"{self._said(node)} is {kind}, {self._said(member)} in the list is {member_kind}")
            values.append(value)
        if not self._is_column(left):
            raise _Refused(f"{self._said(node)} is no column")
        true = left.isin(values)
        return self._known(~true if negated else true, left)

    def _call(self, name: str, arguments: list[ast.expr]) -> _Typed:
        if len(arguments) != (2 if name == "arctan2" else 1):
            raise _Refused(f"{name} takes {2 if name == 'arctan2' else 1} argument(s), not {len(arguments)}")
        if name in TESTS:
            value, kind = self.visit(arguments[0])
            missing = self._missing(value, arguments[0])
            if name == "isfinite" and kind == _NUMBER:
                missing |= value.abs().eq(np.inf).fillna(True).astype("boolean")
            return missing if name == "isnan" else ~missing, _CONDITION
        values = [self._number(argument) for argument in arguments]
        if not all(map(self._is_column, values)):
            raise _Refused(f"{name} is for columns; write the number itself")
        return self._keep(self._applied(getattr(np, name), *values)), _NUMBER

    def _is_column(self, value: _Operand) -> bool:
        return isinstance(value, self._pd.Series)

    def _known(self, true: _Operand, *operands: _Operand) -> "pd.Series":
        """Return `true` as a column of conditions, missing where an operand is."""
        missing = np.zeros(len(self._table), dtype=bool)
        for operand in filter(self._is_column, operands):
            missing |= operand.isna().to_numpy()
        values = true.fillna(False).to_numpy(dtype=bool) if self._is_column(true) else np.full(len(missing), bool(true))
        return self._pd.Series(self._pd.arrays.BooleanArray(values, missing))

    def _missing(self, value: _Operand, node: ast.expr) -> "pd.Series":
        if not self._is_column(value):
            raise _Refused(f"{self._said(node)} is no column")
        return value.isna().astype("boolean")

    def _as_integers(self, value: _Operand) -> _Operand:
        if not self._is_column(value):
            return int(value) if isinstance(value, bool) else value
        return value.astype("Int64") if value.dtype == "boolean" else value

    def _keep(self, value: _Operand) -> _Operand:
        """Return the result of arithmetic, in which NaN is missing."""
        if not self._is_column(value) or value.dtype.kind != "f":
            return value
        return value.mask(np.isnan(value.to_numpy(dtype=np.float64, na_value=0)))

    def _applied(self, function: Callable[..., Any], *operands: _Operand) -> _Operand:
        try:
            return function(*operands)
        except Exception as error:  # integers to negative powers, numbers beyond every type
            raise _Refused(f"it cannot be evaluated: {' '.join(str(error).split())}") from None

    def _column(self, name: str) -> _Typed:
        """Return the column of the table, whatever the case where that is unique."""
        whole, index = (name, "") if name in self._table.colnames else split_element(name)
        if whole not in self._table.colnames:
            same = [other for other in self._table.colnames if other.lower() == whole.lower()]
            if len(same) > 1:
                raise _Refused(f"column {whole!r} may be {' or '.join(same)}; write it as it is")
            if not same:
                raise _Refused(unknown_name("catalogue column", whole, self._table.colnames))
            name = same[0] + index
        if name not in self._columns:
            self._columns[name] = _series(self._pd, name, self._element(name))
        return self._columns[name]

    def _element(self, name: str) -> MaskedColumn:
        try:
            return element_of(self._table, name)
        except UsageError as error:
            raise _Refused(str(error)) from None

    def _said(self, node: ast.expr) -> str:
        """Return the node as the user wrote it."""
        text = ast.unparse(node)
        for alias, name in self._backticks.items():
            text = text.replace(alias, f"`{name}`")
        return text


def _float(constant: float) -> float:
    try:
        return float(constant)
    except OverflowError as error:
        raise _Refused(str(error)) from None


def _series(pd: ModuleType, name: str, column: MaskedColumn) -> tuple["pd.Series", str]:
    """Return a catalogue column as pandas has it where values can be missing."""
    column = MaskedColumn(column)
    values, mask = np.asarray(column.data), np.ma.getmaskarray(column)
    if values.ndim != 1:
        raise _Refused(f"column {name!r} holds {values.ndim}-dimensional arrays")
    values = values.astype(values.dtype.newbyteorder("="))
    if values.dtype.kind == "f":
        values = values if values.dtype.itemsize in (4, 8) else values.astype(np.float64)
        return pd.Series(pd.arrays.FloatingArray(values, mask | np.isnan(values))), _NUMBER
    if values.dtype.kind in "iu":  # in 64 bits, where sums and squares of small integers have room
        values = values if values.dtype == np.uint64 else values.astype(np.int64)
        return pd.Series(pd.arrays.IntegerArray(values, mask.copy())), _NUMBER
    if values.dtype.kind == "b":
        return pd.Series(pd.arrays.BooleanArray(values, mask.copy())), _CONDITION
    if values.dtype.kind not in "SUO":
        raise _Refused(f"column {name!r} holds {values.dtype}, expected numbers or text")
    words = as_text(column).astype(object)
    return pd.Series(np.where(words == "", None, words), dtype="string[python]"), _TEXT
