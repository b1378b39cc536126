import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from astrokeras.survey import placement
from astrokeras.survey.placement import Field, assign_fields
from astrokeras.survey.sky import Astrometry
from astrokeras.survey.stamps import inside
from tests.sky import SCALE, tan_header

SHAPE = (80, 100)


def field(name: str = "A", *, shape: tuple[int, int] = SHAPE, **options) -> Field:
    return Field(name, shape, Astrometry(tan_header(shape, **options)).wcs)


def distorted() -> fits.Header:
    header = tan_header(SHAPE)
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    header.update(A_ORDER=3, B_ORDER=3, A_2_0=1e-4, B_0_2=-1e-4, A_0_3=1e-6, B_3_0=1e-6)
    return header


@pytest.mark.parametrize("header", [tan_header(SHAPE, angle=30), distorted()], ids=["TAN", "SIP"])
def test_pixels_are_those_of_astropys_wcs_counted_from_zero(header: fits.Header):
    here = Field("A", SHAPE, Astrometry(header).wcs)
    x, y = np.random.default_rng(0).uniform(0, 80, (2, 50))
    ra, dec = WCS(header).all_pix2world(x, y, 0)
    np.testing.assert_allclose(here.to_pixels(ra, dec), (x, y), atol=1e-4)
    np.testing.assert_allclose(here.to_sky(x, y), (ra, dec), atol=1e-9)
    assert here.pixel_scale == pytest.approx(SCALE * 3600, rel=1e-6)


def test_reference_pixel_counts_from_one():
    header = tan_header(SHAPE, ra=33, dec=-5)
    x, y = Field("A", SHAPE, Astrometry(header).wcs).to_pixels(np.array([33.0]), np.array([-5.0]))
    assert (x[0], y[0]) == pytest.approx((header["CRPIX1"] - 1, header["CRPIX2"] - 1))


def test_a_galactic_header_takes_icrs_positions():
    galactic = field(ra=120, dec=45, axes="GLON GLAT")
    place = SkyCoord(l=120 + 10 * SCALE, b=45 - 4 * SCALE, unit="deg", frame="galactic")
    expected = galactic.wcs.wcs_world2pix([[place.l.deg, place.b.deg]], 0)[0]
    x, y = galactic.to_pixels(np.array([place.icrs.ra.deg]), np.array([place.icrs.dec.deg]))
    assert (x[0], y[0]) == pytest.approx(expected, abs=1e-6)
    ra, dec = galactic.to_sky(x, y)
    assert (ra[0], dec[0]) == pytest.approx((place.icrs.ra.deg, place.icrs.dec.deg))


@pytest.mark.parametrize("header", [tan_header(SHAPE), distorted()], ids=["TAN", "SIP"])
def test_no_other_place_of_the_sky_falls_on_the_image(header: fits.Header):
    here = Field("A", SHAPE, Astrometry(header).wcs)
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 3000), np.degrees(np.arcsin(rng.uniform(-1, 1, 3000)))
    ra[:1000], dec[:1000] = rng.uniform(148, 152, 1000), rng.uniform(0, 4, 1000)
    ra[0], dec[0] = 330.0, -2.0  # the opposite point
    far = SkyCoord(ra, dec, unit="deg").separation(SkyCoord(150, 2, unit="deg")).deg > 100 * SCALE
    assert far.sum() > 2900
    assert not inside(*here.to_pixels(ra[far], dec[far]), SHAPE).any()


BROKEN = {
    "empty": {"CTYPE1": "", "CTYPE2": ""},
    "pixels": {"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"},
    "singular": {"CD1_1": 0.0, "CD1_2": 0.0},
    "unknown frame": {"RADESYS": "XYZ"},
    "unknown projection": {"CTYPE1": "RA---XXX", "CTYPE2": "DEC--XXX"},
    "the Sun": {"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"},
    "Mars": {"CTYPE1": "MALN-TAN", "CTYPE2": "MALT-TAN"},
}


@pytest.mark.parametrize("cards", BROKEN.values(), ids=BROKEN)
def test_a_header_that_places_nothing_on_the_sky_has_no_wcs(cards: dict):
    header = tan_header(SHAPE)
    assert Astrometry(header).wcs is not None
    header.update(cards)
    assert Astrometry(header).wcs is None


def test_no_header_has_no_wcs():
    assert Astrometry(fits.Header()).wcs is None


