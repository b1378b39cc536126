from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.table import Table
from astropy.wcs import WCS

from astrokeras.config import ConvertConfig
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.metadata import fingerprint_of_shards


def test_fingerprint_depends_on_every_checksum_and_their_order():
    assert len({fingerprint_of_shards(sums) for sums in (["a", "b"], ["b", "a"], ["ab"], ["a"], [])}) == 5


def test_tensorflow_datasets_reads_every_record_bit_by_bit(
    sample_records: Path, sample_survey: Path, sample_config: ConvertConfig
):
    """Against the images and the catalogue themselves, by astropy's own cut-outs."""
    builder = tfds.builder_from_directory(sample_records)
    records = RecordsDirectory.load(sample_records)
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == records.counts
    assert tuple(builder.info.features["label"].names) == records.classes
    catalog = Table.read(sample_survey / "catalog.fits")
    row_of = {str(name).strip(): i for i, name in enumerate(catalog["ID"])}
    planes = {}
    for path in (sample_survey / "images").glob("*.fits"):
        pixels, header = fits.getdata(path, 1), fits.getheader(path, 1)
        planes[path.stem] = pixels, WCS(header), np.float32(10 ** (0.4 * (31.4 - header["MAGZPT"])))
    seen = set()
    for split in records.splits:
        for example in builder.as_dataset(split=split).as_numpy_iterator():
            name = example["id"].decode()
            row = catalog[row_of[name]]
            for band_index, band in enumerate(records.bands):
                pixels, wcs, scale = planes[f"{str(row['FIELD']).strip()}_{band}"]
                position = wcs.all_world2pix([[row["RA"], row["DEC"]]], 0)[0]
                window = Cutout2D(pixels, position, records.size, mode="strict").data.astype(np.float32)
                np.testing.assert_array_equal(example["image"][..., band_index], window * scale)
                magnitude = row[f"MAG_AUTO_{band}"]
                missing = np.ma.is_masked(magnitude) or abs(magnitude) > 90
                assert np.isnan(example["magnitudes"][band_index]) == missing
                assert missing or example["magnitudes"][band_index] == np.float32(magnitude)
            label = row["CLASS"]
            kind = "" if np.ma.is_masked(label) else str(label).strip()
            assert example["label"] == (records.classes.index(kind) if kind else -1)
            carried = example[sample_config.catalogue.columns[0]]
            assert carried.dtype == np.float64
            assert carried == np.float64(row[sample_config.catalogue.columns[0]])
            seen.add(name)
    assert len(seen) == sum(records.counts.values())
