import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.text import is_plain, printable, printable_json, shortened

ODD = ("\x1b[31m", "\x07", "\x85", "\u202e", "\u2028", "\ufeff", "\ud800")


@pytest.mark.parametrize("odd", ODD)
def test_what_steers_a_terminal_or_the_eye_is_spelt_out(odd: str):
    assert not is_plain(odd)
    assert is_plain(printable(f"a{odd}b", keep="")) and printable(f"a{odd}b").startswith("a\\")
    assert is_plain(shortened(f"a{odd}b"))


def test_what_people_write_stays():
    assert printable("größe\t星雲 …\n") == "größe\t星雲 …\n"
    assert shortened("  größe\t星雲\n …") == "größe 星雲 …"


@given(st.text(st.characters(exclude_categories=())), st.integers(1, 80))
def test_a_line_is_as_long_as_it_may_be(text: str, most: int):
    line = shortened(text, most)
    assert is_plain(line) and len(line) <= most


@given(st.dictionaries(st.text(), st.text()))
def test_json_means_the_same(content: dict[str, str]):
    assert json.loads(printable_json(json.dumps(content, ensure_ascii=False))) == content
