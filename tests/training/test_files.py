import json
from pathlib import Path

import numpy as np
import pytest

from astrokeras.training.files import finite, write_atomically, write_json


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert json.loads(path.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_null_for_what_is_not_finite(tmp_path: Path):
    write_json(tmp_path / "a.json", {"a": [float("nan"), (np.float64("inf"), 2.5)], "b": True})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [None, [None, 2.5]], "b": True}
    assert finite(1) == 1
