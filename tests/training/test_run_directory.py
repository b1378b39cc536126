import json
from pathlib import Path

import pytest

from astrokeras.config import PretrainConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training.run_directory import check_out, check_same, is_empty, load_run, write_run
from tests.synthetic import write_records


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": 2})


def test_what_is_written_can_be_read(records: RecordsDirectory, tmp_path: Path):
    config = PretrainConfig(records=str(records.path), out=str(tmp_path / "run"), backbone="compact", seed=5)
    path = tmp_path / "run"
    path.mkdir()
    write_run(path, "pretrain", config, records)
    with pytest.raises(AstrokerasError, match="has not finished; go on with --resume"):
        load_run(path, finished=True)
    written = write_run(path, "pretrain", config, records, {"mae": float("nan"), "epochs": 3})
    run = load_run(path, finished=True)
    assert run == written
    assert run["result"] == {"mae": None, "epochs": 3}
    assert run["seed"] == 5
    assert run["options"]["backbone"] == "compact"
    assert run["records"]["fingerprint"] == records.fingerprint
    assert set(run["versions"]) == {"astrokeras", "python", "tensorflow", "keras", "numpy", "astropy"}


def test_only_runs_are_overwritten(records: RecordsDirectory, tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(AstrokerasError, match=r"is not empty; .*--overwrite"):
        check_out(tmp_path)
    with pytest.raises(AstrokerasError, match="is not a run directory"):
        check_out(tmp_path, overwrite=True)
    with pytest.raises(AstrokerasError, match="is a file"):
        check_out(tmp_path / "thesis.tex")
    run = tmp_path / "run"
    run.mkdir()
    assert is_empty(run) and is_empty(tmp_path / "none")
    write_run(run, "pretrain", PretrainConfig(records="", out=""), records)
    check_out(run, overwrite=True)
    assert not is_empty(run)


def test_what_is_no_run(tmp_path: Path):
    with pytest.raises(AstrokerasError, match="is not a run directory of astrokeras"):
        load_run(tmp_path)
    for content in ("{", "{}", "[]"):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(AstrokerasError, match="is damaged"):
            load_run(tmp_path)


def test_resuming_needs_the_same_options_and_records(records: RecordsDirectory, tmp_path: Path):
    config = PretrainConfig(records=str(records.path), out=str(tmp_path), epochs=5)
    write_run(tmp_path, "pretrain", config, records)
    check_same(tmp_path, PretrainConfig(records="moved", out="moved", epochs=5, resume=True, devices="cpu:2"), records)
    with pytest.raises(UsageError, match="--epochs was 5 and is 6, --batch-size was 64 and is 32"):
        check_same(tmp_path, PretrainConfig(records="", out="", epochs=6, batch_size=32), records)
    with pytest.raises(UsageError, match="--task was magnitudes and is rotation,jigsaw, --patience was not given and"):
        other = PretrainConfig(records="", out="", epochs=5, task=("rotation", "jigsaw"), patience=1)
        check_same(tmp_path, other, records)
    run = json.loads((tmp_path / "run.json").read_text())
    run["records"]["fingerprint"] = "other"
    (tmp_path / "run.json").write_text(json.dumps(run))
    with pytest.raises(AstrokerasError, match="holds other records"):
        check_same(tmp_path, config, records)
