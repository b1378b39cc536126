"""Which artefacts are found as anomalies: recall of each kind at a fixed share of false alarms.

    python benchmarks/anomalies.py [--task TASK] [--weights FILE] [--work DIR]

Stamps of the sample survey (data/sample) are taken as they are, and again with an artefact drawn into each: a
satellite trail, the edge of a tile, a saturated star, cosmic rays. Encoders embed them: `compact`, pre-trained on the
training stamps by each --task, and, with --weights, MobileNetV2 with ImageNet weights on stamps resampled to 96 pixels.
Each method learns what is normal from the clean training stamps; the threshold is the score that 1 % or 5 % of the
clean test stamps exceed, and the recall the share of the spoilt test stamps above it. Writes its table into
docs/results.md.
"""

import argparse
import dataclasses
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import astrokeras as ak
from astrokeras.config import AnomaliesConfig
from astrokeras.embedding.file import EmbeddingsFile, schema
from astrokeras.embedding.outliers import oddness

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results.md"
BEGIN, END = "<!-- anomalies: begin -->", "<!-- anomalies: end -->"
METHODS = {
    "Gaussian": {"method": "gaussian"},
    "Gaussian, last 5 % of variance": {"method": "gaussian", "low_variance": 0.05},
    "isolation forest": {"method": "forest"},
    "local outlier factor": {"method": "lof"},
}
RATES = (0.01, 0.05)


