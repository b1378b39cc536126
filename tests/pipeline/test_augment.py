import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from astrokeras.errors import UsageError
from astrokeras.pipeline.augment import PROPERTIES, Chain, SurveyInfo, augmentation
from astrokeras.pipeline.augmentations.base import AUGMENTATIONS
from astrokeras.pipeline.dataset import compiled
from astrokeras.tasks.base import TASKS
from astrokeras.tasks.registry import get_task  # noqa: F401 - registers them

BANDS = ("g", "r", "i")
FACTS = SurveyInfo(BANDS, (50.0, 40.0, 30.0), (10.0, 5.0, 2.0), "nJy")
# One of each, as a user would write it; a new augmentation belongs here.
SPECS = {
    "dihedral": "dihedral",
    "shift": "shift(2)",
    "rotate": "rotate",
    "zoom": "zoom(0.9,1.1)",
    "noise": "noise(0.5)",
    "blur": "blur(1.5)",
    "erase": "erase(0.3)",
    "drop_band": "drop_band(0.4)",
    "brightness": "brightness(0.2)",
    "redden": "redden(0.3)",
}
EVERYTHING = "|".join(SPECS.values())


def stamps(count: int = 16, size: int = 12) -> np.ndarray:
    """Sky with a bright object in the middle; the first stamp has a missing pixel, the second a missing band."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    blob = 1000 * np.exp(-(x**2 + y**2) / (2 * 1.3**2))
    flux = rng.normal(FACTS.sky, FACTS.noise, (count, size, size, len(BANDS))) + blob[..., None]
    flux[0, 3, 4, 0] = np.nan
    flux[1, :, :, 2] = np.nan
    return flux.astype(np.float32)


def draws(count: int, n_draws: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((count, n_draws), np.float32)


def made(spec: str, broken_by: dict[str, frozenset[str]] | None = None) -> Chain:
    chain = augmentation(spec, FACTS, broken_by)
    assert chain is not None
    return chain


def test_every_augmentation_is_tested_here():
    assert set(SPECS) == set(AUGMENTATIONS.names())


@pytest.mark.parametrize("spec", [*SPECS.values(), EVERYTHING])
def test_shape_type_and_missing_pixels(spec: str):
    chain, flux = made(spec), stamps()
    result = ops.convert_to_numpy(chain(flux, draws(16, chain.n_draws)))
    assert result.shape == flux.shape
    assert result.dtype == np.float32
    assert not np.isinf(result).any()
    # What is not known before is not known after: a missing band stays so.
    assert np.isnan(result[1, :, :, 2]).all()
    assert np.isfinite(result).mean() > 0.3


@pytest.mark.parametrize("spec", [*SPECS.values(), EVERYTHING])
def test_eager_and_tf_data_agree(spec: str):
    chain, flux = made(spec), stamps()
    numbers = draws(16, chain.n_draws)
    batches = tf.data.Dataset.from_tensor_slices((flux, numbers)).batch(16)
    for function in (chain, compiled(chain, flux.shape[1])):
        inside = batches.map(function).get_single_element()
        assert inside.shape[1:] == flux.shape[1:]
        np.testing.assert_allclose(inside, chain(flux, numbers), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("spec", [*SPECS.values(), EVERYTHING])
def test_an_example_does_not_depend_on_those_beside_it(spec: str):
    chain, flux = made(spec), stamps()
    numbers = draws(16, chain.n_draws)
    whole = ops.convert_to_numpy(chain(flux, numbers))
    parts = [ops.convert_to_numpy(chain(flux[part], numbers[part])) for part in (slice(0, 3), slice(3, 16))]
    np.testing.assert_allclose(whole, np.concatenate(parts), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("spec", [*SPECS.values(), EVERYTHING])
def test_bfloat16_is_float32_rounded(spec: str):
    chain = made(spec)
    half = ops.cast(stamps(), "bfloat16")
    numbers = draws(16, chain.n_draws)
    result = chain(half, numbers)
    assert result.dtype == tf.bfloat16
    exact = ops.convert_to_numpy(chain(ops.cast(half, "float32"), numbers))
    # Eight bits of mantissa, rounded once by each step of the chain.
    np.testing.assert_allclose(ops.convert_to_numpy(ops.cast(result, "float32")), exact, rtol=0.02, atol=1.0)


@pytest.mark.parametrize("spec", [*SPECS.values(), EVERYTHING])
def test_other_draws_give_another_result(spec: str):
    chain, flux = made(spec), stamps()
    first, again, other = (ops.convert_to_numpy(chain(flux, draws(16, chain.n_draws, seed=seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other, equal_nan=True)


def test_each_says_what_it_changes_in_known_words():
    for spec in SPECS.values():
        assert made(spec).changes
        assert made(spec).changes <= set(PROPERTIES)
    assert made("dihedral|noise(1)").changes == {"orientation", "noise"}


def test_moves_side_by_side_interpolate_once():
    """A rotation and a shift at once are sharper than one after the other."""
    flux = stamps()[2:]
    both = made("rotate|shift(2)")
    numbers = draws(14, 3)
    once = ops.convert_to_numpy(both(flux, numbers))
    twice = made("shift(2)")(made("rotate")(flux, numbers[:, :1]), numbers[:, 1:])
    middle = (slice(None), slice(4, 8), slice(4, 8))
    assert np.nanstd(once[middle]) > np.nanstd(ops.convert_to_numpy(twice)[middle])
    np.testing.assert_allclose(np.nanmean(once[middle]), np.nanmean(twice[middle]), rtol=0.05)


@pytest.mark.parametrize("spec", ["rotate", "shift(3)", "zoom(0.8,0.9)", "rotate|blur(1)|shift(2.5)"])
def test_what_lies_around_the_crop_fills_it(spec: str):
    """The result of a large stamp, cropped, is that of the crop with its surroundings; nothing is missing."""
    rng = np.random.default_rng(3)
    large = rng.normal(50, 10, (8, 56, 56, 3)).astype(np.float32)
    chain = made(spec)
    margin = chain.margin(16)
    assert margin > 0
    start = 20 - margin
    around = large[:, start : 56 - start, start : 56 - start]
    numbers = draws(8, chain.n_draws)
    result = ops.convert_to_numpy(chain(around, numbers, 16))
    assert np.isfinite(result).all()
    whole = ops.convert_to_numpy(chain(large, numbers))[:, 20:36, 20:36]
    # The blur reaches further than its margin of three standard deviations, by a weight of a few thousandths.
    np.testing.assert_allclose(result, whole, atol=0.2 if "blur" in spec else 1e-3)


def test_a_margin_that_is_not_there_is_missing():
    chain = made("shift(3)")
    result = ops.convert_to_numpy(chain(stamps()[2:], np.full((14, 2), 0.999, np.float32)))
    missing = np.isnan(result[0, :, :, 0])
    assert missing[9:].all()
    assert missing[:, 9:].all()
    assert not missing[:9, :9].any()


def test_none_and_default():
    assert augmentation("none", FACTS) is None
    assert str(augmentation("default", FACTS)) == "dihedral"
    assert str(augmentation("default", FACTS, {"magnitudes": frozenset({"brightness"})})) == "dihedral"
    assert augmentation("default", FACTS, {"rotation": frozenset({"orientation"})}) is None


def test_every_task_speaks_of_known_properties_and_has_a_default_that_is_safe():
    for name in TASKS.names():
        broken_by = TASKS.get(name).broken_by
        assert broken_by <= set(PROPERTIES)
        chosen = augmentation("default", FACTS, {name: broken_by})
        assert chosen is None or not chosen.changes & broken_by
    with pytest.raises(UsageError, match=r"zoom\(0.9,1.1\) changes the size .*task 'magnitudes'"):
        augmentation("zoom(0.9,1.1)", FACTS, {"magnitudes": TASKS.get("magnitudes").broken_by})


def test_an_augmentation_that_falsifies_a_target_is_refused_with_the_reason():
    broken_by = {"magnitudes": frozenset({"brightness", "colours", "size"}), "rotation": frozenset({"orientation"})}
    for spec in ("zoom(0.9,1.1)", "dihedral|redden(0.1)", "brightness(0.1)"):
        with pytest.raises(UsageError, match=r"changes the .* would falsify the targets of task 'magnitudes'; leave"):
            augmentation(spec, FACTS, {"magnitudes": broken_by["magnitudes"]})
    for spec in ("dihedral", "noise(1)|rotate(10)"):
        with pytest.raises(UsageError, match=r"changes the orientation .*task 'rotation'"):
            augmentation(spec, FACTS, broken_by)
    assert augmentation("shift(2)|noise(1)|blur(1)|erase(0.1)", FACTS, broken_by) is not None


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("dihedrals", "augmentation 'dihedrals' is unknown; did you mean dihedral"),
        ("none|dihedral", "augmentation 'none' is unknown"),
        ("shift", "--augment shift: pixels is missing .*it is written shift\\(pixels, whole=no\\)"),
        ("zoom(0.1,1)", "low is 0.1, expected a number from 0.5 to 2"),
        ("zoom(1.1,0.9)", "low is above high"),
        ("dihedral(2)", "1 arguments without a name, expected at most 0; it is written dihedral"),
        ("erase(0.2", "cannot be read: .*does not fit"),
    ],
)
def test_errors_say_what_is_wrong(spec: str, message: str):
    with pytest.raises(UsageError, match=message):
        augmentation(spec, FACTS)


@pytest.mark.parametrize("spec", ["redden(0.1)", "brightness(0.1)", "zoom(0.9,1.1)"])
def test_pictures_have_no_flux_to_scale(spec: str):
    picture = SurveyInfo(("i", "r", "g"), (5.0,) * 3, (2.0,) * 3, "display")
    with pytest.raises(UsageError, match="levels of JPEG or PNG"):
        augmentation(spec, picture)
    assert augmentation("zoom(0.9,1.1,keep=surface)|noise(1)", picture) is not None


def test_a_chain_that_would_be_compiled_for_ever_is_refused():
    assert len(augmentation("|".join(["shift(1)", "noise(0.1)"] * 16), FACTS).steps) == 32
    with pytest.raises(UsageError, match=r"^--augment: 33 augmentations one after the other, at most 32 are possible$"):
        augmentation("|".join(["dihedral"] * 33), FACTS)
    with pytest.raises(UsageError, match=r"^--augment 'noise\(0.1\).*'… has 54,999 characters, at most 2,000"):
        augmentation("|".join(["noise(0.1)"] * 5000), FACTS)
