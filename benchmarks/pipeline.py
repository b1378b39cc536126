"""How fast records become training batches, as a ratio to reading and parsing them alone, in the same process.

    python benchmarks/pipeline.py                       # every augmentation
    python benchmarks/pipeline.py --augment 'dihedral|noise(0.5)'
    python benchmarks/pipeline.py --memory 4096 16384   # peak memory against the number of records
    python benchmarks/pipeline.py --epochs 5 --records 2048   # a split that is held in memory, epoch by epoch
    python benchmarks/pipeline.py --framing --records 16384   # comparing the lengths in shards with the files

The data are made here: stamps of 64×64 pixels in 5 bands, a tenth of them with a column of missing pixels, in four
shards, more than the shuffle holds in memory. The reference reads the shards one after the other with
`TFRecordDataset`, and parses whole batches: no shuffle, no augmentation. Ours is what `pretrain` is given: interleaved
shards, shuffled records, a crop if asked for, augmented, with the magnitudes beside it. Each run is an epoch and is
timed from the first call to the last batch, the filling of the shuffle included.

After a warm-up, reference and ours alternate; printed is the median of the ratios (of pairs that ran one after the
other) in elapsed time and in processor time, which tells the same on a machine that others use too.
"""

import argparse
import gc
import json
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from astrokeras.config import PretrainConfig
from astrokeras.files import write_json
from astrokeras.records import example, metadata, tfrecord
from astrokeras.records.directory import RecordsDirectory

SIDE, BANDS, SHARDS = 64, ("u", "g", "r", "i", "z"), 4
BATCH = PretrainConfig.batch_size
SKY, NOISE = 50.0, 10.0
AUGMENTS = (
    "none", "dihedral", "shift(4,whole=yes)", "noise(0.5)", "brightness(0.1)", "redden(0.3)", "drop_band(0.2)",
    "erase(0.25)", "blur(1.5)", "zoom(0.9,1.1)", "shift(4)", "rotate", "dihedral|shift(2)|noise(0.5)",
)  # fmt: skip


def make_records(path: Path, count: int) -> RecordsDirectory:
    """Noise, and magnitudes."""
    path.mkdir(parents=True)
    rng = np.random.default_rng(0)
    shards = []
    for index, part in enumerate(np.array_split(np.arange(count), SHARDS)):
        file = f"noise-train.tfrecord-{index:05d}-of-{SHARDS:05d}"
        shard = tfrecord.write(path / file, (_record(rng, number) for number in part))
        shards.append({"file": file, "records": shard.records, "bytes": shard.bytes, "crc32c": shard.crc32c})
    content: dict[str, Any] = {
        "records_format": metadata.RECORDS_FORMAT, "name": "noise", "bands": list(BANDS), "size": SIDE, "unit": "nJy",
        "classes": [], "columns": [], "sky": [SKY] * len(BANDS), "noise": [NOISE] * len(BANDS), "options": {},
        "fingerprint": metadata.fingerprint_of_shards(shard["crc32c"] for shard in shards),
        "splits": {"train": {"count": count, "labels": {}, "unlabelled": count, "magnitudes": {}, "shards": shards}},
    }  # fmt: skip
    write_json(path / metadata.CONVERT_JSON, content)
    return RecordsDirectory.load(path)


def _record(rng: np.random.Generator, number: int) -> bytes:
    image = rng.standard_normal((SIDE, SIDE, len(BANDS)), np.float32) * np.float32(NOISE) + np.float32(SKY)
    if number % 10 == 0:
        image[:, rng.integers(SIDE)] = np.nan
    magnitudes = rng.uniform(18, 23, len(BANDS)).astype(np.float32)
    return example.encode({"id": b"%d" % number, "image": image.tobytes(), "magnitudes": magnitudes})


def reference(records: RecordsDirectory) -> Iterable:
    """Raw records, parsed a batch at a time; without the tuner, for which an epoch may wait at its end."""
    import tensorflow as tf  # noqa: PLC0415 - the process that starts others needs none

    from astrokeras.pipeline.tuning import PARALLEL_CALLS, untuned  # noqa: PLC0415

    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "magnitudes": tf.io.FixedLenFeature([len(BANDS)], tf.float32),
    }

    def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = tf.io.parse_example(serialized, features)
        flux = tf.reshape(tf.io.decode_raw(parsed["image"], tf.float32), [-1, SIDE, SIDE, len(BANDS)])
        return flux, parsed["magnitudes"]

    raw = tf.data.TFRecordDataset(records.shards("train")).batch(BATCH, drop_remainder=True)
    return untuned(raw.map(parse, num_parallel_calls=PARALLEL_CALLS).prefetch(2))


def ours(records: RecordsDirectory, augment: str, size: int | None) -> Callable[[], Iterable]:
    """Return what gives the batches of an epoch, as the trainer gets them."""
    from astrokeras.pipeline.augment import SurveyInfo, augmentation  # noqa: PLC0415
    from astrokeras.pipeline.stream import Stream  # noqa: PLC0415

    stream = Stream(records, size, augmentation(augment, SurveyInfo.of(records)))
    return lambda: stream.training(0, BATCH, ("magnitudes",), 0, seed=0)


def seconds(make: Callable[[], Iterable]) -> tuple[float, float]:
    """Elapsed and processor time of one epoch."""
    began, used = time.perf_counter(), time.process_time()
    for _ in make():
        pass
    return time.perf_counter() - began, time.process_time() - used