def trail(flux: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> None:
    """Draw a satellite trail: a line as wide as the seeing, brighter than the sky in all of its length, in one band."""
    side = flux.shape[0]
    angle, offset = rng.uniform(0, np.pi), rng.uniform(-side / 3, side / 3)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    band = rng.integers(flux.shape[2])
    across = x * np.sin(angle) - y * np.cos(angle) - offset
    flux[..., band] += rng.uniform(10, 40) * noise[band] * np.exp(-(across**2) / (2 * 1.2**2))


def edge(flux: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> None:
    """Take away what lies beyond the edge of a tile: a fifth to a half of the stamp has no pixels."""
    cut = int(flux.shape[0] * rng.uniform(0.2, 0.5))
    turned = np.rot90(flux, rng.integers(4))
    turned[:cut] = np.nan


def saturated(flux: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> None:
    """Draw a saturated star: a flat core, wide wings, and a column without pixels where its charge has bled."""
    side = flux.shape[0]
    row, column = rng.integers(4, side - 4, 2)
    y, x = np.mgrid[:side, :side]
    wings = 3000 * (1 + ((y - row) ** 2 + (x - column) ** 2) / 2.0**2) ** -1.5
    flux += noise * np.minimum(wings, 1000)[..., None]
    flux[max(0, row - 8) : row + 9, column] = np.nan


def cosmic_rays(flux: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> None:
    """Draw three cosmic rays, sharper than the seeing: tracks one pixel wide, each in one band."""
    side = flux.shape[0]
    for _ in range(3):
        band, angle, length = rng.integers(flux.shape[2]), rng.uniform(0, np.pi), rng.uniform(2, 9)
        steps = np.arange(0, length, 0.5)
        row, column = rng.uniform(3, side - 3, 2)
        rows = np.clip(np.rint(row + steps * np.sin(angle)), 0, side - 1).astype(int)
        columns = np.clip(np.rint(column + steps * np.cos(angle)), 0, side - 1).astype(int)
        flux[rows, columns, band] += rng.uniform(30, 150) * noise[band]


ARTEFACTS: dict[str, Callable] = {
    "satellite trail": trail, "edge of a tile": edge, "saturated star": saturated, "cosmic rays": cosmic_rays,
}  # fmt: skip


def spoilt(flux: np.ndarray, noise: np.ndarray, draw: Callable, seed: int) -> np.ndarray:
    """Return the stamps with an artefact in each."""
    rng, out = np.random.default_rng(seed), flux.copy()
    for stamp in out:
        draw(stamp, noise, rng)
    return out


def embedded(path: Path, parts: dict[str, np.ndarray]) -> EmbeddingsFile:
    """Write embeddings of several kinds of stamps, the kind as the split."""
    vectors = np.concatenate(list(parts.values()))
    kind = [name for name, part in parts.items() for _ in part]
    types, count = schema(vectors.shape[1]), len(vectors)
    unknown = pa.nulls(count, pa.float64())
    ids = pa.array([str(i) for i in range(count)])
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    columns = [ids, unknown, unknown, pa.array(kind), pa.nulls(count, pa.string()), lists]
    parquet.write_table(pa.table(columns, schema=types), path)
    return EmbeddingsFile.open(path)


def measure(file: EmbeddingsFile, parts: dict[str, np.ndarray]) -> dict[tuple[str, str, float], float]:
    """Return the recall by method, artefact and share of false alarms."""
    kind = np.array([name for name, part in parts.items() for _ in part])
    found = {}
    for method, options in METHODS.items():
        config = dataclasses.replace(AnomaliesConfig(str(file.path), "unused.csv"), **options)
        scores = oddness(file, config, kind == "train", lambda line: print(" ", line, flush=True)).scores
        for rate in RATES:
            threshold = np.quantile(scores[kind == "clean"], 1 - rate)
            for artefact in ARTEFACTS:
                found[method, artefact, rate] = float((scores[kind == artefact] > threshold).mean())
    return found


def table(results: dict[str, dict[tuple[str, str, float], float]]) -> str:
    """Return the recalls in Markdown: 1 % and 5 % of false alarms."""
    lines = [f"| encoder | method | {' | '.join(ARTEFACTS)} |", f"|---|---|{'---|' * len(ARTEFACTS)}"]
    for encoder, found in results.items():
        for method in METHODS:
            cells = [" / ".join(f"{found[method, artefact, rate]:.2f}" for rate in RATES) for artefact in ARTEFACTS]
            lines.append(f"| {encoder} | {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="MobileNetV2 without its top")
    parser.add_argument("--task", action="append", help="what to pre-train on; repeat it for several [magnitudes]")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--work", type=Path, default=None)
    arguments = parser.parse_args()
    sample, began = ROOT / "data" / "sample", time.perf_counter()
    with tempfile.TemporaryDirectory(dir=arguments.work) as directory:
        work = Path(directory)
        records = ak.convert(
            images=str(sample / "images" / "{field}_{band}.fits"), bands="ugriz", catalog=sample / "catalog.fits",
            zero_point="header:MAGZPT", label="CLASS", size=32, splits={"train": 0.6, "val": 0.1, "test": 0.3},
            out=work / "records",
        )  # fmt: skip
        encoders = {}
        for task in arguments.task or ["magnitudes"]:
            run = ak.pretrain(records, work / task, task=task, epochs=arguments.epochs)
            encoders[f"`compact`, pre-trained on {task}"] = run.encoder()
        if arguments.weights:
            built = ak.build_encoder(records, "mobilenet_v2", resize=96, weights=arguments.weights)
            encoders["MobileNetV2, ImageNet, 96 px"] = built
        noise = np.array(records.noise)
        stamps = {
            name: records.arrays(split, ("flux",))["flux"] for name, split in (("train", "train"), ("clean", "test"))
        }
        for seed, (artefact, draw) in enumerate(ARTEFACTS.items()):
            stamps[artefact] = spoilt(stamps["clean"], noise, draw, seed)
        results = {}
        for number, (name, encoder) in enumerate(encoders.items()):
            parts = {kind: encoder.predict(flux, batch_size=128, verbose=0) for kind, flux in stamps.items()}
            results[name] = measure(embedded(work / f"{number}.parquet", parts), parts)
            print(table({name: results[name]}), flush=True)
    count, minutes = len(stamps["clean"]), (time.perf_counter() - began) / 60
    where = f"Python {platform.python_version()}, {os.cpu_count()} cores, {minutes:.0f} minutes"
    text = (
        f"`python benchmarks/anomalies.py --weights FILE` on {time.strftime('%Y-%m-%d')}, {where}: recall at 1 % / 5 % "
        f"of false alarms, of {count} test stamps with an artefact each against the same {count} without; the standard "
        f"error of a recall is at most {0.5 / np.sqrt(count):.2f}, and the threshold at 1 % rests on {count // 100} "
        "stamps.\n\n"
    )
    page = RESULTS.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    RESULTS.write_text(f"{before}{BEGIN}\n{text}{table(results)}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
