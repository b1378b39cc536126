import dataclasses

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from astrokeras.survey.simulation.telescope import BLANK, GAIN, PIXEL_SCALE, SATURATE, expose, lay_out_pointings

BANDS = ("u", "r", "z")
SIZE = 200


def rng(*stream):
    return np.random.Generator(np.random.PCG64([0, *stream]))


@pytest.fixture(scope="module")
def fields():
    return lay_out_pointings([rng(i) for i in range(4)], SIZE, BANDS)


def clean(field):
    return dataclasses.replace(field, dead=())


def test_header_holds_the_wcs_and_the_calibration(fields):
    for field in fields:
        header = field.header("r", 1)
        assert (header["FIELD"], header["FILTER"]) == (field.name, "r")
        assert header["MAGZPT"] == field.zero_point[1]
        wcs = WCS(header)
        x, y = np.array([0.0, 199.0, 30.0]), np.array([199.0, 0.0, 77.0])
        back = wcs.all_world2pix(*field.wcs.all_pix2world(x, y, 0), 0)
        assert np.abs(np.array(back) - (x, y)).max() < 1e-6
        assert proj_plane_pixel_scales(wcs) * 3600 == pytest.approx([PIXEL_SCALE] * 2)


def test_east_is_left_and_north_is_up(fields):
    for field in fields:
        ra, dec = field.wcs.all_pix2world([100.0, 90.0, 100.0], [100.0, 100.0, 110.0], 0)
        assert ra[1] > ra[0]
        assert dec[2] > dec[0]


def test_adjoining_tiles_overlap_by_five_to_ten_percent(fields):
    edge = np.arange(0, SIZE, 5.0)
    x, y = (a.ravel() for a in np.meshgrid(edge, edge))
    ra, dec = fields[0].wcs.all_pix2world(x, y, 0)
    for neighbour in (fields[1], fields[2]):
        there = np.array(neighbour.wcs.all_world2pix(ra, dec, 0))
        assert 0.04 < np.all((there > -0.5) & (there < SIZE - 0.5), axis=0).mean() < 0.11


def test_fields_are_turned_against_one_another(fields):
    assert len({field.rotation for field in fields}) == 4


def test_depth_is_that_of_a_point_source_at_five_sigma(fields):
    field = fields[0]
    area = 2.27 * (field.fwhm / PIXEL_SCALE) ** 2
    limit = field.zero_point - 2.5 * np.log10(5 * field.noise * np.sqrt(area))
    assert limit == pytest.approx([24.0, 24.7, 23.6], abs=0.01)


def test_noise_is_the_sky_s_and_the_source_s(fields):
    field = clean(fields[0])
    for light in (0.0, 4000.0):
        pixels = expose(np.full((SIZE, SIZE), light) / field.adu[1], field, 1, rng(9))
        expected = np.sqrt(field.noise[1] ** 2 + light / GAIN + 1 / 12)
        assert pixels.std() == pytest.approx(expected, rel=0.02)
        assert pixels.mean() == pytest.approx(light + field.pedestal[1], abs=5 * expected / SIZE)


def test_mild_saturation_is_clipped_and_more_bleeds_along_the_column(fields):
    field = clean(fields[0])
    light = np.zeros((SIZE, SIZE))
    light[50, 60], light[120, 130] = 1.5 * SATURATE, 9 * SATURATE
    pixels = expose(light / field.adu[0], field, 0, rng(9))
    assert pixels[50, 60] == SATURATE == pixels.max()
    rows, columns = np.nonzero(pixels == BLANK)
    assert set(columns) == {130}
    assert rows.min() == 120 - 4
    assert rows.max() == 120 + 4


def test_dead_columns_have_no_measurement(fields):
    field = dataclasses.replace(fields[0], dead=((7, 20, 90),))
    pixels = expose(np.zeros((SIZE, SIZE)), field, 0, rng(9))
    assert np.all(pixels[20:90, 7] == BLANK)
    assert np.count_nonzero(pixels == BLANK) == 70


def test_tiles_lie_around_the_centre(fields):
    centres = SkyCoord([field.wcs.wcs.crval for field in fields], unit="deg")
    assert centres.ra.deg.mean() == pytest.approx(150.1, abs=1e-4)
    assert centres.dec.deg.mean() == pytest.approx(2.2, abs=1e-4)
