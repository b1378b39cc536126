"""Records of round blobs, small enough for every unit test and known to the last pixel."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from astrokeras.files import write_json
from astrokeras.records import example, metadata, tfrecord
from astrokeras.records.directory import RecordsDirectory

BANDS = ("g", "r", "i")
NOISE = 10.0
SKY = 50.0


def draw(rng: np.random.Generator, count: int, size: int, bands: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Stamps [N, S, S, B] in nJy with their true magnitudes [N, B] and a label that the colour gives away."""
    magnitudes = rng.uniform(19, 22, (count, 1)) + rng.normal(0, 0.4, (count, len(bands)))
    flux = 10 ** (0.4 * (31.4 - magnitudes))
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    blob = np.exp(-(x**2 + y**2) / (2 * 2.0**2))
    noise = rng.normal(SKY, NOISE, (count, size, size, len(bands)))
    stamps = noise + flux[:, None, None, :] * (blob / blob.sum())[None, :, :, None]
    labels = np.where(magnitudes[:, 0] > magnitudes[:, -1], 1, 0)
    return {"image": stamps.astype(np.float32), "magnitudes": magnitudes.astype(np.float32), "label": labels}


def write_records(  # noqa: PLR0913 - every one is a keyword
    path: Path,
    *,
    counts: dict[str, int],
    size: int = 16,
    bands: tuple[str, ...] = BANDS,
    shards: int = 3,
    missing: float = 0.1,
    without_magnitudes: tuple[str, ...] = (),
    seed: int = 0,
    name_of: Callable[[str, int], str] = "{}-{}".format,
) -> RecordsDirectory:
    """A records directory as `astrokeras convert` leaves it.

    Args:
        path: where.
        counts: number of records by split.
        size: side of the stamps.
        bands: names.
        shards: files a split; the last one is left without records if there are more than one.
        missing: fraction of the magnitudes that is NaN; a tenth of the stamps has a NaN pixel too.
        without_magnitudes: bands of which all magnitudes are NaN.
        seed: of everything drawn.
        name_of: the id, from the split and the number within it.
    """
    path.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    splits: dict[str, Any] = {}
    for split, count in counts.items():
        drawn = draw(rng, count, size, bands)
        drawn["magnitudes"][rng.random(drawn["magnitudes"].shape) < missing] = np.nan
        drawn["magnitudes"][:, [bands.index(band) for band in without_magnitudes]] = np.nan
        drawn["image"][rng.random(count) < 0.1, 1, 2, 0] = np.nan
        drawn["label"][rng.random(count) < 0.3] = -1
        redshift = rng.random(count)
        serialized = [
            example.encode(
                {
                    "id": name_of(split, i).encode(),
                    "image": drawn["image"][i].tobytes(),
                    "magnitudes": drawn["magnitudes"][i],
                    "magnitude_errors": np.full(len(bands), 0.05, np.float32),
                    "label": drawn["label"][i : i + 1].astype(np.int64),
                    "redshift": redshift[i : i + 1].tobytes(),
                }
            )
            for i in range(count)
        ]
        parts = np.array_split(np.arange(count), max(shards - 1, 1)) + [np.arange(0)] * (shards > 1)
        listed = []
        for index, part in enumerate(parts):
            file = f"blobs-{split}.tfrecord-{index:05d}-of-{shards:05d}"
            shard = tfrecord.write(path / file, [serialized[i] for i in part])
            listed.append({"file": file, "records": shard.records, "bytes": shard.bytes, "crc32c": shard.crc32c})
        splits[split] = {"count": count, "labels": {}, "unlabelled": 0, "magnitudes": {}, "shards": listed}
    content = {
        "records_format": metadata.RECORDS_FORMAT,
        "name": "blobs",
        "bands": list(bands),
        "size": size,
        "unit": "nJy",
        "classes": ["blue", "red"],
        "columns": ["redshift"],
        "sky": [SKY] * len(bands),
        "noise": [NOISE] * len(bands),
        "splits": splits,
        "fingerprint": metadata.fingerprint_of_shards(s["crc32c"] for c in splits.values() for s in c["shards"]),
        "options": {},
    }
    write_json(path / metadata.CONVERT_JSON, content)
    return RecordsDirectory.load(path)
