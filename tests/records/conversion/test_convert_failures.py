import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from astrokeras.config import ConvertConfig, replaced
from astrokeras.errors import AstrokerasError
from astrokeras.parallel.processes import ATTEMPTS, Pool
from astrokeras.records import tfrecord
from astrokeras.records.conversion.convert import convert
from astrokeras.records.conversion.workspace import workspace_path
from tests import works
from tests.records.tasks import PIPES, command_for, small_tasks
from tests.sky import config_for


@pytest.fixture
def survey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return small_tasks(tmp_path, monkeypatch)


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(2)
    yield pool
    pool.close()


@pytest.fixture
def whole(survey: Path) -> dict[str, bytes]:
    """What comes of a conversion that nothing disturbs."""
    config = config_for(survey, out=str(survey / "whole"))
    convert(config, report=lambda line: None)
    return contents(config)


def contents(config: ConvertConfig) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(config.running.out).iterdir()}


def test_a_worker_that_dies_once_is_survived(survey: Path, whole: dict[str, bytes], pool: Pool):
    config, lives = config_for(survey), survey / "lives"
    lives.write_text("x")
    convert(config, report=lambda line: None, executor=works.Dying(pool, lives))
    assert lives.read_text() == ""
    assert contents(config) == whole


def test_a_task_that_kills_its_workers_is_named_and_all_others_are_kept(
    survey: Path, whole: dict[str, bytes], pool: Pool
):
    config, lives = config_for(survey), survey / "lives"
    lives.write_text("x" * ATTEMPTS)
    with pytest.raises(AstrokerasError) as caught:
        convert(config, report=lambda line: None, executor=works.Dying(pool, lives))
    kept = len(list(workspace_path(Path(config.running.out)).glob("results/*.npz")))
    assert f"task 2 (field A): the process working on it died {ATTEMPTS} times" in str(caught.value)
    assert f"{kept} of {kept + 1} tasks are kept" in str(caught.value)
    assert not Path(config.running.out).exists()
    lines: list[str] = []
    convert(replaced(config, workers=2), report=lines.append)
    assert f"going on: {kept} of {kept + 1} tasks are done already" in lines
    assert contents(config) == whole


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_is_one_line_and_a_rerun_goes_on(
    survey: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, number: int
):
    config, fsync, count = config_for(survey), os.fsync, []

    def full(descriptor: int) -> None:
        count.append(descriptor)
        if len(count) == 12:
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(tfrecord.os, "fsync", full)
        with pytest.raises(AstrokerasError) as caught:
            convert(config, report=lambda line: None)
    workspace = workspace_path(Path(config.running.out))
    kept = len(list(workspace.glob("results/*.npz")))
    assert kept
    assert str(caught.value).startswith(f"cannot write {config.running.out}: {os.strerror(number)}; {kept} of ")
    convert(config, report=lambda line: None)
    assert contents(config) == whole


def test_a_part_that_cannot_be_written_does_not_fill_the_disk_further(survey: Path, monkeypatch: pytest.MonkeyPatch):
    add = tfrecord.Writer.add

    def full(writer: tfrecord.Writer, record: bytes) -> None:
        add(writer, record)
        assert list(workspace_path(survey / "records").glob("parts/*"))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tfrecord.Writer, "add", full)
    with pytest.raises(AstrokerasError, match="No space left"):
        convert(config_for(survey), report=lambda line: None)
    assert not workspace_path(survey / "records").exists()


def test_a_file_that_may_not_grow_fails_in_every_process_and_a_rerun_goes_on(survey: Path):
    command = [*command_for(survey), survey / "out", "--workers", "2"]
    least = 3 * 16 * 16 * 2 * 4  # the largest part holds three stamps

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (least, least))

    limited = subprocess.run(command, check=False, preexec_fn=limit, **PIPES)
    assert limited.returncode == 1
    errors = [line for line in limited.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "Traceback" not in limited.stderr
    assert "File too large" in errors[0]
    subprocess.run([*command_for(survey), survey / "whole", "--workers", "1"], check=True, **PIPES)
    again = subprocess.run(command, check=False, **PIPES)
    assert again.returncode == 0, again.stderr
    assert contents(config_for(survey, out=str(survey / "out"))) == contents(
        config_for(survey, out=str(survey / "whole"))
    )


def test_an_interrupt_keeps_what_is_done(survey: Path):
    command = [*command_for(survey), survey / "out", "--workers", "2"]
    workspace = workspace_path(survey / "out")
    pipes = {**PIPES, "env": {**PIPES["env"], "INTERRUPT_AFTER": "2"}}
    process = subprocess.run(command, check=False, start_new_session=True, **pipes)
    errors = process.stderr
    assert process.returncode == 130
    assert "the same command goes on" in errors
    assert errors.splitlines()[-1] == "interrupted"
    assert "Traceback" not in errors
    assert len(list(workspace.glob("results/*.npz"))) >= 2
    again = subprocess.run(command, check=False, **PIPES)
    assert again.returncode == 0
    assert "going on" in again.stderr
