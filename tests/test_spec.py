import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.errors import UsageError
from astrokeras.spec import Call, Number, Word, bind, parse, parse_one, signature

ZOOM = (Number("low", 0.5, 2), Number("high", 0.5, 2), Word("keep", ("flux", "surface"), "flux"))


def test_names_numbers_and_words_are_read():
    assert parse("dihedral|zoom( 0.9, +1.1e0 ,keep=flux) | a.b-c(x,-.5)", "--augment") == (
        Call("dihedral"),
        Call("zoom", (0.9, 1.1), (("keep", "flux"),)),
        Call("a.b-c", ("x", -0.5)),
    )
    assert parse("name()", "--task") == (Call("name"),)


words = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)
texts = st.text(st.characters(exclude_characters="'"), min_size=1, max_size=8)  # quoted where they are no words
values = st.one_of(words, texts, st.floats(-1e6, 1e6).map(lambda x: float(f"{x:g}")))
calls = st.builds(
    Call,
    words,
    st.lists(values, max_size=3).map(tuple),
    st.dictionaries(words, values, max_size=3).map(lambda d: tuple(d.items())),
)


@given(st.lists(calls, min_size=1, max_size=4))
def test_what_is_written_is_read_back(written: list[Call]):
    assert parse("|".join(map(str, written)), "--augment") == tuple(written)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str):
    try:
        assert all(isinstance(call, Call) for call in parse(text, "--augment"))
    except UsageError as error:
        assert "\n" not in str(error) or "\n" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "it breaks off before its end"),
        ("a|", "cannot be read"),
        ("|a", "'|a' does not fit"),
        ("3", "expected a name instead of '3'"),
        ("'a'", "expected a name instead of 'a'"),
        ("3(1)", "expected a name instead of '3'"),
        ("a b", "'b' does not fit"),
        ("a(1", "does not fit"),
        ("a(1 2)", "does not fit"),
        ("a(b=1,2)", "does not fit"),
        ("a(b=1,b=2)", "b"),
        ("a('b'=1)", "expected a name instead of 'b'"),
        ("a(1=1)", "expected a name instead of '1'"),
        ("a(1.2.3)", "not '1.2.3)'"),
        ("a(b('ls'))", "nothing that has parts itself"),
        ("a((1,2))", "nothing that has parts itself"),
        ("a(1|2)", "nothing that has parts itself"),
        ("(a,b)", "between the signs |"),
        ("a(1)(2)", "between the signs |"),
        ("a=b", "does not fit"),
        ("a(b[0])", "not '[0])'"),
        ("a(*b)", "not '*b)'"),
        ('a("b)', "not '\"b)'"),
        ("(" * 900 + "a" + ")" * 900, "too many nested parentheses"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_was_expected(text: str, expected: str):
    with pytest.raises(UsageError) as caught:
        parse(text, "--augment")
    assert f"--augment {text!r} cannot be read: " in str(caught.value)
    assert expected in str(caught.value) and "_0_" not in str(caught.value)
    assert "it is written like name|name(1.5)" in str(caught.value)


def test_text_in_quotes_may_be_any():
    assert parse("class('Hubble T')|tags(\"it's\", a, '1',path='a/b.toml')", "--target") == (
        Call("class", ("Hubble T",)),
        Call("tags", ("it's", "a", "1"), (("path", "a/b.toml"),)),
    )


def test_only_one_name_where_one_is_wanted():
    assert parse_one("magnitudes(loss=huber)", "--task") == Call("magnitudes", (), (("loss", "huber"),))
    with pytest.raises(UsageError, match="expected one name, got 2; give --task once for each"):
        parse_one("a|b", "--task")


def bound(text: str, **options) -> tuple[dict, dict]:
    return bind(parse_one(text, "--augment"), ZOOM, "--augment", **options)


def test_arguments_by_place_and_by_name_with_defaults():
    expected = {"low": 0.9, "high": 1.1, "keep": "flux"}
    assert bound("zoom(0.9,1.1)") == bound("zoom(0.9,high=1.1)") == bound("zoom(high=1.1,low=0.9)") == (expected, {})
    assert bound("zoom(0.9,1.1,surface)")[0]["keep"] == "surface"


def test_further_arguments_where_they_are_allowed():
    assert bound("zoom(1,1,F378=4)", others=Number("band", 0, 20))[1] == {"F378": 4.0}
    with pytest.raises(UsageError, match=r"F378 is 40, expected a number from 0 to 20; .*band=…"):
        bound("zoom(1,1,F378=40)", others=Number("band", 0, 20))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zoom(0.9)", "high is missing (a number from 0.5 to 2); it is written zoom(low, high, keep=flux)"),
        ("zoom(0.9,3)", "high is 3, expected a number from 0.5 to 2; it is written"),
        ("zoom(0.9,1e999)", "high is inf, expected a number from 0.5 to 2"),
        ("zoom(0.9,wide)", "high is wide, expected a number"),
        ("zoom(0.9,1.1,keep=all)", "keep is all, expected flux or surface"),
        ("zoom(0.9,1.1,keep=1)", "keep is 1, expected flux or surface"),
        ("zoom(0.9,1.1,kep=flux)", "argument 'kep' is unknown; did you mean keep?; it is written"),
        ("zoom(0.9,1.1,flux,4)", "4 arguments without a name, expected at most 3; it is written"),
        ("zoom(0.9,low=1)", "low is given twice"),
    ],
)
def test_wrong_arguments_are_refused_with_the_signature(text: str, message: str):
    with pytest.raises(UsageError) as caught:
        bound(text)
    assert f"--augment {text.replace('1e999', 'inf')}: " in str(caught.value)
    assert message in str(caught.value)


def test_ranges_without_an_end():
    least, any_ = Number("n", 1), Number("x")
    assert (least.allowed, any_.allowed) == ("a number of at least 1", "a number")
    with pytest.raises(ValueError, match="inf"):
        least.read(float("inf"))
    assert signature("a", [least], Number("band")) == "a(n, band=…)"


def test_what_is_too_long_is_refused_before_it_is_read():
    text = "|".join(["dihedral"] * 200)
    assert len(parse(text, "--augment")) == 200
    with pytest.raises(UsageError, match=r"^--augment 'dihedral\|.*'… has 449,999 characters, at most 2,000 can be"):
        parse("dihedral|" * 49_999 + "dihedral"[:8], "--augment")
