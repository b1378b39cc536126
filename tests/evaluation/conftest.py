import pytest

from astrokeras.config import PretrainConfig
from astrokeras.evaluation.finetune import finetune
from astrokeras.training.pretrain import pretrain
from tests.evaluation.comparing import options, silent
from tests.synthetic import write_records


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A directory with records, a short pre-training run, and a finished comparison of two arms."""
    path = tmp_path_factory.mktemp("comparison")
    write_records(path / "records", counts={"train": 80, "val": 40, "test": 60})
    pretrain(
        PretrainConfig(records=str(path / "records"), out=str(path / "magnitudes"), epochs=2, batch_size=16), silent
    )
    config = options(path, init=("scratch", str(path / "magnitudes")), budget=("8", "all"), repeats=2, mode="frozen")
    lines = []
    finetune(config, lines.append)
    (path / "lines.txt").write_text("\n".join(lines))
    return path
