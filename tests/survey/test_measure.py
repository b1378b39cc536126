import numpy as np
import pytest
from photutils.profiles import CurveOfGrowth
from photutils.segmentation import SegmentationImage, SourceCatalog

from astrokeras.config import ConvertConfig, configure, values_of
from astrokeras.survey.catalog import read_catalog
from astrokeras.survey.cutting import cut_field, parse_cutting
from astrokeras.survey.measure import SHAPES, measure, measure_stamp
from astrokeras.survey.stamps import fits_inside, window_start

SIZE = 64
CENTRE = np.array([31.7]), np.array([31.4])
FLUX = np.array([20000.0, 40000.0])
NOISE = np.array([5.0, 8.0])


def blob(x: float, y: float, a: float, b: float, angle: float = 0.0) -> np.ndarray:
    """A Gaussian of unit sum, `angle` degrees from +x towards +y."""
    rows, columns = np.indices((SIZE, SIZE))
    dx, dy, t = columns - x, rows - y, np.radians(angle)
    along, across = dx * np.cos(t) + dy * np.sin(t), dy * np.cos(t) - dx * np.sin(t)
    return np.exp(-0.5 * ((along / a) ** 2 + (across / b) ** 2)) / (2 * np.pi * a * b)


def stamps_of(light: np.ndarray, n: int = 1, sky: float = 100.0, seed: int = 0) -> np.ndarray:
    """`n` stamps of `light` (sum 1) in two bands."""
    noise = np.random.default_rng(seed).normal(sky, NOISE, (n, SIZE, SIZE, 2))
    return (light[..., None] * FLUX + noise).astype(np.float32)


def measured(stamps: np.ndarray) -> dict[str, np.ndarray]:
    n = len(stamps)
    found = measure(stamps, np.repeat(CENTRE[0], n), np.repeat(CENTRE[1], n))
    return {"flux": found.flux, "flux_error": found.flux_error, **found.shapes}


def test_flux_and_its_error_of_stars():
    found = measured(stamps_of(blob(31.7, 31.4, 2, 2), n=200))
    assert np.median(found["flux"] / FLUX, axis=0) == pytest.approx([1, 1], abs=0.005)
    pull = (found["flux"] - FLUX) / found["flux_error"]
    assert pull.std(axis=0) == pytest.approx([1, 1], abs=0.2)


@pytest.mark.parametrize(("a", "b", "angle"), [(3, 3, 0), (4, 2, 30), (4, 2, -60), (3.5, 2.5, 85), (3, 2, 0)])
def test_shapes_of_ellipses(a: float, b: float, angle: float):
    found = measured(stamps_of(blob(31.7, 31.4, a, b, angle), n=9))
    # The second moments are those of the pixels above the threshold, hence not exactly a and b.
    assert np.median(found["ellipticity"]) == pytest.approx(1 - b / a, abs=0.03)
    if a > b:
        difference = (found["position_angle"] - angle + 90) % 180 - 90
        assert np.median(difference) == pytest.approx(0, abs=2)
    if a == b:  # of a Gaussian the radii that hold a share f are sigma sqrt(-2 ln(1 - f))
        assert np.median(found["half_light_radius"]) == pytest.approx(a * np.sqrt(2 * np.log(2)), rel=0.02)
        ratio = np.sqrt(np.log(0.2) / np.log(0.8))
        assert np.median(found["concentration"]) == pytest.approx(5 * np.log10(ratio), abs=0.1)


def test_photutils_measures_the_same():
    stamp = stamps_of(blob(31.7, 31.4, 4, 2, 30))[0]
    found = measured(stamp[None])
    image = stamp[..., 0].astype(float) - 100
    segment = SegmentationImage((blob(31.7, 31.4, 4, 2, 30) * FLUX[0] > 10).astype(int))
    other = SourceCatalog(image, segment, kron_params=(2.5, 1.0, 0.0))
    assert found["flux"][0, 0] == pytest.approx(float(other.kron_flux[0]), rel=0.01)
    assert found["ellipticity"][0] == pytest.approx(float(np.ravel(other.ellipticity.value)[0]), abs=0.03)
    assert found["position_angle"][0] == pytest.approx(float(np.ravel(other.orientation.value)[0]), abs=2)
    growth = CurveOfGrowth(image, (31.7, 31.4), np.arange(1, 20))
    growth.normalize()
    assert found["half_light_radius"][0] == pytest.approx(float(growth.calc_radius_at_ee(0.5)), rel=0.03)


def test_neighbours_do_not_count():
    alone = blob(31.7, 31.4, 2, 2)
    crowded = alone + 3 * blob(44, 36, 2, 2) + blob(10, 12, 3, 2)
    one, other = (measured(stamps_of(light, n=20)) for light in (alone, crowded))
    assert np.median(other["flux"] / one["flux"], axis=0) == pytest.approx([1, 1], abs=0.01)
    assert np.median(other["half_light_radius"] / one["half_light_radius"]) == pytest.approx(1, abs=0.02)


