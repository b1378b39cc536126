"""Columns as colours."""

import base64

import numpy as np

from astrokeras.embedding.colours import UNKNOWN, colour_of


def unpacked(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def test_text_is_classes_the_most_frequent_first():
    values = np.array(["b", None, "a", "b", "<c>", "b", "a"], object)
    found = colour_of("type", values)
    assert found.names == ("b", "a", "<c>")
    assert found.index.tolist() == [0, UNKNOWN, 1, 0, 2, 0, 1]
    page = found.page_data(np.array([1, 4]))
    assert (page["kind"], page["name"], page["names"]) == ("class", "type", ["b", "a", "<c>"])
    assert unpacked(page["index"], "<u2").tolist() == [UNKNOWN, 2]


def test_booleans_are_classes_too():
    assert colour_of("flag", np.array([True, False, True])).names == ("yes", "no")


def test_nothing_known_has_no_names():
    found = colour_of("label", np.full(3, None, object))
    assert found.names == () and set(found.index.tolist()) == {UNKNOWN}


def test_of_very_many_texts_the_rarer_ones_are_one():
    values = np.array([f"a{i}" for i in range(2500)] + ["often"] * 2, object)
    found = colour_of("id", values)
    assert len(found.names) == 2001 and found.names[0] == "often"
    assert (found.index == 2000).sum() == 501 and found.index.max() == 2000


def test_numbers_have_a_range_without_what_lies_far_out():
    values = np.r_[np.arange(101.0), 1e300, np.inf, -np.inf, np.nan]
    found = colour_of("z", values)
    assert (found.low, found.high) == (2, 98)
    assert np.isnan(found.values[-4:]).all() and found.values.dtype == np.float32
    assert unpacked(found.page_data(np.array([3]))["values"], "<f4").tolist() == [3]
    nothing = colour_of("z", np.full(2, np.nan))
    assert (nothing.low, nothing.high) == (0, 1)
