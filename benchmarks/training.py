"""How fast `astrokeras pretrain` trains, against plain `model.fit` on tensors in memory, and how much memory it takes.

    python benchmarks/training.py                       # speed: medians of epochs that take turns with the reference
    python benchmarks/training.py --memory 2000 8000 32000    # peak memory of a process against the number of records

Speed: the same network, compiled alike, on the same stamps (64×64 in 5 bands). The reference is Keras's `fit` with
`validation_data`, both held in memory, without augmentation, checkpoints, history, curves. Both train in one process,
an epoch in turn, while the other stands still; an epoch is all that there is from one turn to the next, so that
validation, checkpoints and whatever begins and ends an epoch are in it, and start-up and the first epoch, in which
graphs are traced, are not. Keras's reference stands still at the end of some epochs, where TensorFlow takes its time
to drop an iterator (astrokeras/pipeline/tuning.py); the fastest epochs of each are without that.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from astrokeras.config import PretrainConfig
from astrokeras.files import write_json
from astrokeras.records import example, metadata, tfrecord
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training import pretrain as module

SIZE, BANDS = 64, ("u", "g", "r", "i", "z")
_A_SHARD = 1000


def make_records(path: Path, count: int) -> RecordsDirectory:
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
    write_json(path / metadata.CONVERT_JSON, content)
    return RecordsDirectory.load(path)


class Turns:
    """Lets two threads, 0 and 1, work in turn; 0 begins."""

    def __init__(self) -> None:
        self.turn: int | None = 0
        self.changed = threading.Condition()

    def wait(self, who: int) -> None:
        """Until it is this one's turn."""
        with self.changed:
            self.changed.wait_for(lambda: self.turn in {who, None})

    def hand_over(self, who: int) -> None:
        """To the other one."""
        with self.changed:
            self.turn = None if self.turn is None else 1 - who
            self.changed.notify_all()

    def end(self) -> None:
        """From here on nobody waits."""
        with self.changed:
            self.turn = None
            self.changed.notify_all()


class Clock:
    """What each epoch of one of the two takes, from when it gets its turn to when it hands over."""

    def __init__(self, turns: Turns, who: int) -> None:
        self.turns, self.who, self.epochs = turns, who, []
        self._began = self._now()

    @staticmethod
    def _now() -> np.ndarray:
        return np.array([time.perf_counter(), time.process_time()])

    def start(self) -> None:
        """Wait for the turn."""
        self.turns.wait(self.who)
        self._began = self._now()

    def lap(self) -> None:
        """Note seconds on the wall and of all processors of an epoch, while the other stands still."""
        self.epochs.append(self._now() - self._began)
        self.turns.hand_over(self.who)
        self.start()


class Laps(keras.callbacks.Callback):
    """Takes turns at the ends of epochs."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:  # noqa: D102 - Keras's
        self.clock.lap()


def ours(config: PretrainConfig, clock: Clock) -> dict:
    """Trains by `pretrain`; its result."""

    def report(line: str) -> None:
        if line.split(maxsplit=1)[0].count("/") == 1:
            clock.lap()

    return module.pretrain(config, report)


def plain(config: PretrainConfig) -> Callable[[Clock], None]:
    """Return what trains the same network by `fit` on what the batches of `pretrain` hold, in memory."""
    engine = module.open_engine(config)
    keras.utils.set_random_seed(config.seed)
    records = RecordsDirectory.load(config.records)
    start = module.find_start(module.Asked.of(config), records, lambda _: None)
    parts = module._parts(config, start, engine, records, lambda _: None)
    source, model = parts.source, parts.build("float32", module.Rate(config))
    splits = {}
    for split in ("train", "val"):
        flux = np.concatenate([flux for flux, _ in source.stamps(split, 256, ())])
        splits[split] = {"flux": flux, **source.columns(split, model.fields)}

    def fit(clock: Clock) -> None:
        model.fit(
            splits["train"], batch_size=config.batch_size, epochs=config.epochs, verbose=0, callbacks=[Laps(clock)],
            validation_data=(splits["val"],), validation_batch_size=config.batch_size,
        )  # fmt: skip

    return fit


def speed(options: argparse.Namespace) -> dict:
    """Return the medians of the ratios of an epoch to the one of the other that follows it."""
    with tempfile.TemporaryDirectory() as directory:
        records = make_records(Path(directory) / "records", options.records)
        config = PretrainConfig(
            records=str(records.path), out=f"{directory}/run", backbone=options.backbone,
            batch_size=options.batch_size, epochs=options.epochs + 1, deterministic=options.deterministic,
        )  # fmt: skip
        fit = plain(config)
        turns = Turns()
        clocks = Clock(turns, 0), Clock(turns, 1)

        def reference() -> None:
            clocks[1].start()
            fit(clocks[1])
            turns.end()

        thread = threading.Thread(target=reference, daemon=True)
        thread.start()
        result = ours(config, clocks[0])
        turns.end()
        thread.join()
    # Graphs are traced in the first.
    pretrain, plainly = (np.array(clock.epochs)[1:] for clock in clocks)
    images = records.count("train")
    for row in np.hstack([pretrain, plainly]).round(2).tolist():
        print("pretrain {} s ({} of processors), fit {} ({})".format(*row), file=sys.stderr)
    of_plain = np.median(plainly / pretrain, axis=0)
    return {
        "backbone": options.backbone,
        "stamps_per_epoch": images,
        "epochs": options.epochs,
        "images_per_second": {
            "pretrain": images / np.median(pretrain, axis=0)[0], "fit": images / np.median(plainly, axis=0)[0],
        },
        "of_plain_fit": of_plain[0],
        "of_plain_fit_in_fastest_epochs": plainly.min(axis=0)[0] / pretrain.min(axis=0)[0],
        "of_plain_fit_in_processor_time": of_plain[1],
        "input_wait": result["input_wait"],
    }  # fmt: skip


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
    parser.add_argument("--records", type=int, default=10240)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=7, help="those that are timed")
    parser.add_argument("--deterministic", action="store_true", help="both of them")
    parser.add_argument("--memory", type=int, nargs="+", metavar="RECORDS")
    options = parser.parse_args()
    print(json.dumps(memory(options) if options.memory else speed(options), indent=2))


if __name__ == "__main__":
    main()