def test_of_overlapping_fields_the_one_around_the_object_wins():
    fields = [field("A"), field("B", ra=150 + 40 * SCALE, angle=20), field("C", dec=2 - 50 * SCALE)]
    rng = np.random.default_rng(2)
    ra, dec = 150 + SCALE * rng.uniform(-90, 120, 400), 2 + SCALE * rng.uniform(-120, 80, 400)
    depths = []
    for one in fields:
        x, y = one.wcs.all_world2pix(ra, dec, 0)
        edge = np.min([x + 0.5, y + 0.5, SHAPE[1] - 0.5 - x, SHAPE[0] - 0.5 - y], axis=0)
        depths.append(np.where(edge > 0, edge, -np.inf))
    expected = np.where(np.max(depths, axis=0) > 0, np.argmax(depths, axis=0), -1)
    np.testing.assert_array_equal(assign_fields(fields, ra, dec), expected)
    assert set(expected) == {-1, 0, 1, 2}
    assert (np.sum(np.isfinite(depths), axis=0) > 1).any()


def test_the_first_of_equal_fields_wins_and_nonsense_lies_nowhere():
    ra, dec = np.array([150, np.nan, 150, np.inf, 150, -210.0]), np.array([2, 2, np.nan, 2, 99, 2.0])
    assert assign_fields([field("A"), field("B")], ra, dec).tolist() == [0, -1, -1, -1, -1, 0]


def test_fields_around_the_pole_and_the_zero_meridian():
    pole, zero = field("P", ra=77, dec=90), field("Z", ra=0, dec=0)
    ra, dec = np.array([0, 90, 180, 359.999, 0.001]), np.array([89.999, 89.999, 89.999, 0, 0])
    assert assign_fields([pole, zero], ra, dec).tolist() == [0, 0, 0, 1, 1]


def brute_force(fields: list[Field], ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Every object in every field, through the WCS alone."""
    depths = []
    for one in fields:
        near = SkyCoord(ra, dec, unit="deg").separation(SkyCoord(*one.to_sky(50, 40), unit="deg")).deg < 90
        x, y = (np.where(near, axis, np.nan) for axis in one.wcs.all_world2pix(ra, dec, 0))
        height, width = one.shape
        depth = np.min([x, y, width - 1 - x, height - 1 - y], axis=0)
        depths.append(np.where(depth >= -0.5, depth, -np.inf))
    return np.where(np.max(depths, axis=0) >= -0.5, np.argmax(depths, axis=0), -1)


@pytest.mark.parametrize(("ra", "dec"), [(150, 2), (0, 0), (359.99, -30), (12, 89.99), (200, -90)])
def test_fields_are_those_of_brute_force(ra: float, dec: float):
    rng = np.random.default_rng(3)
    centres = SkyCoord(ra, dec, unit="deg").directional_offset_by(
        rng.uniform(0, 360, 25) * u.deg, rng.uniform(0, 300 * SCALE, 25) * u.deg
    )
    places = SkyCoord(ra, dec, unit="deg").directional_offset_by(
        rng.uniform(0, 360, 3000) * u.deg, rng.uniform(0, 400 * SCALE, 3000) * u.deg
    )
    fields = [
        field(str(i), ra=c.ra.deg, dec=c.dec.deg, angle=rng.uniform(0, 360), shape=(int(rng.uniform(40, 120)), 90))
        for i, c in enumerate(centres)
    ]
    found = assign_fields(fields, places.ra.deg, places.dec.deg)
    np.testing.assert_array_equal(found, brute_force(fields, places.ra.deg, places.dec.deg))
    assert len(set(found)) > 15


def test_portions_change_nothing(monkeypatch: pytest.MonkeyPatch):
    fields = [field("A"), field("B", ra=150 + 40 * SCALE, angle=20)]
    rng = np.random.default_rng(4)
    ra, dec = 150 + SCALE * rng.uniform(-90, 120, 500), 2 + SCALE * rng.uniform(-90, 90, 500)
    whole = assign_fields(fields, ra, dec)
    monkeypatch.setattr(placement, "OBJECTS_AT_ONCE", 7)
    np.testing.assert_array_equal(assign_fields(fields, ra, dec), whole)


def test_a_map_of_half_the_sky_is_searched_as_a_whole():
    header = tan_header((100, 100), ra=10, dec=20)
    header["CTYPE1"], header["CTYPE2"] = "RA---SIN", "DEC--SIN"
    for name in ("CD1_1", "CD2_2"):
        header[name] = np.sign(header[name]) * 1.6  # degrees; the corners lie off the hemisphere
    sky = Field("all", (100, 100), Astrometry(header).wcs)
    found = assign_fields([sky], np.array([10.0, 60, 190]), np.array([20.0, 40, -20]))
    assert found.tolist() == [0, 0, -1]
