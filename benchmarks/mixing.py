"""How many fields a training batch sees, against what a perfect shuffle of all records gives.

    python benchmarks/mixing.py                                  # 100 fields of 2,000 objects, batches of 64
    python benchmarks/mixing.py --fields 400 --shards 16 64      # with so many shards read in turn

The stamps are tiny, so that the survey is made in a minute; the buffer of the shuffle holds as many of them as it would
of 64×64 pixels in five bands (`STAMP_BYTES`), and so do the tasks of the conversion.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from astrokeras.config import ConvertConfig, configure
from astrokeras.pipeline import dataset
from astrokeras.records.conversion import plan
from astrokeras.records.conversion.convert import convert
from astrokeras.records.directory import RecordsDirectory

SIDE, SIZE, STAMP_BYTES, BATCHES = 256, 4, 64 * 64 * 5 * 4, 500


def make_records(directory: Path, fields: int, objects: int) -> RecordsDirectory:
    """Noise fields, each with the same number of objects, whose number is carried."""
    rng = np.random.default_rng(0)
    for field in range(fields):
        fits.PrimaryHDU(rng.normal(0, 1, (SIDE, SIDE)).astype("f4")).writeto(directory / f"{field}_r.fits")
    number = np.repeat(np.arange(fields), objects)
    positions = {axis: rng.uniform(SIZE, SIDE - SIZE, len(number)) for axis in "xy"}
    Table({"id": np.arange(len(number)), "field": number.astype(str), "number": number, **positions}).write(
        directory / "catalog.fits"
    )
    plan.STAMP_BYTES_PER_TASK = plan.STAMP_BYTES_PER_TASK * SIZE**2 * 4 // STAMP_BYTES
    options = {"columns": ("number",), "size": SIZE, "splits": "train=1", "split_by": "id", "workers": 1}
    images, catalog = str(directory / "{field}_r.fits"), str(directory / "catalog.fits")
    convert(
        configure(
            ConvertConfig, images=images, bands=("r",), out=str(directory / "records"), catalog=catalog, **options
        ),
        report=lambda line: None,
    )
    return RecordsDirectory.load(directory / "records")


def fields_in_batches(records: RecordsDirectory, batch: int, shards: int) -> np.ndarray:
    """Return number of different fields in each of the first batches of an epoch."""
    dataset._PARALLEL_SHARDS = shards
    dataset._BUFFER_BYTES = 256 * 2**20 * SIZE**2 * 4 // STAMP_BYTES
    batches = dataset.training_batches(records, batch, epochs=(0, 1), seed=0, fields=("number",)).take(BATCHES)
    return np.array([len(np.unique(fields["number"])) for _, fields in batches.as_numpy_iterator()])


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=100)
    parser.add_argument("--objects", type=int, default=2000, help="of each field")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 16, 64], help="read in turn")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        records = make_records(Path(directory), given.fields, given.objects)
        number = np.random.default_rng(0).permutation(np.repeat(np.arange(given.fields), given.objects))
        whole = number[: len(number) // given.batch * given.batch].reshape(-1, given.batch)[:BATCHES]
        perfect = np.mean([len(np.unique(batch)) for batch in whole])
        print(f"perfect shuffle: {perfect:.1f} fields in a batch of {given.batch}")
        for shards in given.shards:
            found = fields_in_batches(records, given.batch, shards)
            print(f"{shards} shards in turn: {found.mean():.1f} ({found.mean() / perfect:.2f}), least {found.min()}")


if __name__ == "__main__":
    main()
