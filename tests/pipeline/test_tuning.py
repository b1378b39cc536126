from pathlib import Path

import numpy as np
import tensorflow as tf

from astrokeras.pipeline.augment import SurveyInfo, augmentation
from astrokeras.pipeline.stream import Stream
from astrokeras.pipeline.tuning import untuned
from tests.synthetic import write_records


def tuner_is_off(dataset: tf.data.Dataset) -> bool:
    return dataset.options().autotune.enabled is False


def test_what_is_made_of_an_untuned_dataset_is_untuned_and_holds_the_same():
    made = untuned(tf.data.Dataset.range(6)).map(lambda number: 2 * number).batch(2)
    assert tuner_is_off(made)
    np.testing.assert_array_equal(list(made.as_numpy_iterator()), [[0, 2], [4, 6], [8, 10]])


def test_no_stream_is_tuned(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 20, "val": 5, "test": 0})
    stream = Stream(records, augment=augmentation("dihedral", SurveyInfo.of(records)))
    for n_draws in (0, 2):
        assert tuner_is_off(stream.training(0, 4, ("magnitudes",), n_draws, 1))
        assert tuner_is_off(stream.evaluation("val", 4, ("magnitudes",), n_draws, 1))


def test_nothing_leaves_a_number_of_calls_to_the_tuner():
    package = Path(__file__).parents[2] / "astrokeras"
    lines = [
        f"{path.name}: {line.strip()}"
        for path in sorted(package.rglob("*.py"))
        if path.name != "tuning.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if "autotune" in line.lower()
    ]
    assert lines == []
