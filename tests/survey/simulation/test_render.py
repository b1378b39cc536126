import dataclasses
import math

import numpy as np
import pytest
from photutils.centroids import centroid_com

from astrokeras.survey.simulation.render import depth, render
from astrokeras.survey.simulation.scene import Scene
from astrokeras.survey.simulation.telescope import PIXEL_SCALE, lay_out_pointings

SIZE = 96


@pytest.fixture(scope="module")
def field():
    return lay_out_pointings([np.random.Generator(np.random.PCG64(0))], SIZE, ("g", "r"))[0]


def one(kind, angle=0.0):
    """A scene of one object with fluxes of 300 and 700 in g, 600 and 800 in r."""
    flux = np.array([[[300.0, 600.0], [700.0, 800.0]]]) * ([[1], [0]] if kind == "star" else [[1], [1]])
    values = {"magnitude": 24.0, "radius": 0.0 if kind == "star" else 1.2, "axis_ratio": 0.4, "angle": angle}
    arrays = {name: np.array([value]) for name, value in values.items()}
    return Scene(kind=np.array([kind]), flux=flux, **arrays)


def shapes(_):
    return np.random.Generator(np.random.PCG64(5))


def draw(scene, field, x, y):
    return render(scene, field, np.array([x]), np.array([y]), SIZE, shapes)


def position_angle(image):
    """Of the major axis from x to y, in [0, pi)."""
    y, x = np.indices(image.shape) - np.array([centroid_com(image)[1], centroid_com(image)[0]])[:, None, None]
    xx, yy, xy = ((image * a).sum() for a in (x * x, y * y, x * y))
    return 0.5 * math.atan2(2 * xy, xx - yy) % math.pi


@pytest.mark.parametrize("kind", ["elliptical", "spiral", "irregular", "star"])
def test_flux_lands_where_it_should(field, kind):
    scene = one(kind)
    image, radius = draw(scene, field, 47.3, 50.8)
    assert image.sum(axis=(1, 2)) == pytest.approx(scene.flux[0].sum(axis=0), rel=0.01)
    assert (radius[0] == 0) == (kind == "star")
    if kind in {"elliptical", "star"}:
        assert centroid_com(image[1]) == pytest.approx((47.3, 50.8), abs=0.02)


def test_half_of_the_light_is_within_the_radius_that_is_reported(field):
    sharp = dataclasses.replace(field, fwhm=np.array([0.5, 0.5]))
    image, radius = draw(one("elliptical"), sharp, 47.5, 47.5)
    y, x = np.indices((SIZE, SIZE)) - 47.5
    inside = image.sum(axis=0)[np.hypot(x, y) < radius[0] / PIXEL_SCALE].sum()
    assert inside == pytest.approx(0.5 * image.sum(), rel=0.1)


def test_an_object_keeps_its_angle_on_the_sky_when_the_camera_turns(field):
    for turn in (0.0, 0.5):
        turned = dataclasses.replace(field, rotation=turn)
        image, _ = draw(one("elliptical", angle=1.2), turned, 47.5, 47.5)
        assert position_angle(image[1]) == pytest.approx(1.2 - turn, abs=0.02)


def test_light_over_the_edge_is_cut_and_the_rest_unchanged(field):
    scene = one("spiral")
    inside, _ = draw(scene, field, 47.25, 47.5)
    across, _ = draw(scene, field, 1.25, 94.5)
    np.testing.assert_allclose(across[:, 60:, :40], inside[:, 13:49, 46:86], atol=1e-9)
    assert across.sum() < 0.6 * inside.sum()


def test_objects_far_away_leave_nothing(field):
    image, radius = draw(one("spiral"), field, -300.0, 40.0)
    assert not image.any()
    assert radius[0] == 0


def test_depth_is_the_distance_to_the_nearest_edge():
    assert depth(np.array([0.0, 47.5, 95.5, -3.0]), np.full(4, 47.5), SIZE).tolist() == [0.5, 48.0, 0.0, -2.5]
