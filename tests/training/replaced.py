"""Kill a run that replaces another at every single step that it takes on the disk, and look at what is left.

    python -m tests.training.replaced DIRECTORY

A process of its own, since it forks. The runs are files without a training. Prints the number of steps.
"""

import itertools
import os
import shutil
import signal
import sys
from pathlib import Path

from astrokeras.config import PretrainConfig
from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training.place import Place
from astrokeras.training.run_directory import load_run, write_run
from tests.crash import die_at
from tests.synthetic import write_records


def run(out: Path, records: RecordsDirectory, what: str) -> None:
    """What a training does with its directory."""
    config = PretrainConfig(str(records.path), str(out))
    with Place(out).held() as place:
        path = place.begin(overwrite=True)
        write_run(path, "pretrain", config, records)
        (path / "checkpoints").mkdir()
        (path / "checkpoints" / "state").write_text(what)
        (path / "encoder.keras").write_text(what)
        write_run(path, "pretrain", config, records, {"what": what})
        place.publish()


def whole(path: Path) -> str | None:
    """Which run is in a directory, all of it; None if none is."""
    try:
        what = load_run(path, finished=True)["result"]["what"]
    except AstrokerasError as error:
        return str(error)
    files = {"run.json", "encoder.keras", "checkpoints"}
    assert {entry.name for entry in path.iterdir()} == files, list(path.iterdir())
    assert (path / "encoder.keras").read_text() == (path / "checkpoints" / "state").read_text() == what
    return what


def killed_at(step: int, out: Path, records: RecordsDirectory) -> bool:
    """Replace a run and be killed at a step; whether it has got as far."""
    child = os.fork()
    if child == 0:
        die_at(step)
        run(out, records, "new")
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), f"step {step}: {status}"
    return status != 0


def main(directory: Path) -> None:
    """Do it until a run survives."""
    records = write_records(directory / "records", counts={"train": 2})
    out, ends = directory / "runs" / "run", set()
    for step in itertools.count():
        shutil.rmtree(directory / "runs", ignore_errors=True)
        run(out, records, "old")
        assert [entry.name for entry in out.parent.iterdir()] == ["run"]
        killed = killed_at(step, out, records)
        if out.exists():
            ends.add(whole(out))
        else:  # between two names: one line says where both are
            assert "what was there is in" in whole(out), f"step {step}"
            assert whole(out.with_name(".run.old")) == "old", f"step {step}"
            assert whole(out.with_name(".run.new")) == "new", f"step {step}"
            ends.add("neither")
        run(out, records, "next")
        assert whole(out) == "next", f"step {step}"
        assert [entry.name for entry in out.parent.iterdir()] == ["run"], f"step {step}"
        if not killed:
            assert ends == {"old", "neither", "new"}
            print(step)
            return


if __name__ == "__main__":
    os.fsync = lambda _: None  # killed processes lose nothing that was written
    main(Path(sys.argv[1]))
