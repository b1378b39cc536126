import numpy as np
import pytest

from astrokeras.api.run import open_run
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.pipeline.dataset import load_arrays
from tests.serving.runs import write_classifier
from tests.synthetic import write_records


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Records, a run on them, and its encoder."""
    path = tmp_path_factory.mktemp("run")
    records = write_records(path / "records", counts={"train": 20, "val": 0, "test": 7})
    encoder = write_classifier(path / "classes", records, backbone="compact").get_layer("encoder")
    encoder.save(path / "classes/encoder.keras")
    return records, open_run(path / "classes"), encoder


def test_a_run_embeds_records_and_arrays_alike(made):
    records, run, encoder = made
    flux = load_arrays(records, "test")[0]
    expected = encoder.predict(flux, verbose=0)
    np.testing.assert_allclose(run.embed(flux, batch_size=4), expected, atol=1e-5)
    np.testing.assert_array_equal(run.embed(records, split="test", batch_size=4), run.embed(flux, batch_size=4))
    assert run.embed(str(records.path)).shape == (27, expected.shape[1])
    assert run.embed(flux[:0]).shape == run.embed(records, split="val").shape == (0, expected.shape[1])


def test_other_stamps_are_refused(made, tmp_path):
    records, run, _ = made
    with pytest.raises(UsageError, match=r"flux has shape \(2, 8, 8, 3\), expected \[N, 16, 16, 3\]"):
        run.embed(np.zeros((2, 8, 8, 3), np.float32))
    with pytest.raises(UsageError, match="expected the name of a split"):
        run.embed(records, split=("test",))
    with pytest.raises(AstrokerasError, match="no split 'holdout'"):
        run.embed(records, split="holdout")
    other = write_records(tmp_path / "other", counts={"train": 3, "val": 0, "test": 0}, bands=("g", "r"))
    with pytest.raises(UsageError, match=r"was trained on bands .* has \['g', 'r'\]"):
        run.embed(other)
