import pytest

from astrokeras.errors import AstrokerasError
from astrokeras.tasks.target import TARGETS, Target, check_whole


@pytest.mark.parametrize(
    ("name", "value", "method"), [("rounds", 2, "refined"), ("photometric_name", "a fit", "photometric")]
)
def test_what_a_target_announces_it_gives(name, value, method):
    message = f"target Poor has {name}, but no method {method}"
    with pytest.raises(TypeError, match=message):
        type("Poor", (Target,), {name: value})
    rich = type("Rich", (Target,), {name: value, method: lambda self, *_: {}})
    assert getattr(rich, name) == value
    made = object.__new__(TARGETS.get("tags"))  # which has neither, and here announces it for some of its options
    check_whole(made)
    setattr(made, name, value)
    with pytest.raises(AstrokerasError, match=f"target Tags has {name}, but no method {method}"):
        check_whole(made)
