"""The names of astropy's own that tiles are checked behind, and the versions in which they are known to stand."""

import configparser
import re
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from astrokeras.survey.image_error import Damaged
from astrokeras.survey.tiles import HeldTiles, table_bytes

ROOT = Path(__file__).parents[2]
PIXELS = np.arange(40 * 50, dtype=np.int16).reshape(40, 50)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(PIXELS, compression_type="RICE_1")]).writeto(path)
    return path


def test_the_table_behind_a_compressed_image_is_where_it_was(packed: Path):
    with fits.open(packed) as hdus:
        behind = hdus[1]._bintable
        assert isinstance(behind.header, fits.Header)
        assert behind.header["ZCMPTYPE"] == "RICE_1"
        assert behind.data.names == ["COMPRESSED_DATA"]
        assert behind._theap == behind.header["NAXIS1"] * behind.header["NAXIS2"]
        raw = np.frombuffer(packed.read_bytes(), np.uint8)[behind._data_offset :][: table_bytes(behind.header)]
        assert behind._get_raw_data(len(raw), np.uint8, behind._data_offset).tobytes() == raw.tobytes()


def test_an_image_says_whether_it_is_scaled_when_it_is_read(tmp_path: Path):
    """Tables of distortions are read as they are meant, from files that are open to be read as they are stored."""
    image = fits.ImageHDU(PIXELS)
    image.header["BZERO"] = 5.0
    image.header["BSCALE"] = 2.0
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "b.fits")
    with fits.open(tmp_path / "b.fits", do_not_scale_image_data=True) as hdus:
        hdus[1]._do_not_scale_image_data = False
        assert hdus[1].data[0, 1] == hdus[1].data[0, 0] + 2


def test_astropy_decompresses_from_the_table_that_was_checked(packed: Path):
    """Were the table read from elsewhere, an astropy of a new version would pass the checks by."""
    raw = np.frombuffer(packed.read_bytes(), np.uint8)
    asked = []

    def read_bytes(start: int, size: int) -> np.ndarray:
        asked.append((start, size))
        return raw[start : start + size]

    with fits.open(packed) as hdus:
        behind = hdus[1]._bintable
        held = HeldTiles.hold(hdus[1], read_bytes)
        assert len(asked) == 1
        np.testing.assert_array_equal(held.read((), 0, 40), PIXELS)
        object.__setattr__(held.table, "raw", held.table.raw[:8])
        with pytest.raises(Damaged, match="outside the data"):
            held.read((), 0, 40)
        hdus[1]._bintable = behind


def test_the_astropy_here_is_one_that_was_tried():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    low, high = re.search(r"^astropy>=([\d.]+),<([\d.]+)$", setup["options"]["install_requires"], re.M).groups()
    installed = tuple(map(int, version("astropy").split(".")[:2]))
    assert tuple(map(int, low.split("."))) <= installed < tuple(map(int, high.split(".")))
