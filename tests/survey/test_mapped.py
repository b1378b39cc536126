from pathlib import Path

import numpy as np
import pytest

from astrokeras.survey.mapped import MappedPlane

ROWS, COLUMNS = 512, 1024  # 2 MiB


@pytest.fixture
def plane(tmp_path: Path) -> tuple[Path, np.ndarray, MappedPlane]:
    pixels = np.arange(ROWS * COLUMNS, dtype=">i4").reshape(ROWS, COLUMNS)
    path = tmp_path / "plane"
    path.write_bytes(b"x" * 2880 + pixels.tobytes() + b"behind it")
    with path.open("rb", buffering=0) as stream:
        return path, pixels, MappedPlane(stream, 2880, pixels.dtype, pixels.shape)


def resident(path: Path) -> int:
    """Bytes of a mapped file that count as memory of this process."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    sizes = [next(line for line in lines if line.startswith("Rss:")) for line in lines if line.endswith(str(path))]
    return sum(1024 * int(line.split()[1]) for line in sizes)


def test_pixels_are_those_of_the_file(plane: tuple):
    _, pixels, mapped = plane
    np.testing.assert_array_equal(mapped.pixels, pixels)
    assert not mapped.pixels.flags.writeable


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux says how much is in memory")
def test_rows_that_are_released_are_no_memory_of_ours_but_can_be_read_again(plane: tuple):
    path, pixels, mapped = plane
    assert mapped.pixels.sum() == pixels.sum()
    whole = resident(path)
    assert whole >= pixels.nbytes
    for row in (-5, 0, 128, 100, 384):
        mapped.release(row)
    assert resident(path) <= whole - pixels[:384].nbytes + 8192
    np.testing.assert_array_equal(mapped.pixels, pixels)
    mapped.release(ROWS + 100)
    assert resident(path) < 8192 + pixels[:384].nbytes
