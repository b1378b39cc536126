"""Whether noise and faint objects are told from what a classifier was taught, by `predict --novelty`.

    python benchmarks/novelty.py --run RUN --records RECORDS --embeddings FILE [--write]

RUN is a fine-tuning run with classes, RECORDS what it was trained on, FILE what `astrokeras embed RUN RECORDS` wrote.
Of the test objects three further sets are made: of a tenth and of a fiftieth of their light above the sky, with noise
added until it is what it was, and nothing but sky and noise. For each set stands the share to which the classifier
gives a class with a probability of 0.99 or more, and how much of that `novelty_rank` above 0.99 warns of.
"""

import argparse
import datetime
import os
import platform
from pathlib import Path

import efigi
import numpy as np

import astrokeras as ak
from astrokeras.serving.novelty import Novelty
from astrokeras.survey.tables import markdown

SURE = NEW = 0.99
LIGHT = {
    "test objects": 1.0,
    "a tenth of their light": 0.1,
    "a fiftieth of their light": 0.02,
    "sky and noise alone": 0.0,
}


def dimmed(flux: np.ndarray, records: "ak.Records", light: float, seed: int) -> np.ndarray:
    """Return stamps with this share of their light above the sky, and the noise that they had."""
    if light == 1:
        return flux
    sky, noise = np.array(records.sky, np.float32), np.array(records.noise, np.float32)
    drawn = np.random.default_rng(seed).standard_normal(flux.shape, np.float32) * noise * np.sqrt(1 - light**2)
    faint = sky + light * (flux - sky) + drawn
    return np.clip(np.round(faint), 0, 255) if records.unit == "display" else faint


def measure(run: Path, records: "ak.Records", embeddings: Path) -> list[list[str]]:
    """Return a row for each set."""
    opened, novelty = ak.open_run(run), Novelty.of(str(embeddings), str(run))
    side = opened.encoder().input_shape[1]
    flux = records.arrays("test", ("flux",))["flux"]
    start = (flux.shape[1] - side) // 2
    flux = flux[:, start : start + side, start : start + side]
    rows = []
    for seed, (name, light) in enumerate(LIGHT.items()):
        stamps = dimmed(flux, records, light, seed)
        sure = opened.predict(stamps).max(axis=1)
        rank = novelty.of_vectors(opened.embed(stamps))["novelty_rank"]
        unsaid = (sure >= SURE) & (rank <= NEW)
        shares = [f"{value.mean():.3f}" for value in (sure >= SURE, rank > NEW, unsaid)]
        rows.append([name, f"{np.median(sure):.3f}", f"{sure.max():.3f}", *shares])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("run", "records", "embeddings"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    given = parser.parse_args()
    records = ak.open_records(given.records)
    head = ["", "median probability", "highest", "of 0.99 or more", "novelty_rank above 0.99", "0.99 or more, unwarned"]
    table = markdown(head, measure(given.run, records, given.embeddings))
    text = (
        f"On {datetime.datetime.now(datetime.UTC):%Y-%m-%d}, Python {platform.python_version()}, {os.cpu_count()} "
        f"cores, {records.counts['test']:,} test objects:\n\n{table}"
    )
    print(text)
    if given.write:
        efigi.write("novelty", text)


if __name__ == "__main__":
    main()
