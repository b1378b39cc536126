"""Cards of the encoders that come with the package."""

import hashlib

import pytest

from astrokeras.errors import UsageError
from astrokeras.shipped_encoders.card import encoder_names, is_shipped, read_card

LARGEST = 10e6


@pytest.mark.parametrize("name", encoder_names())
def test_a_card_is_whole_and_its_weights_are_there(name):
    card = read_card(name)
    assert {"trained", "results", "limits", "licence", "made_by"} <= card.notes.keys()
    assert len(card.bands) == len(card.sky) == len(card.noise)
    content = card.weights.read_bytes()
    assert len(content) < LARGEST
    assert hashlib.sha256(content).hexdigest() == card.sha256
    assert card.text().startswith(f"{name}: {card.summary}")
    assert all(note in card.text() for note in card.notes.values())


def test_a_name_that_is_none():
    assert not is_shipped("sdss-gri-mobilnet")
    with pytest.raises(UsageError, match="sdss-gri-mobilenet"):
        read_card("sdss-gri-mobilnet")
