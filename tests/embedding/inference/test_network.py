import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from astrokeras.embedding.inference.find_encoder import find_encoder
from astrokeras.embedding.inference.network import Runner, in_batches, read_ahead, together
from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.dataset import load_arrays
from astrokeras.records.directory import RecordsDirectory


def test_stamps_become_batches_of_one_size():
    stamps = np.arange(11 * 4, dtype=np.float32).reshape(11, 2, 2, 1)
    batches = list(in_batches([stamps[:1], stamps[1:8], stamps[8:8], stamps[8:]], 4))
    assert [(batch.shape, count) for batch, count in batches] == [
        ((4, 2, 2, 1), 4),
        ((4, 2, 2, 1), 4),
        ((4, 2, 2, 1), 3),
    ]
    np.testing.assert_array_equal(np.concatenate([batch[:count] for batch, count in batches]), stamps)
    assert not batches[-1][0][3:].any()
    assert list(in_batches([], 4)) == []


def test_batches_do_not_share_memory():
    """A device may still be at work on one while the next is filled."""
    first, second = (batch for batch, _ in in_batches([np.zeros((4, 2, 2, 1)), np.ones((4, 2, 2, 1))], 4))
    assert not np.shares_memory(first, second)


def test_the_outputs_are_those_of_the_model_on_any_number_of_devices(embedded):
    """To the bit: a batch is computed whole by one device."""
    flux = load_arrays(RecordsDirectory.load(embedded / "records"), "train")[0]
    network = find_encoder(str(embedded / "encoder.keras")).network
    found = []
    for devices in ([], ["CPU:0", "CPU:1"]):
        with Runner(network, 16, devices) as runner:
            parts = list(runner.outputs(in_batches([flux], 16)))
        assert [len(part["embedding"]) for part in parts] == [16, 16, 16, 12]
        found.append(together(parts, runner.empty)["embedding"])
    np.testing.assert_array_equal(found[0], found[1])
    model = keras.models.load_model(embedded / "encoder.keras", compile=False)
    np.testing.assert_allclose(found[0], model.predict(flux, verbose=0), atol=1e-5)
    assert runner.side == 16
    assert runner.empty["embedding"].shape == (0, found[0].shape[1])


def test_items_come_in_order_and_errors_where_they_were_raised():
    def broken():
        yield from range(5)
        raise OSError(5, "no disk")

    assert list(read_ahead(range(100), 3)) == list(range(100))
    seen = []
    with pytest.raises(OSError, match="no disk"):
        seen.extend(read_ahead(broken(), 2))
    assert list(read_ahead([], 1)) == []


def test_who_leaves_early_leaves_no_thread():
    before = threading.active_count()
    ahead = read_ahead(iter(int, 1), 2)
    assert next(ahead) == 0
    ahead.close()
    assert threading.active_count() == before


def test_a_device_that_is_too_small_is_told_in_a_line(embedded):
    def exhausted(flux):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating a tensor")

    runner = Runner(find_encoder(str(embedded / "encoder.keras")).network, 4)
    runner._functions = [exhausted]
    said = r"a batch of 4 stamps does not fit.*smaller --batch-size"
    with runner, pytest.raises(AstrokerasError, match=said):
        list(runner.outputs([(np.zeros((4, 16, 16, 3), np.float32), 4)]))
