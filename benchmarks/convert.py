"""How fast `astrokeras convert` is, as ratios to references that run in the same session on the same data.

    python benchmarks/convert.py                      # speed and memory: plain FITS and RICE, 4 and 12 bands
    python benchmarks/convert.py --linear 10000 100000 1000000   # time against the number of objects

The data are made here: 10,000 objects on four fields of 4096×4096 float32 pixels in 4 bands, stamps of 64×64. The
references, all on two processes but the last:

floor      memory-mapped slices grouped by tile and sorted by y, `bytes_list` records, TensorFlow's TFRecordWriter
floor+sync the same, with its files forced to the disk, as ours are
once       from RICE: each tile decompressed once, then as the floor
loop       what a user writes first: `Cutout2D` for each object and band, `float_list` records, one process; timed on
           a subset, and scaled

None of them checks pixels, measures the sky, takes checksums or keeps count of rows; ours does all of it. `work` is
without starting processes and importing, `whole` is the command from start to end.
"""

import argparse
import functools
import json
import multiprocessing
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.table import Table

from astrokeras.config import ConvertConfig, as_command, configure
from astrokeras.parallel.processes import Pool
from astrokeras.records.conversion.convert import convert
from astrokeras.records.conversion.run_task import result_path

FIELDS, SIDE, PROCESSES = ("A", "B", "C", "D"), 4096, 2
BANDS = tuple("ugrizyJHKLMN")
LOOP_OBJECTS = 300


def make_survey(directory: Path, objects: int, bands: int, *, rice: bool) -> Path:
    """Noise tiles and a catalogue; bands past the fourth are links to the first four."""
    rng = np.random.default_rng(0)
    directory.mkdir(parents=True)
    for field in FIELDS:
        for index, band in enumerate(BANDS[:bands]):
            path = directory / f"{field}_{band}.fits"
            if index >= 4:
                path.symlink_to(directory / f"{field}_{BANDS[index % 4]}.fits")
                continue
            pixels = rng.normal(100, 10, (SIDE, SIDE)).astype(np.float32)
            hdu = fits.CompImageHDU(pixels, compression_type="RICE_1") if rice else fits.PrimaryHDU(pixels)
            hdu.writeto(path)
    columns = {"id": np.arange(objects), "field": np.array(FIELDS)[np.arange(objects) % len(FIELDS)]}
    positions = {axis: rng.uniform(40, SIDE - 40, objects) for axis in "xy"}
    magnitudes = {f"mag_{band}": rng.uniform(15, 22, objects) for band in BANDS[:bands]}
    Table({**columns, **positions, **magnitudes, "class": rng.integers(0, 3, objects)}).write(
        directory / "catalog.fits"
    )
    return directory


def options(survey: Path, bands: int, size: int, out: Path) -> ConvertConfig:
    return configure(
        ConvertConfig,
        images=str(survey / "{field}_{band}.fits"), bands=BANDS[:bands], out=str(out), workers=PROCESSES, label="class",
        catalog=str(survey / "catalog.fits"), magnitudes="mag_{band}", zero_point="25", size=size, x_column="x",
        split_by="id",
    )  # fmt: skip


# References


def _clear(out: Path) -> None:
    """Make room, and let no one pay for what the one before has left to be written."""
    shutil.rmtree(out, ignore_errors=True)
    os.sync()


def _tile(path: Path) -> np.ndarray:
    with fits.open(path, memmap=True) as hdus:
        return hdus[-1].data


def floor_field(survey: str, field: str, size: int, out: str, sync: bool) -> int:
    """One field to one file, as fast as a script does it."""
    import tensorflow as tf  # noqa: PLC0415 - what is left out of `work` and in `whole`

    table = Table.read(Path(survey) / "catalog.fits")
    table = table[np.char.strip(np.asarray(table["field"]).astype(str)) == field]
    table = table[np.argsort(table["y"])]
    tiles = [_tile(Path(survey) / f"{field}_{band}.fits") for band in BANDS[:4]]
    x0, y0 = (np.ceil(np.asarray(table[axis]) - size / 2).astype(int) for axis in "xy")
    file = str(Path(out) / f"{field}.tfrecord")
    with tf.io.TFRecordWriter(file) as writer:
        for i in range(len(table)):
            window = np.s_[y0[i] : y0[i] + size, x0[i] : x0[i] + size]
            stamp = np.stack([tile[window] for tile in tiles], axis=-1).astype("<f4")
            features = {"id": str(table["id"][i]).encode(), "image": stamp.tobytes()}
            feature = {
                name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value])) for name, value in features.items()
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    if sync:
        with Path(file).open("rb") as stream:
            os.fsync(stream.fileno())
    return len(table)


def _import_tensorflow(_: int) -> None:
    import tensorflow as tf  # noqa: PLC0415

    tf.train.Example()
    time.sleep(0.2)  # so that the other process gets one of these too


def floor(survey: Path, size: int, out: Path, *, sync: bool = False) -> float:
    """Seconds that the floor works."""
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_import_tensorflow, range(2 * PROCESSES)))
        _clear(out)
        out.mkdir()
        began = time.perf_counter()
        n = len(FIELDS)
        list(pool.map(floor_field, [str(survey)] * n, FIELDS, [size] * n, [str(out)] * n, [sync] * n))
        return time.perf_counter() - began


