import contextlib
import random
from collections.abc import Iterator

import keras
import numpy as np
import pytest

from astrokeras.errors import UsageError
from astrokeras.training import precision_trial
from astrokeras.training.precision_trial import Fit, choose_precision, seconds_per_step


class Machine:
    """A clock that training moves on, as fast as is said for each precision."""

    def __init__(self, **seconds: float) -> None:
        self.seconds, self.now, self.open = seconds, 0.0, []

    def clock(self) -> float:
        return self.now

    def fit(self, name: str) -> Fit:
        def train(steps: int) -> None:
            self.now += steps * self.seconds[name]

        return train

    @contextlib.contextmanager
    def trial(self, name: str) -> Iterator[Fit]:
        random.random()
        np.random.random()
        keras.random.uniform((1,))
        self.open.append(name)
        yield self.fit(name)


def chosen(machine: Machine, monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> dict:
    with monkeypatch.context() as patch:
        patch.setattr(precision_trial, "seconds_per_step", lambda fits: seconds_per_step(fits, machine.clock))
        patch.setattr(precision_trial, "half_precision", lambda: "bfloat16")
        return choose_precision("auto", machine.trial, batch_size=32, not_tried=None, report=lines.append)


@pytest.mark.parametrize(("half", "expected"), [(0.09, "bfloat16"), (0.095, "float32"), (0.2, "float32")])
def test_half_precision_is_taken_if_it_is_clearly_faster(half: float, expected: str, monkeypatch: pytest.MonkeyPatch):
    lines: list[str] = []
    found = chosen(Machine(float32=0.1, bfloat16=half), monkeypatch, lines)
    assert found["precision"] == expected
    assert found["trial"]["images_per_second"] == {"float32": pytest.approx(320), "bfloat16": pytest.approx(32 / half)}
    assert found["trial"]["speedup"] == pytest.approx(0.1 / half)
    assert lines == [
        f"--precision auto: {expected}, since this machine trains 320 images/s in float32 and {32 / half:.0f} images/s "
        "in bfloat16"
    ]


def test_a_trial_changes_nothing_random(monkeypatch: pytest.MonkeyPatch):
    drawn = []
    for tried in (False, True):
        for before in (False, True):  # whether Keras has drawn from its generator already
            keras.utils.set_random_seed(3)
            if before:
                keras.random.uniform((1,))
            if tried:
                assert chosen(Machine(float32=1.0, bfloat16=1.0), monkeypatch, []) is not None
            uniform = float(keras.ops.convert_to_numpy(keras.random.uniform((1,)))[0])
            drawn.append((random.random(), np.random.random(), uniform))
    assert drawn[:2] == drawn[2:]


def test_without_a_trial():
    machine, lines = Machine(), []
    options = {"batch_size": 32, "report": lines.append}
    assert choose_precision("float16", machine.trial, not_tried=None, **options) == {"precision": "float16"}
    assert lines == []
    found = choose_precision("auto", machine.trial, not_tried="since it is noisy", **options)
    assert found == {"precision": "float32", "trial": {"not_tried": "since it is noisy"}}
    assert lines == ["--precision auto: float32, since it is noisy"]
    assert machine.open == []
    with pytest.raises(UsageError, match="precision 'float61' is unknown; did you mean float16"):
        choose_precision("float61", machine.trial, not_tried=None, **options)


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "float16"), ((8, 0), "bfloat16"), (None, "bfloat16")])
def test_old_gpus_have_no_bfloat16(capability: tuple[int, int] | None, expected: str, monkeypatch: pytest.MonkeyPatch):
    import tensorflow as tf  # noqa: PLC0415

    gpus = [] if capability is None else ["gpu"]
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda _: gpus)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda _: {"compute_capability": capability})
    assert precision_trial.half_precision() == expected
