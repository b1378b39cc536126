from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.pipeline import dataset as module
from astrokeras.pipeline import held
from astrokeras.pipeline.augment import SurveyInfo, augmentation
from astrokeras.pipeline.dataset import (
    evaluation_batches,
    load_arrays,
    read_columns,
    steps_per_epoch,
    training_batches,
)
from astrokeras.records.directory import RecordsDirectory
from tests.synthetic import write_records

pytestmark = pytest.mark.long

COUNT = 50


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": COUNT, "val": 7, "test": 0})


def epochs_of(records: RecordsDirectory, first: int, last: int, **options) -> list[tuple[np.ndarray, dict]]:
    stream = training_batches(records, 8, epochs=(first, last), **{"seed": 3, **options})
    return list(stream.as_numpy_iterator())


def flux_of(batches: list) -> np.ndarray:
    return np.concatenate([batch[0] for batch in batches])


def names(records: RecordsDirectory, flux: np.ndarray) -> list[int]:
    """Which training record each stamp is, by its pixels (no NaN in the centre)."""
    reference = load_arrays(records, "train")[0][:, 8, 8, 0]
    return [int(np.flatnonzero(reference == value)[0]) for value in flux[:, 8, 8, 0]]


def test_columns_come_in_the_order_of_the_records(records: RecordsDirectory):
    columns = {**read_columns(records, "train"), **read_columns(records, "train", ("magnitude_errors",))}
    assert columns["id"].tolist() == [f"train-{i}" for i in range(COUNT)]
    assert columns["magnitudes"].shape == columns["magnitude_errors"].shape == (COUNT, 3)
    assert np.isnan(columns["magnitudes"]).any()
    assert columns["label"].dtype == np.int64
    assert columns["redshift"].dtype == np.float64
    assert len(set(columns["redshift"])) == COUNT


def test_an_empty_split_has_empty_columns_and_no_batches(records: RecordsDirectory):
    columns = read_columns(records, "test")
    assert columns["magnitudes"].shape == (0, 3)
    assert columns["id"].shape == (0,)
    assert list(evaluation_batches(records, "test", 4)) == []


def test_load_arrays_gives_the_selection_in_order(records: RecordsDirectory):
    select = np.arange(COUNT) % 7 == 0
    flux, label, identifier = load_arrays(records, "train", select=select, size=10)
    everything = load_arrays(records, "train")
    np.testing.assert_array_equal(flux, everything[0][select][:, 3:13, 3:13])
    np.testing.assert_array_equal(label, everything[1][select])
    assert identifier.tolist() == everything[2][select].tolist()


def test_an_epoch_holds_every_record_at_most_once_in_another_order_each(records: RecordsDirectory):
    first, second = (names(records, flux_of(epochs_of(records, e, e + 1))) for e in (0, 1))
    assert len(first) == steps_per_epoch(COUNT, 8) * 8 == len(set(first))
    assert len(second) == len(set(second))
    assert first != second
    assert first != sorted(first)


@pytest.mark.parametrize("cached", [True, False])
def test_a_resumed_stream_continues_the_undisturbed_one(
    records: RecordsDirectory, cached: bool, monkeypatch: pytest.MonkeyPatch
):
    if not cached:
        monkeypatch.setattr(held, "_BUFFER_BYTES", 0)
    augment = augmentation("dihedral|rotate|noise(0.5)", SurveyInfo.of(records))
    whole = epochs_of(records, 0, 3, augment=augment)
    # The global seed must not matter, since a resumed process may have used it otherwise. 0 is special in TensorFlow.
    keras.utils.set_random_seed(0)
    resumed = epochs_of(records, 1, 3, augment=augment)
    np.testing.assert_array_equal(flux_of(whole[6:]), flux_of(resumed))
    np.testing.assert_array_equal(whole[-1][1]["magnitudes"], resumed[-1][1]["magnitudes"])
    other = epochs_of(records, 1, 3, augment=augment, seed=4)
    assert not np.array_equal(flux_of(resumed), flux_of(other), equal_nan=True)


def test_an_augmented_crop_sees_what_the_records_have_around_it(records: RecordsDirectory):
    augment = augmentation("rotate(30)", SurveyInfo.of(records))
    inside = flux_of(epochs_of(records, 0, 1, size=8, augment=augment))
    assert inside.shape == (48, 8, 8, 3)
    assert np.isfinite(inside).all()
    alone = flux_of(epochs_of(records, 0, 1, augment=augment))
    assert np.isnan(alone[:, 0, 0]).mean() > 0.5