def loop(survey: Path, size: int, out: Path) -> float:
    """Seconds that the user's loop would take for all objects."""
    import tensorflow as tf  # noqa: PLC0415

    table = Table.read(survey / "catalog.fits")
    tiles = {f"{field}_{band}": _tile(survey / f"{field}_{band}.fits") for field in FIELDS for band in BANDS[:4]}
    began = time.perf_counter()  # what is done once would count as often as the subset goes into the whole
    with tf.io.TFRecordWriter(str(out)) as writer:
        for row in table[:LOOP_OBJECTS]:
            stamps = [
                Cutout2D(tiles[f"{str(row['field']).strip()}_{band}"], (row["x"], row["y"]), size) for band in BANDS[:4]
            ]
            image = np.stack([stamp.data for stamp in stamps], axis=-1).ravel()
            feature = {
                "id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[str(row["id"]).encode()])),
                "image": tf.train.Feature(float_list=tf.train.FloatList(value=image)),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    return (time.perf_counter() - began) * len(table) / LOOP_OBJECTS


# Ours


def ours(config: ConvertConfig) -> tuple[float, float]:
    """Seconds that we work, and the peak memory of a process in bytes (its own, without mapped files)."""
    _clear(Path(config.running.out))
    pool = Pool(PROCESSES)
    try:
        list(pool.map(functools.partial(result_path, ""), range(2 * PROCESSES)))  # imports what the tasks need
        with Peak() as peak:
            began = time.perf_counter()
            convert(config, report=lambda line: None, executor=pool)
            seconds = time.perf_counter() - began
    finally:
        pool.close()
    return seconds, peak.bytes


class Peak:
    """The largest memory of any child process while it is watched (Linux: RssAnon)."""

    def __enter__(self) -> "Peak":
        self.bytes, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        children = [process.pid for process in multiprocessing.active_children()]
        while not self._stop.wait(0.02):
            for pid in children:
                text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
                self.bytes = max(self.bytes, 1024 * int(text.split("RssAnon:")[1].split()[0]))


def whole(config: ConvertConfig) -> float:
    """Seconds that the command takes, from start to end."""
    _clear(Path(config.running.out))
    typed = shlex.split(as_command("convert", config))[1:]
    return _time([sys.executable, "-m", "astrokeras", *typed])


def whole_floor(survey: Path, size: int, out: Path) -> float:
    """Seconds that the floor takes as a script."""
    _clear(out)
    return _time([sys.executable, __file__, "--floor", str(survey), str(size), str(out)])


def _time(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def run_floor(survey: str, size: str, out: str) -> None:
    """Run the floor as a script of its own, which `whole_floor` starts."""
    import tensorflow  # noqa: F401, PLC0415 - as any such script does

    Path(out).mkdir(exist_ok=True)
    n = len(FIELDS)
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(floor_field, [survey] * n, FIELDS, [int(size)] * n, [out] * n, [False] * n))


# Tables


def compare(directory: Path, runs: int, objects: int) -> dict[str, float]:
    """All ratios, each the median of `runs` pairs that ran one after the other."""
    plain = make_survey(directory / "plain", objects, 12, rice=False)
    rice = make_survey(directory / "rice", objects, 12, rice=True)
    out, other = directory / "out", directory / "other"
    config, from_rice = options(plain, 4, 64, out), options(rice, 4, 64, out)
    pairs: dict[str, tuple[Callable[[], float], Callable[[], float]]] = {
        "floor / ours (work)": (lambda: floor(plain, 64, other), lambda: ours(config)[0]),
        "floor+sync / ours (work)": (lambda: floor(plain, 64, other, sync=True), lambda: ours(config)[0]),
        "once / ours (work, RICE)": (lambda: floor(rice, 64, other), lambda: ours(from_rice)[0]),
        "floor / ours (whole)": (lambda: whole_floor(plain, 64, other), lambda: whole(config)),
        "loop / ours (work)": (lambda: loop(plain, 64, directory / "loop"), lambda: ours(config)[0]),
    }
    ratios = {}
    for name, (reference, mine) in pairs.items():
        times = [(reference(), mine()) for _ in range(runs)]
        ratios[name] = statistics.median(theirs / us for theirs, us in times)
        print(f"{name}: {ratios[name]:.2f}; objects/s {_rates(objects, times)}", flush=True)
    for kind, survey in (("plain", plain), ("RICE", rice)):
        for bands in (4, 12):
            name, peak = f"peak MB, {bands} bands, {kind}", ours(options(survey, bands, 64, out))[1]
            print(f"peak memory of a process, {bands} bands, {kind}: {peak / 1e6:.0f} MB", flush=True)
            ratios[name] = peak / 1e6
    return ratios


def _rates(objects: int, times: list[tuple[float, float]]) -> str:
    return ", ".join(f"{objects / theirs:.0f} / {objects / us:.0f}" for theirs, us in times)


def linear(directory: Path, numbers: list[int]) -> None:
    """Objects a second of the whole conversion, small stamps in one band."""
    for objects in numbers:
        survey = make_survey(directory / f"linear-{objects}", objects, 1, rice=False)
        seconds = whole(options(survey, 1, 16, directory / "out"))
        print(f"{objects} objects: {seconds:.1f} s, {objects / seconds:.0f} objects/s, whole command", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/convert"), help="where data are made, and removed")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--linear", type=int, nargs="+", metavar="N")
    parser.add_argument("--floor", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.floor:
        run_floor(*arguments.floor)
        return
    shutil.rmtree(arguments.work, ignore_errors=True)
    directory = arguments.work.resolve()
    try:
        if arguments.linear:
            linear(directory, arguments.linear)
        else:
            print(json.dumps(compare(directory, arguments.runs, arguments.objects), indent=2))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
