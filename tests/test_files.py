import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from astrokeras.files import CannotWrite, finite, remove_unfinished, write_atomically, write_json


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


def test_what_killed_processes_leave_is_removed(tmp_path: Path):
    write_json(tmp_path / "a.json", {})
    (tmp_path / ".writing-b.npz").touch()
    remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
