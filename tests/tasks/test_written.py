import pytest

from astrokeras.tasks import written
from astrokeras.tasks.target import TARGETS


@pytest.mark.parametrize("value", [None, "ab", [1], {"a": 1}])
def test_what_is_no_list_of_text_is_refused(value: object):
    with pytest.raises(ValueError, match="names is no list of text"):
        written.texts({"names": value}, "names")


@pytest.mark.parametrize("value", [3, ["1"], [True], [float("nan")], [1.0, 2.0]])
def test_what_are_no_numbers_is_refused(value: object):
    with pytest.raises(ValueError, match="mean "):
        written.numbers({"mean": value}, "mean", 1)


@pytest.mark.parametrize("value", [[0, 3], [0, 0.5], [0, -2], [0]])
def test_what_are_no_places_is_refused(value: list):
    with pytest.raises(ValueError, match="of "):
        written.places({"of": value}, "of", 2, -1, 3)
    assert written.places({"of": [-1, 2]}, "of", 2, -1, 3) == (-1, 2)


@pytest.mark.parametrize("name", TARGETS.names())
@pytest.mark.parametrize("config", [{}, {"names": 3, "tags": 3, "questions": 3, "tree": 3}, {"questions": [{}]}])
def test_no_target_believes_a_damaged_file(name: str, config: dict):
    with pytest.raises((KeyError, TypeError, ValueError)):
        TARGETS.get(name).from_config(config)
