import numpy as np
import pytest
from astropy.table import MaskedColumn

from astrokeras.survey.columns import as_text

BIG = 2**60 + 1


@pytest.mark.parametrize(
    ("values", "mask", "text"),
    [
        (np.array([BIG, -3, 7]), [0, 0, 1], [str(BIG), "-3", ""]),
        (np.array([2**64 - 1], np.uint64), [0], [str(2**64 - 1)]),
        (np.array([1.0, np.nan, 2.5, np.inf, -0.0], ">f8"), [0] * 5, ["1", "", "2.5", "inf", "0"]),
        (np.array([2.0**62, 2.0**63, -(2.0**63), 2.0**99]), [0] * 4, [f"{n}" for n in (2**62, 2**63, -(2**63), 2**99)]),
        (np.array([b" a ", b"\xc3\xbc", b"\xff"]), [0, 0, 0], ["a", "ü", "\ufffd"]),
        (np.array(["x ", "", "y"]), [0, 0, 1], ["x", "", ""]),
        (np.array([True, False]), [0, 0], ["True", "False"]),
        (np.array([None, 3, "q"], object), [0, 0, 0], ["None", "3", "q"]),
        (np.array([], "S0"), [], []),
    ],
    ids=["int", "uint64", "float", "large float", "bytes", "text", "bool", "object", "none"],
)  # fmt: skip
def test_cells_as_text(values: np.ndarray, mask: list, text: list[str]):
    found = as_text(MaskedColumn(values, mask=np.array(mask, dtype=bool)))
    assert found.dtype.kind == "U"
    assert found.tolist() == text


def test_a_column_of_a_record_array():
    records = np.array([(1, b"a"), (2, b"\xc3\xbc ")], dtype=[("n", ">i2"), ("name", "S3")])
    assert as_text(MaskedColumn(records["name"], copy=False)).tolist() == ["a", "ü"]
    assert as_text(MaskedColumn(records["n"], copy=False)).tolist() == ["1", "2"]
