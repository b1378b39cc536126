import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.models.encoder import build_encoder
from astrokeras.models.saving import load_model
from astrokeras.pipeline.dataset import load_arrays
from astrokeras.records.directory import RecordsDirectory
from tests.synthetic import write_records


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    path = tmp_path_factory.mktemp("blobs") / "records"
    return write_records(path, counts={"train": 24}, bands=("u", "g", "r", "i"))


def test_raw_flux_with_bad_pixels_becomes_one_vector_a_stamp(records: RecordsDirectory):
    encoder = build_encoder(records, backbone="compact")
    flux = load_arrays(records, "train")[0]
    assert np.isnan(flux).any()
    embedding = encoder.predict(flux, verbose=0)
    assert embedding.shape == (24, 128)
    assert embedding.dtype == np.float32
    assert np.isfinite(embedding).all()
    assert (encoder.name, encoder.input.name, encoder.layers[-1].name) == ("encoder", "flux", "embedding")


def test_a_bad_pixel_is_a_sky_pixel(records: RecordsDirectory):
    encoder = build_encoder(records, backbone="compact")
    flux = load_arrays(records, "train")[0]
    filled = np.where(np.isnan(flux), np.array(records.sky, np.float32), flux)
    np.testing.assert_array_equal(encoder.predict(flux, verbose=0), encoder.predict(filled, verbose=0))


def test_adapter_stands_before_networks_of_three_channels_only(records: RecordsDirectory):
    assert "adapter" not in [layer.name for layer in build_encoder(records, backbone="compact").layers]
    encoder = build_encoder(records, backbone="mobilenet_v2", resize=32)
    assert [layer.name for layer in encoder.layers] == [
        *("flux", "stretch", "resize", "adapter", "mobilenet_v2_backbone", "embedding")
    ]


def test_a_fresh_process_computes_the_same(records: RecordsDirectory, tmp_path: Path):
    # This one has every layer of ours.
    encoder = build_encoder(records, backbone="mobilenet_v2", resize=32)
    flux = load_arrays(records, "train")[0]
    encoder.save(tmp_path / "encoder.keras")
    np.save(tmp_path / "flux.npy", flux)
    program = (
        "import numpy as np; from astrokeras.models.saving import load_model\n"
        "out = load_model('encoder.keras').predict(np.load('flux.npy'), verbose=0); np.save('out.npy', out)"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), encoder.predict(flux, verbose=0), rtol=1e-5, atol=1e-6)


def test_options_that_do_not_work(records: RecordsDirectory, tmp_path: Path):
    with pytest.raises(UsageError, match="stretch 'sinh' is unknown; did you mean asinh"):
        build_encoder(records, backbone="compact", stretch="sinh")
    with pytest.raises(UsageError, match="'mobilenet_v2' needs stamps of at least 32 px, got 16"):
        build_encoder(records, backbone="mobilenet_v2")
    with pytest.raises(AstrokerasError, match="there is no model"):
        load_model(tmp_path / "missing.keras")
    (tmp_path / "broken.keras").write_bytes(b"nothing")
    with pytest.raises(AstrokerasError, match="cannot read the model"):
        load_model(tmp_path / "broken.keras")


def test_display_images_are_scaled_by_255(records: RecordsDirectory):
    display = RecordsDirectory(records.path, {**records.content, "unit": "display"})
    for stretch in ("auto", "linear"):
        encoder = build_encoder(display, backbone="compact", stretch=stretch)
        layer = encoder.get_layer("stretch")
        stretched = keras.ops.convert_to_numpy(layer(np.full((1, 2, 2, 4), 51, np.float32)))
        np.testing.assert_allclose(stretched, 0.2, rtol=1e-6)
