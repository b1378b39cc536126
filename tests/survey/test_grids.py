import numpy as np
import pytest
from astropy.io import fits

from astrokeras.survey.grids import Grid, different_grids, grid_shift
from astrokeras.survey.images import ImageError, Plane
from tests.sky import tan_header

SHAPE = (80, 100)


def grid(header: fits.Header, shape: tuple[int, int] = SHAPE) -> Grid:
    return Grid(Plane(0, np.broadcast_to(np.float32(0), shape), header, fits.Header()))


def distorted(bend: float = 1e-6) -> fits.Header:
    header = tan_header(SHAPE)
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    header.update(A_ORDER=3, B_ORDER=3, A_2_0=1e-5, B_0_2=-1e-5, A_0_3=bend, B_3_0=bend)
    return header


def moved(header: fits.Header, x: float = 0, y: float = 0) -> fits.Header:
    header = header.copy()
    header["CRPIX1"] += x
    header["CRPIX2"] += y
    return header


@pytest.mark.parametrize("header", [tan_header(SHAPE, angle=30), distorted()], ids=["TAN", "SIP"])
@pytest.mark.parametrize(("x", "y"), [(0, 0), (7, -3), (0.05, 0), (-20.05, 300.05)])
def test_whole_pixel_shifts_are_found(header: fits.Header, x: float, y: float):
    assert grid_shift(grid(header), grid(moved(header, x, y), (33, 44))) == (round(x), round(y))


@pytest.mark.parametrize("header", [tan_header(SHAPE), distorted()], ids=["TAN", "SIP"])
@pytest.mark.parametrize(("x", "y"), [(0.5, 0), (0, 0.11), (3.3, 4)])
def test_other_shifts_are_no_common_grid(header: fits.Header, x: float, y: float):
    assert grid_shift(grid(header), grid(moved(header, x, y))) is None


def test_turned_scaled_and_distorted_images_are_on_other_grids():
    scaled = tan_header(SHAPE)
    scaled["CD1_1"] *= 1.01
    for other in (tan_header(SHAPE, angle=1), scaled, tan_header(SHAPE, ra=151), distorted(1e-5), tan_header(SHAPE)):
        reference = grid(distorted())
        assert grid_shift(reference, grid(other)) is None
        error = different_grids(reference, grid(other), "two of its bands", "; do something")
        assert error.reason == "different_grids"
        assert str(error).endswith("; do something")


def test_a_bend_in_the_middle_is_noticed():
    """The corners agree to a hundredth of a pixel, the middle of an edge does not."""
    straight, bent = distorted(0.0), distorted(0.0)
    half_width, half_height = (SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2
    bent["A_2_0"], bent["A_0_2"] = 1e-5 + 1e-3, -1e-3 * half_width**2 / half_height**2
    assert grid_shift(grid(straight), grid(straight)) == (0, 0)
    assert grid_shift(grid(straight), grid(bent)) is None


@pytest.mark.parametrize(("first", "second"), [(tan_header(SHAPE), fits.Header()), (fits.Header(), tan_header(SHAPE))])
def test_one_wcs_alone_places_nothing(first: fits.Header, second: fits.Header):
    with pytest.raises(ImageError, match="WCS") as caught:
        grid_shift(grid(first), grid(second))
    assert caught.value.reason == "different_grids"


def test_without_any_wcs_the_shapes_decide():
    assert grid_shift(grid(fits.Header()), grid(fits.Header({"OBJECT": "M 31"}))) == (0, 0)
    with pytest.raises(ImageError, match="99×80") as caught:
        grid_shift(grid(fits.Header()), grid(fits.Header(), (80, 99)))
    assert caught.value.reason == "different_grids"
