import math
import operator
import subprocess
import sys

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.errors import UsageError
from astrokeras.survey.where import MAX_LENGTH, rows_where

BIG = 2**60
TABLE = Table(
    {
        "r": np.array([20, 22, np.nan, 19.5], ">f4"),
        "FLAGS": np.array([0, 1, 2, 3], ">i2"),
        "small": np.array([200, 1, 2, 3], np.uint8),
        "ID": MaskedColumn(np.array([BIG, BIG + 1, 3, 4]), mask=[0, 0, 1, 0]),
        "large": np.array([2**63, 2**63 + 1, 1, 2], np.uint64),
        "CLASS": MaskedColumn(["STAR", "GAL", "", "x"], mask=[0, 0, 0, 1]),
        "raw": np.array([b"a\xff", b"b ", b"", b"c"]),
        "ok": [True, False, True, False],
        "odd name": [1, 2, 3, 4],
        "class": [1, 2, 3, 4],
        "Mag": [1.0, 2, 3, 4],
        "MAG": [4.0, 3, 2, 1],
        "aperture": np.zeros((4, 2)),
    }
)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("r < 21 & FLAGS == 0", "1000"),
        ("r<21|FLAGS==2", "1011"),
        ("R < 21 and flags < 3", "1000"),
        ("19.9 < r <= 22", "1100"),
        ("ok & ~(r < 21) | FLAGS == 3", "0001"),
        ("ok", "1010"),
        ("not ok", "0101"),
        ("ok == True & small == 200", "1000"),
        ("small * 2 == 400", "1000"),
        ("FLAGS // 2 % 2 == 1", "0011"),
        ("FLAGS ** 2 - 2*FLAGS == 3", "0001"),
        ("10**(-0.4*r) > 1.2e-8", "0001"),
        ("abs(-r) == 20", "1000"),
        ("log10(r - 19) > 0.3", "0100"),
        ("ID == 1152921504606846977", "0100"),
        ("ID in [1152921504606846977, 4]", "0101"),
        ("large >= 9223372036854775809", "0100"),
        ("CLASS == 'STAR'", "1000"),
        ('CLASS in ["STAR", "GAL"]', "1100"),
        ("CLASS < 'H'", "0100"),
        ("raw == 'b'", "0100"),
        ("`odd name` > 2 and `class` < 4", "0010"),
        ("`odd name` == 1 or CLASS == 'a`b'", "1000"),
        ("Mag < MAG", "1100"),
        ("r < 21\n and ok", "1000"),
    ],
)
def test_conditions(expression: str, expected: str):
    assert "".join(map(str, rows_where(expression, TABLE).astype(int))) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("r != 99", "1101"),
        ("not (r < 21)", "0100"),
        ("r < 21 or FLAGS == 2", "1011"),
        ("ID not in [3, 4]", "1100"),
        ("not ID == 3", "1101"),
        ("CLASS != 'STAR'", "0100"),
        ("CLASS not in ['STAR']", "0100"),
        ("CLASS == ''", "0011"),
        ("CLASS != ''", "1100"),
        ("not log10(r - 21) < 0.1", "0000"),
        ("isnan(r)", "0010"),
        ("isnan(ID) or isnan(CLASS)", "0011"),
        ("isfinite(r / FLAGS)", "0101"),
        ("r / FLAGS > 1e9", "1000"),
    ],
)
def test_a_missing_value_fulfils_no_comparison_nor_its_opposite(expression: str, expected: str):
    assert "".join(map(str, rows_where(expression, TABLE).astype(int))) == expected


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("rr < 3", "did you mean r"),
        ("mag < 2", "Mag or MAG"),
        ("r + 1", "is a number, expected a condition"),
        ("'a'", "is text"),
        ("1 < 2", "names no column"),
        ("True", "names no column"),
        ("r == 'a'", "cannot be compared"),
        ("CLASS == 1", "cannot be compared"),
        ("CLASS in [1]", "is text"),
        ("CLASS + 'a' == 'b'", "expected a number"),
        ("FLAGS & 4 == 0", "FLAGS is a number, but and"),
        ("aperture > 1", "2-dimensional"),
        ("r <", "invalid syntax"),
        ("class == 1", "backticks"),
        ("r < 21) or (ok", "unmatched"),
        ("r = 21", "invalid syntax"),
        ("FLAGS ** -1 < 1", "negative integer powers"),
        ("r < \0", "null bytes"),
        ("", "invalid syntax"),
    ],
)
def test_what_is_no_condition_gives_one_line(expression: str, said: str):
    with pytest.raises(UsageError, match=said) as caught:
        rows_where(expression, TABLE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "expression",
    [
        "r.__class__", "r.mean() < 1", "@r < 1", "r[0] < 1", "__import__('os').system('true')", "abs(r=1) < 1",
        "abs(*r) < 1", "abs(abs) < 1", "eval('1') < r", "(lambda: r)() < 1", "[r for r in [1]]", "r if ok else r",
        "(r := 3) < r", "f'{r}' == CLASS", "r < 1j", "r < None", "b'a' == raw", "r is r", "{r: 1}", "...", "await r",
        "10**10**10 < r", "r < 10**10**10", "'a' * 1000000000 == CLASS", "r << 4 < 1", "9" * 5000 + " < r",
        "(" * 300 + "ok" + ")" * 300, "-" * 3000 + "r < 1", "1+" * 3000 + "1 < r", "r <" + " " * MAX_LENGTH + "1",
        "1e999 * 0 * 10**400 < r", f"{10**400} * 1 < r",
    ],
)  # fmt: skip
def test_nothing_else_is_ever_evaluated(expression: str):
    with pytest.raises(UsageError):
        rows_where(expression, TABLE)


NUMBERS = st.floats(-3, 3, width=16) | st.just(math.nan)


@given(
    a=st.lists(NUMBERS, min_size=4, max_size=4),
    b=st.lists(NUMBERS, min_size=4, max_size=4),
    first=st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    second=st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    limit=st.floats(-3, 3, width=16),
    joint=st.sampled_from(["and", "or", "&", "|"]),
)
def test_conditions_equal_three_valued_logic(a: list, b: list, first: str, second: str, limit: float, joint: str):
    compare = {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "==": operator.eq,
        "!=": operator.ne,
    }

    def known(operation: str, left: float, right: float) -> bool | None:
        return None if math.isnan(left) or math.isnan(right) else compare[operation](left, right)

    def joined(one: bool | None, other: bool | None) -> bool | None:
        decisive = joint in ("or", "|")
        if decisive in (one, other):
            return decisive
        return None if None in (one, other) else not decisive

    truth = [joined(known(first, x, limit), known(second, x, y)) for x, y in zip(a, b, strict=True)]
    table = Table({"a": a, "b": b})
    expression = f"a {first} {limit} {joint} a {second} b"
    assert rows_where(expression, table).tolist() == [value is True for value in truth]
    assert rows_where(f"not ({expression})", table).tolist() == [value is False for value in truth]


def test_pandas_is_imported_only_when_asked_for():
    code = "import sys, astrokeras.records.conversion.convert; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
