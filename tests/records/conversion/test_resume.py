import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from astrokeras.config import ConvertConfig, SimulateConfig, configure, replaced
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.conversion import convert as module
from astrokeras.records.conversion import plan
from astrokeras.records.conversion.convert import convert
from astrokeras.records.conversion.resolve import resolve
from astrokeras.records.conversion.workspace import Workspace, workspace_path
from astrokeras.survey.simulate import simulate
from tests.records.tasks import PIPES, ROOT, command_for, contents, quiet, small_tasks
from tests.sky import config_for, noise_image, write_image

pytestmark = pytest.mark.long

SHAPE = (96, 80)


@pytest.fixture
def survey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return small_tasks(tmp_path, monkeypatch)


def stop_after(monkeypatch: pytest.MonkeyPatch, config: ConvertConfig, count: int) -> None:
    """Interrupt a conversion when `count` tasks are done."""
    run, done = module.run_and_keep, []

    def run_some(task_input):
        if len(done) == count:
            raise KeyboardInterrupt
        done.append(task_input.task.index)
        return run(task_input)

    with monkeypatch.context() as patch:
        patch.setattr(module, "run_and_keep", run_some)
        with pytest.raises(KeyboardInterrupt):
            quiet(config)


def tasks_of_rerun(monkeypatch: pytest.MonkeyPatch, config: ConvertConfig) -> list[int]:
    """Numbers of the tasks that a conversion has still to do."""
    run, done = module.run_and_keep, []
    with monkeypatch.context() as patch:
        patch.setattr(
            module, "run_and_keep", lambda task_input: (done.append(task_input.task.index), run(task_input))[1]
        )
        quiet(config)
    return done


def test_killed_at_every_step_a_rerun_ends_the_same(survey: Path):
    (survey / "B_r.fits").write_bytes((survey / "B_r.fits").read_bytes()[:-5000])  # rejects, too
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", survey], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert min(map(int, done.stdout.split())) > 40


