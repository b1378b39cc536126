"""Small surveys written by hand, for tests that must know every pixel."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from astrokeras.config import ConvertConfig, configure
from astrokeras.records.conversion.convert import convert
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.example import decode
from astrokeras.records.tfrecord import read

SCALE = 0.5 / 3600  # degrees a pixel


def tan_header(
    shape: tuple[int, int], ra: float = 150.0, dec: float = 2.0, *, angle: float = 0.0, axes: str = "RA DEC"
) -> fits.Header:
    """A gnomonic WCS whose reference point is the middle of the image, turned by `angle` degrees."""
    height, width = shape
    first, second = axes.split()
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = f"{first:-<5}TAN", f"{second:-<5}TAN"
    header["CRVAL1"], header["CRVAL2"] = ra, dec
    header["CRPIX1"], header["CRPIX2"] = (width + 1) / 2, (height + 1) / 2
    header["CD1_1"], header["CD1_2"] = -SCALE * cos, SCALE * sin
    header["CD2_1"], header["CD2_2"] = SCALE * sin, SCALE * cos
    return header


def write_image(path: Path, pixels: np.ndarray, header: fits.Header | None = None, **cards: float | str) -> Path:
    """A plain FITS image."""
    header = fits.Header() if header is None else header.copy()
    header.update(cards)
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(pixels, header).writeto(path)
    return path


def noise_image(seed: int, shape: tuple[int, int] = (96, 80)) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 5, shape).astype(np.float32)


VISITS = ("A", "B", "C")


def write_visits(directory: Path, count: int) -> Path:
    """Three visits of one field; every third object is seen once only and has no name in the column `galaxy`."""
    for index, visit in enumerate(VISITS):
        for band in "gr":
            write_image(directory / f"{visit}_{band}.fits", noise_image(index))
    x, y = np.random.default_rng(0).uniform(10, 65, (2, count))
    names = [f"NGC {n:02d}" if n % 3 else "" for n in range(count)]
    rows = [(f"{n}{v}", names[n], v, x[n], y[n]) for v in VISITS for n in range(count) if n % 3 or v == "A"]
    Table(rows=rows, names=["id", "galaxy", "field", "x", "y"]).write(directory / "catalog.fits")
    return directory


def config_for(directory: Path, **options) -> ConvertConfig:
    """Options for a survey in `directory`: two bands, stamps of 16 pixels, one process."""
    defaults = {
        "images": str(directory / "{field}_{band}.fits"),
        "bands": ("g", "r"),
        "out": str(directory / "records"),
        "catalog": str(directory / "catalog.fits"),
        "size": 16,
        "workers": 1,
        # Too small for areas of sky.
        **({} if options.keys() & {"split_column", "splits_from"} else {"split_by": "id"}),
    }
    return configure(ConvertConfig, **{**defaults, **options})


def run(config: ConvertConfig) -> tuple[RecordsDirectory, dict[str, dict], dict[str, str]]:
    """Convert; return the records, every example by id (with its split), and every reject's reason by id."""
    convert(config, report=lambda line: None)
    records = RecordsDirectory.load(config.running.out)
    return records, examples_of(records), rejects_of(records)


def examples_of(records: RecordsDirectory) -> dict[str, dict]:
    shape = (records.size, records.size, len(records.bands))
    examples = {}
    for split in records.splits:
        for shard in records.shards(split):
            for example in map(decode, read(Path(shard))):
                image = np.frombuffer(example["image"], "<f4").reshape(shape)
                examples[example["id"].decode()] = {**example, "image": image, "split": split}
    return examples


def rejects_of(records: RecordsDirectory) -> dict[str, str]:
    table = Table.read(records.path / "rejects.ecsv")
    return {str(row["id"]): str(row["reason"]) for row in table}
