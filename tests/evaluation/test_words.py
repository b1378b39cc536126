import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.evaluation.words import in_markdown, listed, plain_name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a|b", r"a\|b"),
        ("`rm`", r"\`rm\`"),
        ("# head", r"\# head"),
        ("<b>x</b>", r"\<b\>x\</b\>"),
        ("[here](http://x)", r"\[here\](http://x)"),
        ("two\nlines\u2028and\x0bmore", "two lines and more"),
        ("to the \u202eleft", r"to the \\u202eleft"),
        ("mobilenet_v2", "mobilenet_v2"),
        ("_x_", r"\_x\_"),
        ("+0.01 ± 0.02", "+0.01 ± 0.02"),
        ("back\\slash*", r"back\\slash\*"),
        ("x" * 5000, "x" * 59 + "…"),
    ],
)
def test_markdown_shows_names_as_they_are(name: str, shown: str):
    assert in_markdown(name) == shown


def test_no_mark_is_cut_from_its_escape():
    assert in_markdown("|" * 100, 10) == r"\|" * 9 + "…"


def test_long_lists_say_how_many_more_there_are():
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(i) for i in range(100)]).endswith("28, 29 and 70 more")
    assert len(listed(["x" * 9999] * 9999)) < 1500


@given(st.text(max_size=100) | st.just("ab" * 200))
def test_names_of_directories_are_plain_and_bounded(name: str):
    plain = plain_name(name)
    assert plain and len(plain.encode()) <= 80
    assert all(c in "-_" or unicodedata.category(c)[0] in "LN" for c in plain)
    assert plain[0] not in "-_"
    assert plain_name(plain) == plain


def test_names_of_directories_tell_long_names_apart():
    long = "a-from-" * 1000
    assert plain_name("<b>/../x.y") == "b-----x-y"
    assert plain_name("..") == plain_name("") == "run"
    assert plain_name("größe-2") == "größe-2"
    assert plain_name(long + "1") != plain_name(long + "2")
    assert plain_name(long).startswith("a-from-a-from-")
