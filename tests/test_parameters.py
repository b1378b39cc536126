import pytest

from astrokeras.errors import UsageError
from astrokeras.parameters import ColumnNames, File, Flag, Text, Whole
from astrokeras.spec import bind, parse_one, signature

VOTES = (
    ColumnNames("columns", least=2),
    Whole("most", 1, 9, default=3),
    Flag("soft"),
    Text("errors", ""),
    File("tree", ""),
)


def test_each_kind_of_argument():
    call = parse_one("votes(smooth,'odd name',most=4,soft=yes,errors='e x',tree=tree.toml)", "--target")
    values, _ = bind(call, VOTES, "--target")
    assert values == {
        "columns": ("smooth", "odd name"), "most": 4, "soft": True, "errors": "e x", "tree": "tree.toml"
    }  # fmt: skip
    assert type(values["most"]) is int
    defaults, _ = bind(parse_one("votes(a,b)", "--target"), VOTES, "--target")
    assert defaults == {"columns": ("a", "b"), "most": 3, "soft": False, "errors": "", "tree": ""}
    assert signature("votes", VOTES) == "votes(COLUMN, …, most=3, soft=false, errors=…, tree=…)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("votes", "columns is missing (names of at least 2 columns"),
        ("votes(a)", "columns is a, expected names of at least 2 columns, each once"),
        ("votes(a,a)", "columns is a, a, expected names"),
        ("votes(a,1)", "columns is a, 1, expected names"),
        ("votes(a,' ')", "expected names"),
        ("votes(a,b,most=10.5)", "most is 10.5, expected a whole number from 1 to 9"),
        ("votes(a,b,most=4.5)", "most is 4.5, expected a whole number from 1 to 9"),
        ("votes(a,b,soft=1)", "soft is 1, expected true or false"),
        ("votes(a,b,tree=3)", "tree is 3, expected the name of a file, in quotes if it is no word"),
        ("votes(a,b,columns=c)", "columns is given twice"),
    ],
)
def test_an_argument_of_another_kind_is_refused(text: str, message: str):
    with pytest.raises(UsageError) as caught:
        bind(parse_one(text, "--target"), VOTES, "--target")
    assert message in str(caught.value)
