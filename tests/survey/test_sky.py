import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from astrokeras.survey import sky
from astrokeras.survey.fits_file import FitsFile
from astrokeras.survey.grids import grid_shift
from astrokeras.survey.images import ImageError
from astrokeras.survey.sky import Astrometry
from tests.sky import SCALE, tan_header
from tests.survey.test_grids import grid

SHAPE = (80, 100)


def gnomonic(ra: np.ndarray, dec: np.ndarray, ra0: float, dec0: float) -> tuple[np.ndarray, np.ndarray]:
    """Standard coordinates in degrees (Calabretta and Greisen 2002, section 5.1.3)."""
    a, d, d0 = np.radians(ra - ra0), np.radians(dec), np.radians(dec0)
    depth = np.sin(d0) * np.sin(d) + np.cos(d0) * np.cos(d) * np.cos(a)
    xi = np.cos(d) * np.sin(a) / depth
    eta = (np.cos(d0) * np.sin(d) - np.sin(d0) * np.cos(d) * np.cos(a)) / depth
    return np.degrees(xi), np.degrees(eta)


@pytest.mark.parametrize("turned", [0, 25])
def test_axes_may_stand_in_either_order(turned: float):
    header = tan_header(SHAPE, ra=33, dec=-5, angle=turned, axes="DEC RA")
    header["CRVAL1"], header["CRVAL2"] = -5.0, 33.0
    wcs = Astrometry(header).wcs
    ra, dec = np.array([33.001, 32.998, 33.0]), np.array([-5.002, -4.999, -5.003])
    xi, eta = gnomonic(ra, dec, 33, -5)
    matrix = np.array([[header["CD1_1"], header["CD1_2"]], [header["CD2_1"], header["CD2_2"]]])
    dx, dy = np.linalg.solve(matrix, [eta, xi])  # the first axis is the declination
    expected = header["CRPIX1"] - 1 + dx, header["CRPIX2"] - 1 + dy
    np.testing.assert_allclose(sky.to_pixels(wcs, ra, dec), expected, atol=1e-6)
    np.testing.assert_allclose(sky.to_sky(wcs, *expected), (ra, dec), atol=1e-9)


def lookup_file(path: Path, shift: float, crpix: float = 0) -> Path:
    """An image whose columns are moved by a lookup table."""
    header = tan_header(SHAPE)
    header["CRPIX1"] += crpix
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.zeros(SHAPE, np.float32))]
    for axis, value in ((1, shift), (2, 0)):
        header[f"CPDIS{axis}"] = "LOOKUP"
        for name, number in (("EXTVER", axis), ("NAXES", 2), ("AXIS.1", 1), ("AXIS.2", 2)):
            header.append(fits.Card(f"DP{axis}", f"{name}: {number:.1f}"), end=True)
        table = fits.ImageHDU(np.full((5, 5), value, np.float32), name="WCSDVARR", ver=axis)
        table.header.update(CRPIX1=1, CRPIX2=1, CRVAL1=1, CRVAL2=1, CDELT1=30, CDELT2=30)
        hdus.append(table)
    hdus[1].header.extend(header)
    fits.HDUList(hdus).writeto(path)
    return path


def astrometry(path: Path) -> Astrometry:
    with FitsFile(path) as file:
        return file.image(None).astrometry


def test_lookup_tables_count(tmp_path: Path):
    plain = Astrometry(tan_header(SHAPE)).wcs
    moved = astrometry(lookup_file(tmp_path / "a.fits", 3.0)).wcs
    ra, dec = sky.to_sky(plain, np.array([40.0]), np.array([30.0]))
    np.testing.assert_allclose(np.ravel(sky.to_pixels(moved, ra, dec)), (37, 30), atol=1e-3)


def test_a_lookup_table_that_is_not_there_is_named(tmp_path: Path):
    path = lookup_file(tmp_path / "a.fits", 3.0)
    with fits.open(path) as hdus:
        hdus[:2].writeto(tmp_path / "b.fits")
    found = astrometry(tmp_path / "b.fits")
    assert found.wcs is None
    assert "CPDIS1" in found.why


@pytest.mark.parametrize("inherit", [True, False])
def test_the_first_headers_wcs_is_inherited_where_the_extension_says_so(tmp_path: Path, inherit: bool):
    extension = fits.ImageHDU(np.zeros(SHAPE, np.float32), fits.Header({"INHERIT": inherit}))
    fits.HDUList([fits.PrimaryHDU(header=tan_header(SHAPE)), extension]).writeto(tmp_path / "a.fits")
    found = astrometry(tmp_path / "a.fits")
    assert (found.wcs is not None) == inherit
    assert ("INHERIT" in found.why) == (not inherit)


@pytest.mark.parametrize(
    ("cards", "named"),
    [
        ({"RADESYS": "J2000"}, "RADESYS is 'J2000'"), ({"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"}, "HPLN-TAN"),
        ({"A_ORDER": 9999, "B_ORDER": 9999}, "A_ORDER is 9999"), ({"WCSAXES": 9999}, "WCSAXES is 9999"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(cards: dict, named: str):
    header = tan_header(SHAPE)
    header.update(cards)
    found = Astrometry(header)
    assert found.wcs is None
    assert named in found.why


def test_bands_differ_in_cards_that_only_another_convention_reads():
    """TPV's terms are plain PV cards: a constant term moves the whole image by 7 pixels."""
    one, two = tan_header(SHAPE), tan_header(SHAPE)
    for header in (one, two):
        header["CTYPE1"], header["CTYPE2"] = "RA---TPV", "DEC--TPV"
        header.update(PV1_1=1.0, PV2_1=1.0, PV1_0=0.0, PV2_0=0.0)
    two["PV2_0"] = -7 * SCALE
    assert grid_shift(grid(one), grid(two)) == (0, 7)


def test_bands_whose_wcs_cannot_be_read_are_refused_by_name():
    one, two = tan_header(SHAPE), tan_header(SHAPE)
    one["A_ORDER"] = two["A_ORDER"] = 50
    assert grid_shift(grid(one), grid(two)) == (0, 0)
    two["CRPIX1"] += 5
    with pytest.raises(ImageError, match="A_ORDER is 50"):
        grid_shift(grid(one), grid(two))


def test_bands_on_an_unknown_frame_are_compared_all_the_same():
    one, two = tan_header(SHAPE), tan_header(SHAPE)
    one["RADESYS"] = two["RADESYS"] = "J2000"
    two["CRPIX1"] += 5
    assert grid_shift(grid(one), grid(two)) == (5, 0)


REJECTED = """
import sys
from astropy.io import fits
from astrokeras.survey.sky import Astrometry
from tests.sky import tan_header
header = tan_header((80, 100))
for i in range(3000):
    header.append(("CRVAL1", "x"), end=True)
    header.append((f"WAT{i % 2 + 1}_{i % 900 + 100}", "1. " * 20), end=True)
header.insert(0, ("CRVAL1", 150.0))
print(Astrometry(header).wcs is not None)
"""


def test_thousands_of_cards_that_wcslib_rejects_do_no_harm():
    """Its buffer of messages overflows otherwise, which ends the process."""
    done = subprocess.run(
        [sys.executable, "-c", REJECTED], capture_output=True, text=True, check=False,
        env={**os.environ, "MALLOC_CHECK_": "3"}, timeout=100,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
