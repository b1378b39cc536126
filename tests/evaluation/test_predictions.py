import keras
import numpy as np
import pytest

from astrokeras.evaluation.predictions import predict
from astrokeras.pipeline.arrays import Arrays
from astrokeras.pipeline.dataset import load_arrays
from astrokeras.pipeline.stream import Stream
from tests.synthetic import write_records


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": 21, "test": 0})


@pytest.mark.parametrize("arrays", [False, True])
def test_order_and_number_of_records_are_kept(records, arrays):
    source = Arrays.load(records, ["train"], ()) if arrays else Stream(records)
    flux = keras.Input((records.size, records.size, len(records.bands)))
    mean = keras.layers.GlobalAveragePooling2D()(flux)
    model = keras.Model(flux, {"mean": mean, "brightest": keras.layers.GlobalMaxPooling2D()(flux)})
    select = np.zeros(21, bool)
    select[[3, 7, 8, 19, 20]] = True
    known = load_arrays(records, "train", select=select)[0]
    batches = []
    found = predict(model, source, "train", 2, select, lambda: batches.append(1))
    np.testing.assert_allclose(found["mean"], known.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(found["brightest"], known.max(axis=(1, 2)), rtol=1e-5)
    assert len(batches) == 3
    whole = predict(keras.Model(flux, mean), source, "train", 8)
    np.testing.assert_allclose(whole[select], found["mean"], rtol=1e-5)


def test_of_no_records_nothing_is_said(records):
    flux = keras.Input((records.size, records.size, len(records.bands)))
    model = keras.Model(flux, keras.layers.GlobalAveragePooling2D()(flux))
    assert predict(model, Stream(records), "test", 4).shape == (0, len(records.bands))
