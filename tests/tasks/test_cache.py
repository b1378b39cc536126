from pathlib import Path

import numpy as np
import pytest

from astrokeras.tasks.cache import cache_directory, kept


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "astrokeras"


class Maker:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> np.ndarray:
        self.calls += 1
        return np.float32([[1.5, np.nan], [self.calls, 2]])


def test_what_is_kept_is_made_once(directory: Path):
    make = Maker()
    assert cache_directory() == directory
    first = kept("thing", ["a", "b"], (2, 2), make)
    np.testing.assert_array_equal(kept("thing", ["a", "b"], (2, 2), make), first)
    assert make.calls == 1
    for kind, depends_on in (("thing", ["a", "c"]), ("thing", ["a"]), ("other", ["a", "b"])):
        kept(kind, depends_on, (2, 2), make)
    assert make.calls == 4
    assert len(list(directory.iterdir())) == 4


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[:-30], lambda b: b.replace(b"\xc0\x3f", b"\xc1\x3f")])
def test_a_damaged_file_is_made_again(directory: Path, damage):
    make = Maker()
    kept("thing", [], (2, 2), make)
    (file,) = directory.iterdir()
    content = file.read_bytes()
    assert damage(content) != content
    file.write_bytes(damage(content))
    assert kept("thing", [], (2, 2), make)[1, 0] == 2
    assert kept("thing", [], (2, 2), make)[1, 0] == 2
    np.testing.assert_array_equal(kept("thing", [], (3, 2), make)[1], [3, 2])


def test_a_place_that_cannot_be_written_keeps_nothing(tmp_path: Path):
    (tmp_path / "astrokeras").write_text("a file")
    make = Maker()
    kept("thing", [], (2, 2), make)
    assert kept("thing", [], (2, 2), make)[1, 0] == 2
