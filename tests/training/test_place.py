import os
import subprocess
import sys
from pathlib import Path

import pytest

from astrokeras.config import PretrainConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.locking import Locked
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training import place as module
from astrokeras.training.place import Place
from astrokeras.training.run_directory import load_run, write_run
from tests.synthetic import write_records

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": 2})


def write(path: Path, records: RecordsDirectory, what: str | None = "old") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    result = what and {"what": what}
    write_run(path, "pretrain", PretrainConfig(str(records.path), str(path)), records, result)
    (path / "model").write_text(str(what))
    return path


def test_killed_at_every_step_the_old_run_or_the_new_one_is_whole(tmp_path: Path):
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-m", "tests.training.replaced", str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 15


def test_a_run_that_fails_leaves_the_old_one_and_says_so(records: RecordsDirectory, tmp_path: Path):
    out, lines = write(tmp_path / "run", records), []
    with pytest.raises(KeyboardInterrupt), Place(out).held() as place:
        path = place.begin(overwrite=True)
        with place.telling(lines.append):
            write(path, records, None)
            raise KeyboardInterrupt
    assert lines == [
        f"{out} stays as it is until the new run is complete, which is written to {tmp_path}/.run.new",
        f"{out} is as it was; what there is of the new run is in {tmp_path}/.run.new",
    ]
    assert load_run(out)["result"] == {"what": "old"}
    with Place(out).held() as place:
        assert place.path == tmp_path / ".run.new"  # where --resume goes on
        with pytest.raises(AstrokerasError, match=r"an unfinished run that was to take the place of .*run is in .*new"):
            place.begin(overwrite=False)
        path = place.begin(overwrite=True)
        assert list(path.iterdir()) == []
        place.drop()
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_where_nothing_is_to_be_replaced_the_run_is_written_in_its_place(records: RecordsDirectory, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    for name in ("none", "empty", "deep/er"):
        with Place(tmp_path / name).held() as place:
            assert place.begin(overwrite=True) == tmp_path / name
            assert not place.replacing
            place.publish()
        assert list((tmp_path / name).iterdir()) == []
    assert {entry.name for entry in tmp_path.iterdir()} == {"none", "empty", "deep"}


def test_two_runs_do_not_share_a_directory(records: RecordsDirectory, tmp_path: Path):
    out = write(tmp_path / "run", records)
    (tmp_path / "link").symlink_to(out)
    with Place(out).held():
        for name in (out, tmp_path / "link", tmp_path / "other" / ".." / "run"):
            with pytest.raises(Locked, match=f"another run is at work on .* .process {os.getpid()} on "):
                Place(name).held().__enter__()
    with Place(out).held():
        pass


def test_a_link_stays_a_link(records: RecordsDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = write(tmp_path / "disk" / "run", records)
    (tmp_path / "link").symlink_to(out)
    monkeypatch.chdir(tmp_path)
    with Place("link").held() as place:
        write(place.begin(overwrite=True), records, "new")
        place.publish()
    assert (tmp_path / "link").is_symlink()
    assert load_run("link")["result"] == {"what": "new"}
    assert [entry.name for entry in (tmp_path / "disk").iterdir()] == ["run"]


def test_what_somebody_put_where_a_run_was_killed_is_not_taken_for_the_new_run(
    records: RecordsDirectory, tmp_path: Path
):
    write(tmp_path / ".run.old", records)
    out = tmp_path / "run"
    with pytest.raises(AstrokerasError, match=r"run is not there: a run was killed while .* in .*\.run\.old"):
        load_run(out)
    out.mkdir()
    (out / "log").touch()
    with pytest.raises(AstrokerasError, match=r"what was there is in .*\.run\.old, but .*run holds something else"):
        Place(out).held().__enter__()
    (out / "log").unlink()
    with Place(out).held():
        assert load_run(out)["result"] == {"what": "old"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_where_nothing_can_be_written_beside_it_a_run_is_not_replaced(
    records: RecordsDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As for a volume that is mounted in a container."""
    volume = tmp_path / "volume"
    volume.mkdir()
    monkeypatch.setattr(module.os, "access", lambda path, mode: path != tmp_path)
    with Place(volume).held() as place:
        write(place.begin(overwrite=False), records)
        assert (volume / ".lock").exists()
        with pytest.raises(Locked):
            Place(volume).held().__enter__()
    assert not (volume / ".lock").exists()
    with Place(volume).held() as place, pytest.raises(AstrokerasError, match="cannot write beside it"):
        place.begin(overwrite=True)
    assert load_run(volume)["result"] == {"what": "old"}


def test_places_that_are_none(tmp_path: Path):
    with pytest.raises(UsageError, match="--out / cannot be a run directory"):
        Place("/")
    (tmp_path / "file").touch()
    with pytest.raises(AstrokerasError, match="cannot make the directory"):
        Place(tmp_path / "file" / "run").held().__enter__()
    with Place(tmp_path / "file").held() as place, pytest.raises(AstrokerasError, match="is a file"):
        place.begin(overwrite=True)
