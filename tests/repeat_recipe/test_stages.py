"""Which stages need others."""

import pytest

from astrokeras.repeat_recipe.stages import needed_by, needs_of


@pytest.mark.parametrize(
    ("word", "named"),
    [
        ("/o/records", True),
        ("/o/records/", True),
        ("/o//records/./train", True),
        ("imagenet|/o/records", True),
        ("/o/records|imagenet", True),
        ("/o/records+/o/other", True),
        ("/o/records:adapter", True),
        ("--init=/o/records/encoder.keras", True),
        ("/o/records/images/{field}_{band}.fits", True),
        ("/o/records2", False),
        ("/o/records-2/records", False),
        ("/o/records.csv", False),
        ("/o/other", False),
        ("/o", False),
        ("records", False),
    ],
)
@pytest.mark.parametrize("out", [["--out", "/o/records"], ["--out=/o/records/"]])
def test_a_stage_needs_those_in_whose_out_one_of_its_words_lies(word, named, out):
    stages = {"a": ["convert", *out], "b": ["pretrain", word, "--out", "/o/b"], "c": ["inspect", word]}
    assert needs_of(stages) == {"a": set(), "b": {"a"} if named else set(), "c": {"a"} if named else set()}


def test_nothing_is_needed_of_what_comes_later_or_writes_nowhere():
    assert needs_of({"a": ["x", "o"], "b": ["y", "--out", "o"], "c": ["z", "x"]}) == {
        "a": set(),
        "b": set(),
        "c": set(),
    }


def test_a_stage_with_all_that_it_needs():
    needs = {"a": set(), "b": {"a"}, "c": set(), "d": {"b"}, "e": {"c", "d"}}
    assert needed_by("d", needs) == ["a", "b", "d"]
    assert needed_by("e", needs) == ["a", "b", "c", "d", "e"]
    assert needed_by("c", needs) == ["c"]
