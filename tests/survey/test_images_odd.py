"""Files that are no files, tables of distortions, and axes the other way round, through a whole conversion."""

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS, DistortionLookupTable

from astrokeras.records.conversion.detected_catalog import DETECTED
from tests.sky import config_for, run, tan_header, write_image

SHAPE = (100, 120)


def coded() -> np.ndarray:
    """Pixel (x, y) holds x + 1000 y."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (x + 1000 * y).astype(np.float32)


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path, kind: str):
    write_image(tmp_path / "A_g.fits", coded())
    write_image(tmp_path / "A_r.fits", coded())
    odd = tmp_path / "B_r.fits"
    write_image(tmp_path / "B_g.fits", coded())
    if kind == "fifo":
        os.mkfifo(odd)
    else:
        odd.symlink_to("/dev/zero")
    table = Table({"id": ["a", "b"], "field": ["A", "B"], "x": [50.0, 50.0], "y": [40.0, 40.0]})
    table.write(tmp_path / "catalog.fits")
    _, examples, rejects = run(config_for(tmp_path, splits="train=1"))
    assert set(examples) == {"a"}
    assert set(rejects) == {"b"}


@pytest.mark.parametrize("kind", ["det2im", "cpdis"])
def test_tables_of_distortions_move_objects_by_what_they_hold(tmp_path: Path, kind: str):
    """By astropy's own writer; the tables say that the true x is 3 pixels larger and the true y 2 pixels smaller."""
    header = tan_header(SHAPE)
    plain = WCS(header)
    wcs = WCS(header)
    for axis, shift in ((1, 3.0), (2, -2.0)):
        table = DistortionLookupTable(np.full((2, 2), shift, np.float32), (1, 1), (1, 1), (SHAPE[1] - 1, SHAPE[0] - 1))
        setattr(wcs, f"{kind}{axis}", table)
    hdus = wcs.to_fits(relax=True)
    hdus[0].data = coded()
    for band in "gr":
        hdus.writeto(tmp_path / f"A_{band}.fits")
    x, y = np.array([40.3, 70.6]), np.array([50.2, 30.7])
    ra, dec = plain.all_pix2world(x, y, 0)
    Table({"id": ["a", "b"], "field": ["A", "A"], "ra": ra, "dec": dec}).write(tmp_path / "catalog.fits")
    _, examples, _ = run(config_for(tmp_path, splits="train=1"))
    for name, column, row in zip("ab", x - 3, y + 2, strict=True):
        first = np.ceil(column - 8) + 1000 * np.ceil(row - 8)
        assert examples[name]["image"][0, 0].tolist() == [first, first]


def swapped(header: fits.Header) -> fits.Header:
    """The WCS of the transposed image: latitude along the first axis."""
    other = fits.Header()
    for name in ("CTYPE", "CRVAL", "CRPIX"):
        other[f"{name}1"], other[f"{name}2"] = header[f"{name}2"], header[f"{name}1"]
    for i, j in ((1, 1), (1, 2), (2, 1), (2, 2)):
        other[f"CD{i}_{j}"] = header[f"CD{3 - i}_{3 - j}"]
    return other


def test_swapped_axes_change_neither_splits_nor_stamps_nor_what_is_detected(tmp_path: Path):
    rng = np.random.default_rng(5)
    header = tan_header(SHAPE, angle=20.0)
    x, y = rng.uniform(20, 100, 40) // 1 + 0.3, rng.uniform(20, 80, 40) // 1 + 0.3
    ra, dec = WCS(header).all_pix2world(x, y, 0)
    pixels = rng.normal(0, 1, SHAPE).astype(np.float32)
    pixels[np.round(y).astype(int), np.round(x).astype(int)] += 500
    found = {}
    for name, image, cards in (("as usual", pixels, header), ("swapped", pixels.T, swapped(header))):
        directory = tmp_path / name
        for band in "gr":
            write_image(directory / f"A_{band}.fits", np.ascontiguousarray(image), cards)
        ids = [f"o{i}" for i in range(len(ra))]
        Table({"id": ids, "field": ["A"] * len(ra), "ra": ra, "dec": dec}).write(directory / "catalog.fits")
        config = config_for(directory, split_by="sky", cell_size=0.3, size=8, splits="train=0.5,test=0.5")
        _, examples, rejects = run(config)
        run(config_for(directory, catalog=None, detect="g", splits="train=1", out=str(directory / "detected")))
        detected = Table.read(directory / "detected" / DETECTED)
        found[name] = examples, rejects, np.sort(np.round(np.asarray(detected["RA"]), 7))
    (usual, rejects, sources), (other, others_rejects, others_sources) = found.values()
    assert usual.keys() == other.keys() and len(usual) > 5 and rejects == others_rejects
    assert {example["split"] for example in usual.values()} == {"train", "test", "margin"}
    for name, example in usual.items():
        assert example["split"] == other[name]["split"]
        np.testing.assert_array_equal(example["image"], other[name]["image"].transpose(1, 0, 2))
    np.testing.assert_allclose(sources, others_sources, atol=1e-6)
