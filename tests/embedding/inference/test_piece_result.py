import numpy as np
import pytest

from astrokeras.embedding.inference.piece import ObjectsRead
from astrokeras.embedding.inference.piece_result import Result, is_whole, load, save


@pytest.fixture
def kept(tmp_path):
    image = tmp_path / "image.fits"
    image.write_bytes(b"pixels")
    status = image.stat()
    found = ObjectsRead(
        {"ids": np.array(["α", "b"])}, [("edge", "too near")],
        {str(image): [status.st_size, status.st_mtime_ns, status.st_ctime_ns], "/nowhere": None},
    )  # fmt: skip
    path = tmp_path / "000001.npz"
    save(Result({"embedding": np.arange(6, dtype=np.float32).reshape(2, 3)}, found), path, "work")
    return path


def test_a_result_comes_back(kept):
    assert is_whole(kept, "work")
    result = load(kept)
    np.testing.assert_array_equal(result.outputs["embedding"], [[0, 1, 2], [3, 4, 5]])
    assert result.found.arrays["ids"].tolist() == ["α", "b"]
    assert result.found.why == [("edge", "too near")]
    assert [file.name for file in kept.parent.iterdir() if file.name.startswith(".")] == []


def test_a_result_is_not_taken_for_what_it_is_not(kept):
    assert not is_whole(kept, "other work")
    assert not is_whole(kept.with_name("none.npz"), "work")
    content = kept.read_bytes()
    kept.write_bytes(content[:-20])
    assert not is_whole(kept, "work")
    place = content.index(np.arange(6, dtype=np.float32).tobytes())
    kept.write_bytes(content[:place] + b"\xff" + content[place + 1 :])
    assert not is_whole(kept, "work")
    kept.write_bytes(content)
    (kept.parent / "image.fits").write_bytes(b"other pixels")
    assert not is_whole(kept, "work")
