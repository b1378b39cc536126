import dataclasses

import numpy as np
import pytest

from astrokeras.records.fingerprint import fingerprint


@dataclasses.dataclass
class Thing:
    name: str
    values: np.ndarray


DIFFERENT = [
    None, "", "None", 0, 1, 1.0, True, [], [0], [[0]], [0, 0], ["a", "b"], ["ab"], {"a": 1}, {"a": 2}, {"b": 1},
    np.arange(6), np.arange(6).reshape(2, 3), np.arange(6.0), np.arange(7), np.array(["a"]), np.array(["b"]),
    Thing("a", np.arange(3)), Thing("b", np.arange(3)), Thing("a", np.arange(4)),
]  # fmt: skip


def test_different_things_have_different_fingerprints():
    assert len({fingerprint(value) for value in DIFFERENT}) == len(DIFFERENT)


def test_equal_things_have_the_same():
    assert fingerprint(Thing("a", np.arange(8)[::2])) == fingerprint(Thing("a", np.array([0, 2, 4, 6])))
    assert fingerprint(np.float64(0.1)) == fingerprint(0.1)
    assert fingerprint((1, 2)) == fingerprint([1, 2])


def test_what_cannot_be_told_apart_is_refused():
    with pytest.raises(TypeError, match="object has no fingerprint"):
        fingerprint([object()])
