import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.errors import UsageError
from astrokeras.survey.images import ImageError, Plane
from astrokeras.survey.units import parse_zero_points


def plane(band: int = 0, primary: dict | None = None, **cards) -> Plane:
    return Plane(band, np.zeros((1, 1)), fits.Header(cards), fits.Header(primary or {}))


@given(st.floats(0, 40), st.floats(0.01, 1e6))
def test_scale_agrees_with_astropys_magnitudes(zero_point: float, counts: float):
    flux = parse_zero_points(repr(zero_point), ("r",)).scale(plane()) * counts * u.nJy
    assert flux.to(u.ABmag).value == pytest.approx(zero_point - 2.5 * np.log10(counts), abs=2e-4)  # 31.4 is rounded


def test_each_band_has_its_own():
    points = parse_zero_points("r=25, g=27.5", ("g", "r"))
    assert points.unit == "nJy"
    assert points.scale(plane(1)) == pytest.approx(10 * points.scale(plane(0)))


def test_without_zero_points_the_unit_of_the_image_stays():
    points = parse_zero_points(None, ("g",))
    assert (points.unit, points.scale(plane())) == ("image", 1.0)


def test_keyword_is_looked_up_in_the_extension_before_the_primary_header():
    points = parse_zero_points("header:magzpt", ("g",))
    assert points.scale(plane(MAGZPT=31.4, primary={"MAGZPT": 0.0})) == pytest.approx(1)
    assert points.scale(plane(primary={"MAGZPT": 28.9})) == pytest.approx(10)


@pytest.mark.parametrize("cards", [{}, {"MAGZPT": "25"}, {"MAGZPT": True}], ids=["absent", "text", "logical"])
def test_a_keyword_without_a_number_rejects_the_image(cards: dict):
    with pytest.raises(ImageError, match="MAGZPT") as caught:
        parse_zero_points("header:MAGZPT", ("g",)).scale(plane(**cards))
    assert caught.value.reason == "no_zero_point"


@pytest.mark.parametrize("text", ["25 mag", "nan", "g=25", "g=1,r=2,z=3", "g=1;r=2", "header:", "g=inf,r=1"])
def test_what_cannot_be_meant_is_a_usage_error(text: str):
    with pytest.raises(UsageError, match="--zero-point"):
        parse_zero_points(text, ("g", "r"))


@pytest.mark.parametrize("value", [1e4, -1e4, 200.0, -80.0])
def test_a_zero_point_that_makes_fluxes_nothing_or_infinite_is_refused(value: float):
    with pytest.raises(ImageError, match="no magnitude") as caught:
        parse_zero_points("header:MAGZPT", ("g",)).scale(plane(MAGZPT=value))
    assert caught.value.reason == "no_zero_point"
    with pytest.raises(UsageError, match="--zero-point"):
        parse_zero_points(str(value), ("g",))


def test_an_undefined_keyword_is_no_zero_point():
    header = fits.Header([("MAGZPT", fits.card.UNDEFINED)])
    with pytest.raises(ImageError, match="empty"):
        parse_zero_points("header:MAGZPT", ("g",)).scale(Plane(0, np.zeros((1, 1)), header, fits.Header()))
