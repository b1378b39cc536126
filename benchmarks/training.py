"""How fast `astrokeras pretrain` trains, against plain `model.fit` on tensors in memory, and how much memory it takes.

    python benchmarks/training.py                       # speed: medians of runs that take turns with the reference
    python benchmarks/training.py --memory 2000 8000 32000    # peak memory of a process against the number of records

Speed: the same network, compiled alike, on the same stamps (64×64 in 5 bands). The reference is Keras's `fit` with
`validation_data`, both held in memory, without augmentation, checkpoints, history, curves. Both are timed from the end
of the first epoch to the end of the last, so that start-up and the tracing of graphs are left out, but validation,
checkpoints and whatever begins and ends an epoch are not.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from astrokeras.config import PretrainConfig
from astrokeras.records import example, metadata, tfrecord
from astrokeras.records.directory import Records
from astrokeras.training import pretrain as module

SIZE, BANDS = 64, ("u", "g", "r", "i", "z")
_A_SHARD = 1000


def make_records(path: Path, count: int) -> Records:
    """Noise with a blob, four fifths to train on; written shard by shard, so that making it takes no memory."""
    path.mkdir(parents=True)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    blob = np.exp(-(x**2 + y**2) / 32)[..., None].astype(np.float32)

    def one(number: int) -> bytes:
        magnitudes = rng.uniform(18, 22, len(BANDS)).astype(np.float32)
        noise = rng.standard_normal((SIZE, SIZE, len(BANDS)), np.float32)
        stamp = noise + blob * 10 ** (0.4 * (22 - magnitudes))
        return example.encode(
            {
                "id": str(number).encode(),
                "image": stamp.astype("<f4").tobytes(),
                "magnitudes": magnitudes,
                "magnitude_errors": np.full(len(BANDS), 0.05, np.float32),
                "label": np.array([-1], np.int64),
            }
        )

    splits = {}
    for split, total in (("train", count * 4 // 5), ("val", count - count * 4 // 5)):
        parts = range(0, total, _A_SHARD)
        shards = []
        for index, first in enumerate(parts):
            file = path / f"noise-{split}.tfrecord-{index:05d}-of-{len(parts):05d}"
            shard = tfrecord.write(file, (one(i) for i in range(first, min(first + _A_SHARD, total))))
            shards.append({"file": file.name, "records": shard.records, "bytes": shard.bytes, "crc32c": shard.crc32c})
        splits[split] = {"count": total, "labels": {}, "unlabelled": total, "magnitudes": {}, "shards": shards}
    content = {
        "records_format": metadata.RECORDS_FORMAT, "name": "noise", "bands": list(BANDS), "size": SIZE, "unit": "nJy",
        "classes": [], "columns": [], "sky": [0.0] * 5, "noise": [1.0] * 5, "splits": splits, "fingerprint": "noise",
        "options": {},
    }  # fmt: skip
    metadata.write_json(path / metadata.CONVERT_JSON, content)
    return Records.load(path)


def _now() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def _each(ends: list[np.ndarray]) -> np.ndarray:
    return (ends[-1] - ends[0]) / (len(ends) - 1)


def ours(config: PretrainConfig) -> tuple[np.ndarray, dict]:
    """Seconds an epoch of `pretrain`, on the wall and of all processors, and its result."""
    ends = []

    def report(line: str) -> None:
        if line.split(maxsplit=1)[0].count("/") == 1:
            ends.append(_now())

    result = module.pretrain(config, report)
    return _each(ends), result


class Ends(keras.callbacks.Callback):
    """The times at which epochs end."""

    def __init__(self) -> None:
        super().__init__()
        self.times = []

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:  # noqa: D102 - Keras's
        self.times.append(_now())


def plain(config: PretrainConfig) -> np.ndarray:
    """The same of `fit` with the network of `pretrain`, on what its batches hold, in memory."""
    engine = module.open_engine(config)
    keras.utils.set_random_seed(config.seed)
    records = Records.load(config.records)
    asked = module.parse_tasks(config.task)
    source = engine.source(records, None, None, module.fields_of(asked))
    tasks = module.fit_tasks(asked, source, lambda _: None)
    start = module.find_start(config, records, lambda _: None)
    model = module.Parts(start, engine, source, tasks, None).build("float32")
    splits = {}
    for split in ("train", "val"):
        flux = np.concatenate([flux for flux, _ in source.stamps(split, 256, ())])
        splits[split] = {"flux": flux, **source.columns(split, model.fields)}
    ends = Ends()
    model.fit(
        splits["train"], batch_size=config.batch_size, epochs=config.epochs, verbose=0, callbacks=[ends],
        validation_data=(splits["val"],), validation_batch_size=config.batch_size,
    )  # fmt: skip
    return _each(ends.times)


def speed(options: argparse.Namespace) -> dict:
    """The ratio of the medians."""
    with tempfile.TemporaryDirectory() as directory:
        records = make_records(Path(directory) / "records", options.records)
        found = {"pretrain": [], "fit": [], "input_wait": []}
        for run in range(options.runs):
            config = PretrainConfig(
                records=str(records.path), out=f"{directory}/run-{run}", backbone=options.backbone,
                batch_size=options.batch_size, epochs=options.epochs, deterministic=options.deterministic,
            )  # fmt: skip
            seconds, result = ours(config)
            found["pretrain"].append(seconds)
            found["input_wait"].append(result["input_wait"])
            found["fit"].append(plain(config))
            print({name: np.round(values[-1], 3).tolist() for name, values in found.items()}, file=sys.stderr)
    (ours_wall, ours_all), (fit_wall, fit_all) = (np.median(found[name], axis=0) for name in ("pretrain", "fit"))
    images = records.count("train")
    return {
        "backbone": options.backbone,
        "records": options.records,
        "images_per_second": {"pretrain": images / ours_wall, "fit": images / fit_wall},
        "of_plain_fit": fit_wall / ours_wall,
        "of_plain_fit_in_processor_time": fit_all / ours_all,
        "input_wait": float(np.median(found["input_wait"])),
    }


def memory(options: argparse.Namespace) -> dict:
    """Peak resident memory in MB of `pretrain` processes, by the number of records."""
    peaks = {}
    for count in options.memory:
        with tempfile.TemporaryDirectory() as directory:
            records = make_records(Path(directory) / "records", count)
            arguments = [
                "pretrain",
                str(records.path),
                "--out",
                f"{directory}/run",
                "--epochs",
                "2",
                "--batch-size",
                "64",
            ]
            code = (
                "import sys, resource; from astrokeras.cli import main\n"
                "try: main(sys.argv[1:])\n"
                "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
            )
            done = subprocess.run(
                [sys.executable, "-c", code, *arguments, "--backbone", options.backbone],
                stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, check=True,
            )  # fmt: skip
            peaks[count] = round(int(done.stderr.split()[-1]) / 1024)
            print(count, peaks[count], file=sys.stderr)
    return {"peak_memory_mb": peaks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="compact")
    parser.add_argument("--records", type=int, default=5120)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--deterministic", action="store_true", help="both of them")
    parser.add_argument("--memory", type=int, nargs="+", metavar="RECORDS")
    options = parser.parse_args()
    print(json.dumps(memory(options) if options.memory else speed(options), indent=2))


if __name__ == "__main__":
    main()
