import pytest

from astrokeras.models.encoder import build_encoder
from tests.synthetic import write_records
from tests.tiny import TINY


@pytest.fixture(scope="session")
def embedded(tmp_path_factory):
    """A directory with ``records`` of 100 stamps and an untrained ``encoder.keras`` for them."""
    path = tmp_path_factory.mktemp("embedded")
    records = write_records(path / "records", counts={"train": 60, "val": 10, "test": 30})
    build_encoder(records, backbone=TINY).save(path / "encoder.keras")
    return path
