import pytest

from astrokeras.config import FinetuneConfig
from astrokeras.evaluation.finetune import finetune
from tests.synthetic import write_records
from tests.tiny import TINY


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """A directory with records and a fine-tuned classifier, ``classes``."""
    path = tmp_path_factory.mktemp("served")
    write_records(path / "records", counts={"train": 60, "val": 10, "test": 30})
    options = {"backbone": (TINY,), "repeats": 1, "mode": "frozen"}
    finetune(FinetuneConfig(records=str(path / "records"), out=str(path / "classes"), **options), print)
    return path
