from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from astrokeras.pipeline import held as module
from astrokeras.pipeline.dataset import load_arrays, training_batches
from astrokeras.pipeline.held import hold
from astrokeras.pipeline.stream import Stream
from astrokeras.records.directory import RecordsDirectory
from tests.synthetic import write_records

COUNT, BATCH = 30, 8


@pytest.fixture
def records(tmp_path: Path) -> RecordsDirectory:
    return write_records(tmp_path / "records", counts={"train": COUNT, "val": 5})


def epoch_of(stream: Stream, epoch: int, seed: int = 7) -> list[dict[str, np.ndarray]]:
    return [batch for (batch,) in stream.training(epoch, BATCH, ("label", "position"), 0, seed).as_numpy_iterator()]


def test_later_epochs_need_no_disk(records: RecordsDirectory):
    undisturbed = epoch_of(Stream(records), 1)
    stream = Stream(records)
    first = epoch_of(stream, 0)
    for shard in records.shards("train"):
        Path(shard).unlink()
    second = epoch_of(stream, 1)
    for batch, expected in zip(second, undisturbed, strict=True):
        for name, values in expected.items():
            np.testing.assert_array_equal(batch[name], values)
    assert not np.array_equal(first[0]["position"], second[0]["position"])


def test_the_order_is_that_of_shuffled_records(records: RecordsDirectory):
    """As if TensorFlow had shuffled the records themselves: what a seed gave before, it gives now."""
    seed, few = 3, np.isin(np.arange(COUNT), [2, 11, 17])
    stamps = load_arrays(records, "train")[0]
    for select, count in ((None, COUNT), (few, 3)):
        repeats = -(-BATCH // count)
        chosen = stamps if select is None else stamps[select]
        batches = training_batches(records, BATCH, epochs=(0, 2), seed=seed, select=select)
        found = np.concatenate([flux for flux, _ in batches.as_numpy_iterator()])
        tf.random.set_seed(seed + 1)
        buffer, taken = module.buffer_size(records, BATCH), max(count // BATCH, 1) * BATCH
        expected = []
        for epoch in (0, 1):
            passes = [  # of few records each pass is shuffled by itself, so that all come equally often
                tf.data.Dataset.from_tensor_slices(chosen).shuffle(
                    buffer, seed=2 * epoch + number * 2**32, reshuffle_each_iteration=False
                )
                for number in range(repeats)
            ]
            expected += [stamp for shuffled in passes for stamp in shuffled.as_numpy_iterator()][:taken]
        np.testing.assert_array_equal(found, expected)


def test_positions_are_those_in_the_split(records: RecordsDirectory):
    select = np.arange(COUNT) % 3 == 1
    stamps = load_arrays(records, "train")[0]
    batches = training_batches(records, BATCH, epochs=(0, 2), seed=0, select=select, fields=("position",))
    for flux, fields in batches.as_numpy_iterator():
        np.testing.assert_array_equal(flux, stamps[fields["position"]])
        assert select[fields["position"]].all()


def test_no_more_is_held_than_fits(records: RecordsDirectory, monkeypatch: pytest.MonkeyPatch):
    each = 4 * records.size**2 * len(records.bands)
    monkeypatch.setattr(module, "_BUFFER_BYTES", (COUNT + 1) * each)
    assert hold(records, 1) is not None
    monkeypatch.setattr(module, "_BUFFER_BYTES", COUNT * each)
    assert hold(records, 1) is None
    assert hold(records, 1, np.arange(COUNT) < 10) is not None
