import numpy as np

from astrokeras.evaluation.arms import Arm
from astrokeras.evaluation.shared_features import SharedFeatures
from astrokeras.training.initial import Start


def arm(init, *parts, kind="run", how="beside"):
    record = {"kind": "joined", "parts": [part.start.record for part in parts]} if parts else {"kind": kind}
    return Arm(init, init, Start({}, record, lambda: None), how if parts else "", parts)


def test_an_encoder_of_several_arms_looks_once():
    a, b, c = arm("a"), arm("b"), arm("c")
    both = arm("a|b", a, b)
    shared, looks = SharedFeatures([a, both, c, arm("a+c", a, c, how="mean")]), []

    def features(of, rows, split="test"):
        def compute(number):
            names = list(of.singles) if number is None else [list(of.singles)[number]]
            looks.append("".join(names))
            return np.concatenate([np.outer(rows, np.ones(2)) + 100 * ord(name) for name in names], axis=1)

        return shared.of(of, split, np.array(rows), len(of.singles), compute)

    first = features(a, [1, 5])
    np.testing.assert_array_equal(features(both, [5, 1])[:, :2], first[::-1])
    assert looks == ["a", "b"]
    np.testing.assert_array_equal(features(both, [5, 1])[:, 2:], features(b, [5, 1]))
    assert looks == ["a", "b", "b", "b"]  # b is in one arm only, which keeps its own
    features(a, [1, 7])  # an object that it has not seen
    features(a, [1], split="val")
    features(c, [1])
    assert looks[4:] == ["a", "a", "c"]


def test_random_encoders_are_never_shared():
    scratch = arm("scratch", kind="scratch")
    both = arm("a|scratch", arm("a"), scratch)
    shared, looks = SharedFeatures([scratch, both, arm("a")]), []
    for one in (scratch, both, scratch):
        shared.of(one, "test", np.array([0]), len(one.singles), lambda number: looks.append(number) or np.zeros((1, 2)))
    assert looks == [None, None, None]
