import errno
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from astrokeras.files import CannotWrite, digest, digest_of, remove_unfinished, write_atomically, write_json
from astrokeras.jsonable import finite


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(CannotWrite, match=r"^cannot write .*/a\.json: No space left on device$"):
        write_atomically(path, fail)
    assert json.loads(path.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_null_for_what_is_not_finite(tmp_path: Path):
    write_json(tmp_path / "a.json", {"a": [float("nan"), (np.float64("inf"), 2.5)], "b": True})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [None, [None, 2.5]], "b": True}
    assert finite(1) == 1


def test_json_names_files_as_they_are(tmp_path: Path):
    names = ["ü", "\udcff.fits", "\x1b[2J"]
    write_json(tmp_path / "a.json", names)
    content = (tmp_path / "a.json").read_bytes()
    assert json.loads(content) == names
    assert "ü".encode() in content
    assert b"\x1b" not in content


def test_two_who_write_the_same_file_do_not_meet(tmp_path: Path):
    path = tmp_path / "a.txt"

    def write(temporary: Path) -> None:
        write_atomically(path, lambda other: other.write_text("other"))
        temporary.write_text("own")

    write_atomically(path, write)
    assert path.read_text() == "own"
    assert list(tmp_path.iterdir()) == [path]


def test_workers_hand_on_why_a_file_cannot_be_written(tmp_path: Path):
    error = CannotWrite(tmp_path / "a", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.strerror == "No space left on device"


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"abc")
    assert digest(tmp_path / "a") == digest_of(b"abc")
    assert digest_of(b"abc").startswith("ba7816bf")  # FIPS 180-2, appendix B.1


def test_what_killed_processes_leave_is_removed(tmp_path: Path):
    write_json(tmp_path / "a.json", {})
    (tmp_path / ".writing-b.npz").touch()
    remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