def test_bad_pixels_are_filled_from_the_other_side():
    whole = stamps_of(blob(31.7, 31.4, 2, 2))
    holes = whole.copy()
    holes[0, 33:35, 31:33, 0] = np.nan
    holes[0, :, 40, :] = np.nan
    one, other = measured(whole), measured(holes)
    assert other["flux"] / one["flux"] == pytest.approx(np.ones((1, 2)), abs=0.02)
    core = whole.copy()
    core[0, 30:34, 30:34, 0] = np.nan
    blind = measured(core)
    assert np.isnan(blind["flux"][0, 0])
    assert blind["flux"][0, 1] == pytest.approx(one["flux"][0, 1], rel=0.05)


def test_bands_are_weighted_whatever_their_unit():
    stamps = stamps_of(blob(31.7, 31.4, 2, 2))
    units = np.array([1e-12, 1e6], dtype=np.float32)
    one, other = measured(stamps), measured(stamps * units)
    assert other["flux"] / units == pytest.approx(one["flux"], rel=0.02)


@pytest.mark.parametrize(
    "stamp",
    [
        np.full((SIZE, SIZE, 2), np.nan),
        np.zeros((SIZE, SIZE, 2)),
        np.full((SIZE, SIZE, 2), 1e38),
        np.random.default_rng(0).normal(0, 1, (SIZE, SIZE, 2)),
        np.where(np.arange(SIZE * SIZE * 2).reshape(SIZE, SIZE, 2) % 2, np.nan, 1.0),
        np.random.default_rng(0).normal(0, 1, (4, 4, 2)),
    ],
    ids=["nan", "zero", "flat", "sky", "half", "tiny"],
)
def test_what_cannot_be_measured_is_nan(stamp: np.ndarray):
    found = measure(stamp[None].astype(np.float32), *CENTRE)
    assert np.isnan(found.flux).all()
    assert np.isnan(found.flux_error).all()
    assert set(found.shapes) == set(SHAPES)
    assert all(np.isnan(values).all() for values in found.shapes.values())
    assert measure_stamp(stamp.astype(np.float32), 31.5, 31.5) is None


def test_a_missing_band_leaves_the_others():
    stamps = stamps_of(blob(31.7, 31.4, 2, 2))
    whole = measure(stamps, *CENTRE)
    stamps[..., 1] = np.nan
    found = measure(stamps, *CENTRE)
    assert np.isnan([found.flux[0, 1], found.flux_error[0, 1]]).all()
    assert found.flux[0, 0] == pytest.approx(whole.flux[0, 0], rel=0.02)


def test_any_stamp_gives_numbers_or_nan():
    rng = np.random.default_rng(0)
    for _ in range(60):
        size = int(rng.integers(4, 40))
        stamp = rng.normal(0, 1, (size, size, 3)) * 10.0 ** rng.integers(-20, 20, 3)
        stamp[rng.random(stamp.shape) < rng.choice([0, 0.3, 0.9])] = np.nan
        stamp[size // 2, size // 2] *= 1e6
        found = measure(stamp[None].astype(np.float32), np.array([size / 2]), np.array([size / 2]))
        assert found.flux.shape == (1, 3)
        assert not np.isinf(found.flux).any()


def test_magnitudes_below_their_noise_are_missing():
    found = measure(stamps_of(blob(31.7, 31.4, 2, 2)) * np.float32([1, 0]) + stamps_of(np.zeros((SIZE, SIZE))), *CENTRE)
    found.flux[0, 1] = found.flux_error[0, 1] / 2
    magnitudes, errors = found.magnitudes(31.4)
    assert magnitudes[0, 0] == pytest.approx(31.4 - 2.5 * np.log10(FLUX[0]), abs=0.02)
    assert errors[0, 0] == pytest.approx(1.0857 * found.flux_error[0, 0] / found.flux[0, 0], rel=1e-3)
    assert np.isnan(magnitudes[0, 1])
    assert np.isnan(errors[0, 1])


def test_true_magnitudes_of_a_simulated_survey(sample_config: ConvertConfig):
    catalog = read_catalog(
        configure(
            ConvertConfig,
            **{**values_of(sample_config), "columns": ("MAG_TRUE_g", "MAG_TRUE_r", "MAG_TRUE_i", "X", "Y"), "size": 64},
        )
    )
    x, y = catalog.columns["X"], catalog.columns["Y"]
    rows = np.flatnonzero((catalog.fields == "F00") & fits_inside(x, y, 64, (256, 256)))
    cutting = parse_cutting(configure(ConvertConfig, **{**values_of(sample_config), "size": 64}))
    stamps = np.concatenate([piece.pixels.copy() for piece in cut_field(cutting, "F00", x[rows], y[rows])])
    found = measure(stamps, x[rows] - window_start(x[rows], 64), y[rows] - window_start(y[rows], 64))
    magnitudes, _ = found.magnitudes(31.4)
    for band, name in enumerate("gri"):
        true = catalog.columns[f"MAG_TRUE_{name}"][rows]
        bright = true < 21
        assert np.isfinite(magnitudes[bright, band]).mean() > 0.9
        # Apertures of finite size miss light: 0 to 2 % of a star's, more of a galaxy's with wide wings.
        assert 0 < np.nanmedian(magnitudes[bright, band] - true[bright]) < 0.06
