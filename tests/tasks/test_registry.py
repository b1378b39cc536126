import pytest

from astrokeras.errors import UsageError
from astrokeras.tasks.registry import fields_of, parse_tasks


def test_options_are_checked_and_defaults_filled_in():
    parsed = parse_tasks(["magnitudes(loss=huber)", "rotation"])
    assert parsed == {"magnitudes": {"loss": "huber", "weights": "equal"}, "rotation": {"consistency": 0.0}}


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([], "--task is missing; there are: clusters, colorize, "),
        (["rotations"], "did you mean rotation"),
        (["rotation", "rotation"], "--task rotation is given twice"),
        (["magnitudes(loss=hubr)"], "loss is hubr, expected absolute or huber"),
        (["contrastive(temperature=0)"], "temperature is 0, expected a number from 0.01 to 10"),
        (["rotation(0.1,2)"], "2 arguments without a name"),
        (["rotation|contrastive"], "expected one name"),
    ],
)
def test_what_cannot_be_asked_for(specs: list[str], message: str):
    with pytest.raises(UsageError, match=message):
        parse_tasks(specs)


def test_fields_are_read_once():
    assert fields_of(["magnitudes", "rotation"]) == ("magnitudes", "magnitude_errors")
