import dataclasses
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from astrokeras.config import ConvertConfig, configure
from astrokeras.errors import UsageError
from astrokeras.survey.images import ImageError, Plane
from astrokeras.survey.masks import Companion, hide_bad, parse_companions
from astrokeras.survey.template import ImageTemplate
from tests.sky import tan_header

SHAPE = (6, 5)


def companion(kind: str, bits: int | None = None) -> Companion:
    return Companion(kind, ImageTemplate("x", ("r",)), {}, bits)


def plane(pixels: np.ndarray, header: fits.Header | None = None) -> Plane:
    return Plane(0, pixels, fits.Header() if header is None else header, fits.Header())


def config(**options) -> ConvertConfig:
    return configure(ConvertConfig, images="{field}_{band}.fits", bands=("g", "r"), out="out", **options)


def parse(**options) -> tuple[Companion, ...]:
    settings = config(**options)
    return parse_companions(settings.images, ImageTemplate(settings.images.images, settings.images.bands))


@pytest.mark.parametrize("dtype", ["f4", ">f8", "i2"])
def test_weights_that_are_not_positive_are_bad(dtype: str):
    weights = np.array([[0, -1, 1, 1000]], dtype=dtype)
    assert companion("weight").bad(weights).tolist() == [[True, True, False, False]]
    assert companion("weight").bad(np.array([[np.nan, np.inf, -0.0]])).tolist() == [[True, False, True]]


def test_a_mask_is_bad_where_a_chosen_bit_is_set():
    mask = np.array([[0, 1, 2, 4, 5, -1]], dtype=">i2")
    assert companion("mask").bad(mask).tolist() == [[False, True, True, True, True, True]]
    assert companion("mask", 4).bad(mask).tolist() == [[False, False, False, True, True, True]]
    assert companion("mask", 256).bad(np.array([[255]], dtype=np.uint8)).tolist() == [[False]]
    assert companion("mask", 2**40).bad(np.array([[2**40, 1]])).tolist() == [[True, False]]
    assert companion("mask", 1).bad(np.array([[np.nan, 2.0, 3.0]])).tolist() == [[True, False, True]]
    assert companion("mask").bad(np.array([[True, False]])).tolist() == [[True, False]]


def test_bits_are_values():
    (mask,) = parse(mask="m_{field}.fits", mask_bits="1, 4,8")
    assert mask.bits == 13
    for text in ("0", "-1", "a", "1,", "1.5", str(2**63)):
        with pytest.raises(UsageError, match="--mask-bits"):
            parse(mask="m_{field}.fits", mask_bits=text)


def test_options_without_their_file_are_refused():
    assert parse() == ()
    for option in ("weight_ext", "mask_ext", "mask_bits"):
        with pytest.raises(UsageError, match="goes with"):
            parse(**{option: "1"})
    with pytest.raises(UsageError, match="--weight"):
        parse(weight="{id}.fits")
    with pytest.raises(UsageError, match="--mask nonsense"):
        parse(mask="nonsense{x}")
    with pytest.raises(UsageError, match="--mask-ext"):
        parse(mask="m.fits", mask_ext="g=1")


def test_bad_pixels_become_nan_and_the_others_stay():
    pixels = np.arange(30, dtype=">i2").reshape(SHAPE)
    weights, mask = np.ones(SHAPE), np.zeros(SHAPE, dtype=int)
    weights[1, 2], mask[4, 0] = 0, 2
    hidden = hide_bad(plane(pixels), [(companion("weight"), plane(weights)), (companion("mask"), plane(mask))]).pixels
    expected = pixels.astype(float)
    expected[1, 2] = expected[4, 0] = np.nan
    np.testing.assert_array_equal(np.asarray(hidden), expected)
    np.testing.assert_array_equal(hidden[1:3], expected[1:3])
    assert hidden.shape == SHAPE
    assert pixels[1, 2] == 7  # the image itself is left alone


def test_without_companions_nothing_is_read():
    one = plane(np.zeros(SHAPE))
    assert hide_bad(one, []) is one


def test_another_grid_is_refused():
    header, shifted = tan_header(SHAPE), tan_header(SHAPE)
    shifted["CRPIX1"] += 1
    other = tan_header(SHAPE, angle=30)
    wrong = [plane(np.ones((5, 5)), header), plane(np.ones(SHAPE), shifted), plane(np.ones(SHAPE), other)]
    for weights in wrong:
        with pytest.raises(ImageError) as caught:
            hide_bad(plane(np.ones(SHAPE), header), [(companion("weight"), weights)])
        assert caught.value.reason == "different_grids"
        assert "weight" in str(caught.value)
    bare = hide_bad(plane(np.ones(SHAPE), header), [(companion("weight"), plane(np.ones(SHAPE)))])
    assert np.isfinite(np.asarray(bare.pixels)).all()


def test_a_missing_file_has_a_reason_of_its_own(tmp_path: Path):
    template = ImageTemplate(str(tmp_path / "{field}_{band}.weight.fits"), ("g", "r"))
    for kind in ("weight", "mask"):
        with pytest.raises(ImageError, match="does not exist") as caught:
            next(dataclasses.replace(companion(kind), template=template).planes("A"))
        assert caught.value.reason == f"no_{kind}"


@pytest.mark.parametrize("n_planes", [1, 2])
def test_one_mask_may_serve_all_bands(tmp_path: Path, n_planes: int):
    masks = np.zeros((n_planes, *SHAPE), dtype=np.int16)
    masks[-1, 0, 0] = 1
    fits.PrimaryHDU(masks[0] if n_planes == 1 else masks).writeto(tmp_path / "A.fits")
    template = ImageTemplate(str(tmp_path / "{field}.fits"), ("g", "r"))
    found = [np.asarray(p.pixels)[0, 0] for p in dataclasses.replace(companion("mask"), template=template).planes("A")]
    assert found == ([1, 1] if n_planes == 1 else [0, 1])