@pytest.fixture(scope="module")
def commanded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A survey that a command has converted undisturbed, into `whole` beside it, and what it printed."""
    with pytest.MonkeyPatch.context() as patch:
        survey = small_tasks(tmp_path_factory.mktemp("commanded"), patch)
    done = subprocess.run([*command_for(survey), survey / "whole", "--workers", "1"], check=True, **PIPES)
    return survey, done.stdout


@pytest.mark.parametrize(("whom", "moment"), [("all", 1), ("parent", 4), ("all", "finishing")])
def test_a_command_is_killed_and_repeated(commanded: tuple[Path, str], whom: str, moment: int | str):
    survey, printed = commanded
    out = survey / f"{whom}-{moment}"
    workspace = workspace_path(out)

    def reached() -> bool:
        finishing = (workspace / "records").is_dir() or out.is_dir()
        return finishing or (moment != "finishing" and len(list(workspace.glob("results/*.npz"))) >= moment)

    command = [*command_for(survey), out, "--workers", "2", "--resume"]
    with subprocess.Popen(command, start_new_session=True, **PIPES) as process:
        while not reached() and process.poll() is None:
            time.sleep(0.001)
        if whom == "all":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.communicate()
    again = subprocess.run(command, check=False, **PIPES)
    assert again.returncode == 0, again.stderr
    assert again.stdout == printed
    assert contents(out) == contents(survey / "whole")
    assert not workspace.exists()


def test_only_what_is_missing_is_done_again(survey: Path, monkeypatch: pytest.MonkeyPatch):
    config = config_for(survey, label="class")
    whole = replaced(config, out=str(survey / "whole"))
    everything = tasks_of_rerun(monkeypatch, whole)
    assert len(everything) > 5
    stop_after(monkeypatch, config, 4)
    parts, results = (workspace_path(Path(config.running.out)) / name for name in ("parts", "results"))
    cut, damaged, stray = min(parts.glob("train-000001-*")), results / "000002.npz", parts / "train-000009-half"
    cut.write_bytes(cut.read_bytes()[:-1])
    damaged.write_bytes(damaged.read_bytes()[:-40])
    stray.write_bytes(b"half a shard")
    stop_after(monkeypatch, config, 0)
    assert not stray.exists()
    lines: list[str] = []
    convert(config, report=lines.append)
    assert [line for line in lines if line.startswith("going on")] == [
        f"going on: 2 of {len(everything)} tasks are done already"
    ]
    assert contents(Path(config.running.out)) == contents(Path(whole.running.out))


def test_a_task_whose_image_has_changed_is_done_again(survey: Path, monkeypatch: pytest.MonkeyPatch):
    config = config_for(survey)
    tasks = plan.make_plan(resolve(config, report=lambda line: None), report=lambda line: None).tasks
    of_b = [task.index for task in tasks if task.field == "B"]
    assert len(of_b) > 1
    stop_after(monkeypatch, config, len(tasks) - 1)
    image = survey / "B_r.fits"
    image.unlink()
    write_image(image, noise_image(7, SHAPE))
    assert tasks_of_rerun(monkeypatch, config) == of_b
    whole = replaced(config, out=str(survey / "whole"))
    quiet(whole)
    assert contents(Path(config.running.out)) == contents(Path(whole.running.out))


def test_an_image_that_was_missing_is_looked_for_again(survey: Path, monkeypatch: pytest.MonkeyPatch):
    config = config_for(survey)
    run = module.run_and_keep

    def run_without_image(task_input):
        (survey / "B_r.fits").rename(survey / "hidden")
        try:
            return run(task_input)
        finally:
            (survey / "hidden").rename(survey / "B_r.fits")

    with monkeypatch.context() as patch:
        patch.setattr(module, "run_and_keep", run_without_image)
        with pytest.raises(AstrokerasError, match="missing_image"):
            quiet(replaced(config, max_reject_fraction=0.1))
    quiet(config)
    assert not {"missing_image"} & json.loads((survey / "records" / "convert.json").read_text())["rejects"].keys()


def test_too_many_rejects_fail_at_the_end_and_a_larger_fraction_is_immediate(survey: Path, monkeypatch):
    config = config_for(survey, max_reject_fraction=0.2)
    with pytest.raises(AstrokerasError) as caught:
        quiet(config)
    table = Table.read(workspace_path(Path(config.running.out)) / "rejects.ecsv")
    said = str(caught.value)
    assert f"{len(table)} of 90 rows were rejected" in said
    assert str(workspace_path(Path(config.running.out)) / "rejects.ecsv") in said
    for reason in set(table["reason"]):
        assert f"{list(table['reason']).count(reason)} {reason}" in said
    assert not Path(config.running.out).exists()
    share = len(table) / 90
    assert tasks_of_rerun(monkeypatch, replaced(config, max_reject_fraction=share)) == []
    content = json.loads((Path(config.running.out) / "convert.json").read_text())
    assert sum(content["rejects"].values()) == len(table)
    assert "max_reject_fraction" not in content["options"]


def test_other_options_do_not_mix_with_unfinished_work(survey: Path, monkeypatch: pytest.MonkeyPatch):
    config = config_for(survey)
    stop_after(monkeypatch, config, 2)
    other = replaced(config, size=8, bands=("r",))
    with pytest.raises(AstrokerasError, match=r"--bands was g,r and is r, --size was 16 and is 8; .*--overwrite"):
        quiet(other)
    assert len(list(workspace_path(Path(config.running.out)).glob("results/*.npz"))) == 2
    quiet(replaced(other, overwrite=True))
    quiet(replaced(other, out=str(survey / "whole")))
    assert contents(Path(config.running.out)) == contents(survey / "whole")
    stop_after(monkeypatch, replaced(config, out=str(survey / "again")), 2)
    table = Table.read(survey / "catalog.fits")
    table[:-1].write(survey / "catalog.fits", overwrite=True)
    with pytest.raises(AstrokerasError, match="the catalogue or another table has changed"):
        quiet(replaced(config, out=str(survey / "again")))
    monkeypatch.setattr("astrokeras.records.conversion.resume.__version__", "9.9")
    with pytest.raises(AstrokerasError, match=r"astrokeras was 0.* and is 9\.9"):
        quiet(replaced(config, out=str(survey / "again")))


def test_what_is_complete_is_taken_only_if_it_is_the_same(survey: Path, monkeypatch: pytest.MonkeyPatch):
    config = config_for(survey)
    content = quiet(replaced(config, resume=True))  # nothing to resume is no reason to stop
    assert quiet(replaced(config, resume=True, workers=2)) == content
    assert tasks_of_rerun(monkeypatch, replaced(config, resume=True)) == []
    with pytest.raises(AstrokerasError, match="--resume"):
        quiet(config)
    with pytest.raises(AstrokerasError, match="complete, but --size was 16 and is 8"):
        quiet(replaced(config, resume=True, size=8))
    with pytest.raises(UsageError, match="--overwrite"):
        quiet(replaced(config, resume=True, overwrite=True))
    (survey / "A_g.fits").unlink()
    write_image(survey / "A_g.fits", noise_image(0, (200, 80)))
    with pytest.raises(AstrokerasError, match=r"A_g\.fits has changed"):
        quiet(replaced(config, resume=True))
    next(Path(config.running.out).glob("*train*")).unlink()
    with pytest.raises(AstrokerasError, match="is missing"):
        quiet(replaced(config, resume=True))
    assert not workspace_path(Path(config.running.out)).exists()


def test_two_runs_do_not_work_on_the_same_directory(survey: Path):
    config = config_for(survey)
    with Workspace.opened(Path(config.running.out)), pytest.raises(AstrokerasError, match="another run"):
        quiet(config)
    quiet(config)


def test_of_runs_that_replace_the_same_at_once_one_is_at_work_and_the_others_are_told_so(survey: Path):
    config = replaced(config_for(survey), overwrite=True)
    quiet(config)
    expected, ends = contents(Path(config.running.out)), []

    def task_input() -> None:
        for _ in range(4):
            try:
                quiet(config)
                ends.append("done")
            except AstrokerasError as error:
                ends.append(re.sub(r"process \d+ on .+ since [-0-9:+ ]+", "process", str(error)))

    threads = [threading.Thread(target=task_input) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "done" in ends
    told = f"another run is at work on {config.running.out}"
    assert set(ends) - {"done"} <= {f"{told} (process); wait for it, or choose another --out",
                                    f"{told}; wait for it, or choose another --out"}  # fmt: skip
    assert contents(Path(config.running.out)) == expected
    assert not workspace_path(Path(config.running.out)).exists()


def edit_in_place(path: Path) -> None:
    """Change one byte of the pixels, and let size and time of change be as they were."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-3000] ^= 1
    with path.open("r+b") as stream:
        stream.write(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_finished_conversion_is_not_complete_if_an_image_was_edited_in_place(tmp_path, monkeypatch):
    small_tasks(tmp_path, monkeypatch)
    config = configure(
        ConvertConfig,
        images=str(tmp_path / "{field}_{band}.fits"), bands=("g", "r"), size=16, out=str(tmp_path / "out"), workers=1,
        catalog=str(tmp_path / "catalog.fits"), resume=True, split_by="id",
    )  # fmt: skip
    quiet(config)
    said = []
    convert(config, report=said.append)
    assert "complete already" in said[-1]
    assert any("comparing the images" in line for line in said)
    edit_in_place(tmp_path / "B_r.fits")
    with pytest.raises(AstrokerasError, match=r"B_r\.fits has changed since"):
        quiet(config)
    (tmp_path / "B_r.fits").unlink()
    with pytest.raises(AstrokerasError, match=r"B_r\.fits has changed since"):
        quiet(config)


def test_the_same_of_stamps_with_files_of_their_own_and_of_weights(tmp_path):
    rng = np.random.default_rng(0)
    for name in range(12):
        for kind in ("i", "w"):
            fits.PrimaryHDU(rng.uniform(1, 2, (40, 40)).astype("f4")).writeto(tmp_path / f"{kind}{name}.fits")
    config = configure(
        ConvertConfig,
        images=str(tmp_path / "i{id}.fits"), weight=str(tmp_path / "w{id}.fits"), bands=("g",), size=16, workers=1,
        out=str(tmp_path / "out"), resume=True, splits="train=1",
    )  # fmt: skip
    quiet(config)
    quiet(config)
    edit_in_place(tmp_path / "w7.fits")
    with pytest.raises(AstrokerasError, match="has changed since"):
        quiet(config)


def test_a_damaged_part_of_an_unfinished_conversion_is_made_again(tmp_path, monkeypatch):
    small_tasks(tmp_path, monkeypatch)
    config = configure(
        ConvertConfig,
        images=str(tmp_path / "{field}_{band}.fits"), bands=("g", "r"), size=16, workers=1, out=str(tmp_path / "right"),
        catalog=str(tmp_path / "catalog.fits"), label="class", split_by="id",
    )  # fmt: skip
    quiet(config)
    config = replaced(config, out=str(tmp_path / "out"))
    with monkeypatch.context() as patch:
        patch.setattr("astrokeras.records.conversion.convert.assemble", _fail)
        with pytest.raises(AstrokerasError):
            quiet(config)
    part = next((tmp_path / ".out.partial" / "parts").iterdir())
    content = bytearray(part.read_bytes())
    content[-5] ^= 1
    part.write_bytes(content)
    said = []
    convert(config, report=said.append)
    assert contents(tmp_path / "out") == contents(tmp_path / "right")


def _fail(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("out", [".", "..", "/", ""])
def test_the_directory_one_is_in_cannot_be_replaced(tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="is the directory you are in"):
        quiet(configure(ConvertConfig, images="{id}.png", bands=("g",), out=out))
    with pytest.raises(UsageError, match="is the directory you are in"):
        simulate(SimulateConfig(out=out))
