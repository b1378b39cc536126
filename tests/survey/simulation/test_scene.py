import numpy as np
import pytest

from astrokeras.survey.simulation.scene import CLASSES, draw_scene, wavelengths

BANDS = ("u", "g", "r", "i", "z")


@pytest.fixture(scope="module")
def scene():
    return draw_scene(np.random.Generator(np.random.PCG64(0)), 5000, BANDS)


def magnitudes(scene):
    return 31.4 - 2.5 * np.log10(scene.flux.sum(axis=1))


@pytest.mark.parametrize(
    "bands",
    [
        BANDS,
        ("u", "J0378", "J0395", "J0410", "J0430", "g", "J0515", "r", "J0660", "i", "J0861", "z"),
        ("first", "second", "third"),
        ("u", "odd", "i", "other"),
        ("VIS", "Y", "J", "H", "longest"),
        ("r",),
    ],
)
def test_bands_in_order_of_wavelength_get_rising_wavelengths(bands):
    lam = wavelengths(bands)
    assert lam.shape == (len(bands),)
    assert np.all(np.diff(lam) > 0)
    assert np.all((lam > 0.3) & (lam < 2.5))


def test_known_bands_keep_their_wavelength_beside_unknown_ones():
    lam = wavelengths(("u", "odd", "i"))
    assert lam == pytest.approx([0.36, 0.56, 0.76])


def test_reference_magnitude_is_that_of_r(scene):
    assert np.std(magnitudes(scene)[:, 2] - scene.magnitude) == pytest.approx(0.03, rel=0.1)
    galaxies = scene.magnitude[scene.kind != "star"]
    assert 17 <= galaxies.min() < 17.5
    assert 23.4 < galaxies.max() <= 23.5


def test_counts_rise_with_magnitude(scene):
    counts, _ = np.histogram(scene.magnitude[scene.kind != "star"], np.arange(17.5, 23.6, 1))
    assert np.all(np.diff(counts) > 0)


def test_every_class_is_there_and_has_its_colour(scene):
    colour = magnitudes(scene)[:, 1] - magnitudes(scene)[:, 2]
    medians = {name: np.median(colour[scene.kind == name]) for name in CLASSES}
    assert medians["irregular"] < medians["spiral"] - 0.2 < medians["elliptical"] - 0.4


def test_faint_galaxies_are_small_and_stars_are_points(scene):
    galaxy = scene.kind != "star"
    assert np.all(scene.radius[~galaxy] == 0)
    assert np.all(scene.flux[~galaxy, 1] == 0)
    faint = scene.magnitude > 22
    assert np.median(scene.radius[galaxy & faint]) < 0.5 * np.median(scene.radius[galaxy & (scene.magnitude < 19)])


def test_disc_is_bluer_than_bulge(scene):
    ratio = scene.flux[scene.kind == "spiral", 1] / scene.flux[scene.kind == "spiral", 0]
    assert np.all(np.diff(ratio, axis=1) < 0)