def compare(records: RecordsDirectory, augments: list[str], size: int | None, runs: int) -> dict[str, dict[str, float]]:
    """For each augmentation the median ratios, and the rates."""
    stamps = records.count("train") // BATCH * BATCH
    seconds(lambda: reference(records))
    table = {}
    for augment in augments:
        make = ours(records, augment, size)
        seconds(make)
        pairs = [(seconds(lambda: reference(records)), seconds(make)) for _ in range(runs)]
        elapsed, processor = (statistics.median(theirs[i] / mine[i] for theirs, mine in pairs) for i in (0, 1))
        theirs, mine = ([statistics.median(pair[who][i] for pair in pairs) / stamps for i in (0, 1)] for who in (0, 1))
        table[augment] = {
            "elapsed": elapsed, "processor": processor, "stamps/s": 1 / mine[0], "µs/stamp": 1e6 * mine[1],
            "reference stamps/s": 1 / theirs[0], "reference µs/stamp": 1e6 * theirs[1],
        }  # fmt: skip
        print(
            f"{augment}: {elapsed:.2f} of the reference ({processor:.2f} in processor time); ours "
            f"{1 / mine[0]:.0f} stamps/s, {1e6 * mine[1]:.0f} µs of processor time a stamp; "
            f"reference {1 / theirs[0]:.0f} stamps/s, {1e6 * theirs[1]:.0f} µs",
            flush=True,
        )
    return table


def epochs(records: RecordsDirectory, augment: str, count: int) -> None:
    """Seconds and resident memory of epoch after epoch, as `pretrain` asks for them; the first reads the shards."""
    from astrokeras.pipeline.augment import SurveyInfo, augmentation  # noqa: PLC0415
    from astrokeras.pipeline.held import hold  # noqa: PLC0415
    from astrokeras.pipeline.stream import Stream  # noqa: PLC0415

    chain = augmentation(augment, SurveyInfo.of(records))

    def epoch(stream: Stream, number: int) -> float:
        return seconds(lambda: stream.training(number, BATCH, ("magnitudes",), 0, seed=0))[0]

    epoch(Stream(records, None, chain), 0)  # compiles
    stamps = records.count("train") * SIDE**2 * len(BANDS) * 4 / 1e6
    print(f"{stamps:.0f} MB of pixels, held in memory: {'no' if hold(records, BATCH) is None else 'yes'}", flush=True)
    for what in ("one stream", "a new one for each epoch"):
        stream, before = Stream(records, None, chain), resident()
        for number in range(count):
            if what != "one stream":
                stream = Stream(records, None, chain)
            taken = epoch(stream, number)
            gc.collect()  # TensorFlow's functions form cycles
            print(f"{what}, epoch {number + 1}: {taken:.2f} s, {resident() - before:.0f} MB more", flush=True)


def resident() -> float:
    """Memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def framing(records: RecordsDirectory) -> None:
    """Seconds for the walk through the shards against those for reading them with TensorFlow."""
    import tensorflow as tf  # noqa: PLC0415

    from astrokeras.records.tfrecord import offsets  # noqa: PLC0415

    paths, count = records.shards("train"), records.count("train")
    for _ in range(3):
        began = time.perf_counter()
        for path in paths:
            offsets(path)
        walked = time.perf_counter() - began
        read = seconds(lambda: tf.data.TFRecordDataset(paths).batch(BATCH))[0]
        print(f"{1e6 * walked / count:.1f} µs a record; reading it {1e6 * read / count:.0f} µs", flush=True)


def peak(records: Path, augment: str) -> None:
    """Print the peak memory of this process in MB, after an epoch and before it."""
    import tensorflow  # noqa: F401, PLC0415

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds(ours(RecordsDirectory.load(records), augment, None))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, before / 1e3)


def memory(directory: Path, counts: list[int], augment: str) -> None:
    """Peak memory for several numbers of records, each in a process of its own."""
    for count in counts:
        path = directory / f"memory-{count}"
        make_records(path, count)
        command = [sys.executable, __file__, "--peak", str(path), "--augment", augment]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        after, before = map(float, done.stdout.split())
        print(f"{count} records: peak {after:.0f} MB, of which TensorFlow alone {before:.0f} MB", flush=True)
        shutil.rmtree(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/pipeline"), help="where data are made, and removed")
    parser.add_argument("--records", type=int, default=16_384)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--size", type=int, help="crop to this many pixels")
    parser.add_argument("--augment", action="append", metavar="SPEC")
    parser.add_argument("--memory", type=int, nargs="+", metavar="N")
    parser.add_argument("--epochs", type=int, metavar="N")
    parser.add_argument("--framing", action="store_true")
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    augments = arguments.augment or list(AUGMENTS)
    if arguments.peak:
        peak(arguments.peak, augments[0])
        return
    directory = arguments.work.resolve()
    shutil.rmtree(directory, ignore_errors=True)
    try:
        if arguments.memory:
            memory(directory, arguments.memory, (arguments.augment or ["dihedral"])[0])
            return
        records = make_records(directory / "records", arguments.records)
        if arguments.epochs:
            epochs(records, (arguments.augment or ["none"])[0], arguments.epochs)
        elif arguments.framing:
            framing(records)
        else:
            print(json.dumps(compare(records, augments, arguments.size, arguments.runs), indent=2, ensure_ascii=False))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
