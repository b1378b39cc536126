"""How fast `astrokeras embed` is, against bare `model.predict` on tensors in memory, and how much memory it takes.

    python benchmarks/predict.py                              # speed: medians of turns with the reference
    python benchmarks/predict.py --memory 2000 20000 200000   # peak memory of a process against the number of objects

Speed: the same network on the same stamps (64×64 in 5 bands), in one process, a pass in turn. A pass of ours is the
whole command but for its start: shards are read and checked, results are kept piece by piece, the table is written. The
reference is `model.predict` of Keras on an array in memory. `predict` goes the same way as `embed`.

Memory: `astrokeras embed` in a process of its own, on stamps of 16×16 in 3 bands, of which a shard of 1,000 stands for
all others, so that a large survey takes no disk.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
from training import make_records

from astrokeras.config import EmbedConfig
from astrokeras.embedding.embed import embed
from astrokeras.files import write_json
from astrokeras.models.encoder import build_encoder
from astrokeras.progress import not_shown
from astrokeras.records import example, metadata, tfrecord
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.objects import OBJECTS, Column, write_objects

BANDS, SIZE, A_SHARD = ("g", "r", "i"), 16, 1000
NETWORKS = {"compact": {"backbone": "compact"}, "mobilenet_v2 at 96 px": {"backbone": "mobilenet_v2", "resize": 96}}


def quiet(config: EmbedConfig) -> dict:
    """Embed without a word."""
    return embed(config, lambda line: None, not_shown)


def measure_speed(count: int, turns: int, batch_size: int) -> None:
    """Print passes of both, and the ratio of their speeds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        records = make_records(path / "records", count)
        stamps = np.concatenate([_flux(records, split) for split in records.splits])
        for name, options in NETWORKS.items():
            encoder = build_encoder(records, weights=None, **options)
            encoder.save(path / "encoder.keras")
            ours, reference = [], []
            config = EmbedConfig(
                encoder=str(path / "encoder.keras"), data=str(records.path), out=str(path / "e.parquet"),
                batch_size=batch_size, overwrite=True,
            )  # fmt: skip
            model = keras.models.load_model(path / "encoder.keras", compile=False)
            for _ in range(turns + 1):
                reference.append(_seconds(lambda: model.predict(stamps, batch_size=batch_size, verbose=0)))  # noqa: B023
                ours.append(_seconds(lambda: quiet(config)))  # noqa: B023
            ours, reference = ours[1:], reference[1:]  # in the first, graphs are traced
            ratio = statistics.median(b / a for a, b in zip(ours, reference, strict=True))
            print(
                f"{name}: {count / statistics.median(ours):.0f} stamps/s, model.predict "
                f"{count / statistics.median(reference):.0f} stamps/s, ratio {ratio:.2f} "
                f"({min(b / a for a, b in zip(ours, reference, strict=True)):.2f} to "
                f"{max(b / a for a, b in zip(ours, reference, strict=True)):.2f})"
            )


def _flux(records: RecordsDirectory, split: str) -> np.ndarray:
    from astrokeras.pipeline.dataset import load_arrays  # noqa: PLC0415

    return load_arrays(records, split)[0]


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def make_many(path: Path, count: int) -> RecordsDirectory:
    """Return records of so many objects whose shards are all the same file."""
    path.mkdir(parents=True)
    rng = np.random.default_rng(0)
    numbers = np.full(len(BANDS), np.nan, np.float32)
    stamps = rng.standard_normal((A_SHARD, SIZE, SIZE, len(BANDS)), np.float32)
    serialized = [
        example.encode({
            "id": str(i).encode(), "image": stamps[i].tobytes(), "magnitudes": numbers, "magnitude_errors": numbers,
            "label": np.array([-1], np.int64),
        })
        for i in range(A_SHARD)
    ]  # fmt: skip
    file = "many-train.tfrecord-00000-of-00001"
    shard = tfrecord.write(path / file, serialized)
    one = {"file": file, "records": shard.records, "bytes": shard.bytes, "crc32c": shard.crc32c}
    shards = [one] * (count // A_SHARD)
    splits = {"train": {"count": count, "labels": {}, "unlabelled": count, "magnitudes": {}, "shards": shards}}
    content = {
        "records_format": metadata.RECORDS_FORMAT, "name": "many", "bands": list(BANDS), "size": SIZE, "unit": "nJy",
        "classes": [], "columns": [], "sky": [0.0] * 3, "noise": [1.0] * 3, "splits": splits, "fingerprint": "many",
        "options": {},
    }  # fmt: skip
    write_json(path / metadata.CONVERT_JSON, content)
    text, number = Column("str", length=8), Column("float64", "deg")
    write_objects(path / OBJECTS, {"id": text, "split": text, "ra": number, "dec": number}, _rows(len(shards)))
    return RecordsDirectory.load(path)


def _rows(shards: int) -> Iterator[dict[str, np.ndarray]]:
    ids, zeros = np.arange(A_SHARD).astype(str), np.zeros(A_SHARD)
    for _ in range(shards):
        yield {"id": ids, "split": np.full(A_SHARD, "train"), "ra": zeros, "dec": zeros}


def measure_memory(counts: list[int]) -> None:
    """Print the peak memory of a process for each number of objects."""
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            records = make_many(Path(folder) / "records", count)
            build_encoder(records, backbone="compact").save(Path(folder) / "encoder.keras")
            done = subprocess.run(
                [sys.executable, __file__, "--one", folder], capture_output=True, text=True, check=True
            )
            found = json.loads(done.stdout.splitlines()[-1])
            print(f"{count:>9} objects: {found['megabytes']:.0f} MB at most, {count / found['seconds']:.0f} objects/s")


def one(folder: Path) -> None:
    """Embed in this process and tell its peak memory."""
    config = EmbedConfig(
        encoder=str(folder / "encoder.keras"), data=str(folder / "records"), out=str(folder / "e.parquet")
    )
    seconds = _seconds(lambda: quiet(config))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "megabytes": peak}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="stamps of a pass")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--memory", type=int, nargs="+", help="numbers of objects, multiples of 1,000")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.one)
    elif given.memory:
        measure_memory(given.memory)
    else:
        measure_speed(given.count, given.turns, given.batch_size)