def test_without_xla_it_is_the_same(records: RecordsDirectory, monkeypatch: pytest.MonkeyPatch):
    """Up to rounding, which XLA does elsewhere."""
    assert module._has_xla()
    streams = []
    for has in (True, False):
        monkeypatch.setattr(module, "_has_xla", lambda has=has: has)
        augment = augmentation("dihedral|noise(0.5)|brightness(0.2)", SurveyInfo.of(records))
        streams.append(flux_of(epochs_of(records, 0, 1, augment=augment)))
    np.testing.assert_allclose(*streams, rtol=1e-5, atol=1e-3)


def test_streaming_from_disk_keeps_every_record_at_most_once(
    records: RecordsDirectory, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(held, "_BUFFER_BYTES", 0)
    seen = names(records, flux_of(epochs_of(records, 0, 1)))
    assert len(seen) == 48 == len(set(seen))


def test_targets_belong_to_their_stamps(records: RecordsDirectory):
    columns = read_columns(records, "train")
    for flux, fields in epochs_of(records, 0, 1, fields=("magnitudes", "label", "redshift")):
        rows = names(records, flux)
        for field, values in fields.items():
            np.testing.assert_array_equal(values, columns[field][rows])


def test_a_small_selection_is_repeated_to_fill_a_batch_and_read_once(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 20})
    select = np.zeros(20, bool)
    select[[3, 17, 19]] = True
    stream = training_batches(records, 8, epochs=(0, 2), seed=0, select=select)
    assert len(stream) == 2
    iterator = stream.as_numpy_iterator()
    first = next(iterator)[0]
    assert sorted(set(names(records, first))) == [3, 17, 19]
    assert max(names(records, first).count(i) for i in (3, 17, 19)) <= 3


def test_the_selection_survives_in_memory(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 8})
    iterator = training_batches(records, 8, epochs=(0, 30), seed=0).as_numpy_iterator()
    next(iterator)
    for shard in records.shards("train"):
        Path(shard).unlink()
    assert len(list(iterator)) == 29


def test_evaluation_keeps_the_order_and_pads_with_weight_zero(records: RecordsDirectory):
    batches = list(evaluation_batches(records, "val", 4, fields=("label",)).as_numpy_iterator())
    assert [len(flux) for flux, _, _ in batches] == [4, 4]
    weight = np.concatenate([weight for _, _, weight in batches])
    np.testing.assert_array_equal(weight, [1] * 7 + [0])
    expected = load_arrays(records, "val")
    np.testing.assert_array_equal(flux_of(batches)[:7], expected[0])
    np.testing.assert_array_equal(np.concatenate([f["label"] for _, f, _ in batches])[:7], expected[1])


def test_evaluation_of_a_selection(records: RecordsDirectory):
    select = np.array([False, True, False, False, True, True, False])
    (batch,) = evaluation_batches(records, "val", 4, select=select).as_numpy_iterator()
    np.testing.assert_array_equal(batch[0][:3], load_arrays(records, "val")[0][select])
    np.testing.assert_array_equal(batch[2], [1, 1, 1, 0])


def test_no_strings_reach_a_model(records: RecordsDirectory):
    for stream in (training_batches(records, 8, epochs=(0, 1), seed=0), evaluation_batches(records, "val", 4)):
        assert all(spec.dtype != tf.string for spec in tf.nest.flatten(stream.element_spec))


def test_errors_say_what_is_wrong(records: RecordsDirectory):
    with pytest.raises(AstrokerasError, match="no records to train on"):
        training_batches(records, 8, epochs=(0, 1), seed=0, select=np.zeros(COUNT, bool))
    with pytest.raises(UsageError, match="--size 17 cannot be cropped from stamps of 16 px"):
        evaluation_batches(records, "val", 4, size=17)
    with pytest.raises(AstrokerasError, match=r"no column 'parallax'; they have id, label, .*redshift"):
        evaluation_batches(records, "val", 4, fields=("parallax",))
    with pytest.raises(ValueError, match="valid would not be that of the augmented flux"):
        epochs_of(records, 0, 1, fields=("valid",), augment=augmentation("dihedral", SurveyInfo.of(records)))
    with pytest.raises(ValueError, match="50 booleans"):
        load_arrays(records, "train", select=np.ones(3, bool))
