"""What the encoders that ship give on galaxies with few labels, against ImageNet's weights and none.

    python benchmarks/encoder_scores.py --data DIR --weights FILE [--write]

DIR holds `efigi/`, FILE is a MobileNetV2 without its top. All encoders are frozen and get the same 88×88 stamps,
resampled to 96 pixels within the network; the same logistic regression as in `finetune --mode frozen` is fitted to the
same draws of labels. The test galaxies are those of `pretext_scores.py`, no image of which was used in pre-training.
Intervals are the middle 95 % of 2,000 bootstrap samples of the test galaxies (class by class) and of the draws, of the
difference to ImageNet's weights within each sample. `--write` puts the tables into docs/results.md.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image
from pretext_scores import CLASSES, split_labelled
from real_data import write

from astrokeras.shipped_encoders.load import encoder_like, load_encoder
from astrokeras.tasks.logistic import logistic_regression

BUDGETS = (10, 25, 50, 100)
DRAWS, SAMPLES = 10, 2000
RUNS = Path(__file__).with_name("encoder_runs.json")
LARGE, SMALL = "sdss-gri-mobilenet", "sdss-gri-compact"


def stamps(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Names, classes and stamps [N, 88, 88, 3] of EFIGI; `data` holds `stamps.tar` and the catalogue."""
    import tarfile  # noqa: PLC0415

    rows = list(csv.DictReader((data / "catalog.csv").open(encoding="utf-8")))
    with tarfile.open(data / "stamps.tar") as archive:
        members = {Path(member.name).stem: member for member in archive if member.isfile()}
        pixels = [
            np.asarray(Image.open(archive.extractfile(members[row["id"]])).convert("RGB"), np.float32) for row in rows
        ]
    labels = np.array([CLASSES.index(row["morphology"]) for row in rows])
    return np.array([row["id"] for row in rows]), labels, np.stack(pixels)


def features(weights: str, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Embeddings [N, D] by arm."""
    encoders = {
        "ImageNet": encoder_like(LARGE, weights),
        "untrained": encoder_like(LARGE, None),
        LARGE: load_encoder(LARGE),
        SMALL: load_encoder(SMALL),
    }
    found = {name: encoder.predict(pixels, batch_size=128, verbose=0) for name, encoder in encoders.items()}
    found[f"{LARGE} beside ImageNet"] = np.concatenate([found[LARGE], found["ImageNet"]], axis=1)
    return found


def labelled_draws(ids: np.ndarray, labels: np.ndarray) -> dict[int, list[np.ndarray]]:
    """Return by labels a class the rows of each draw; a smaller draw is part of a larger one."""
    rest = np.setdiff1d(np.arange(len(ids)), split_labelled(ids, labels)[0])
    rng = np.random.default_rng(1)
    orders = [rng.permutation(rest) for _ in range(DRAWS)]
    classes = range(len(CLASSES))
    return {n: [np.concatenate([o[labels[o] == k][:n] for k in classes]) for o in orders] for n in BUDGETS}


def right(values: np.ndarray, labels: np.ndarray, draws: list[np.ndarray], test: np.ndarray) -> np.ndarray:
    """Which test galaxies are told right, by draw: [draws, N]."""
    answers = []
    for seed, rows in enumerate(draws):
        kernel, bias = logistic_regression(values[rows], labels[rows], len(CLASSES), seed)
        answers.append((values[test] @ kernel + bias).argmax(axis=1) == labels[test])
    return np.array(answers)


def balanced(answers: np.ndarray, labels: np.ndarray) -> float:
    """Balanced accuracy over all draws."""
    return float(np.mean([answers[:, labels == label].mean() for label in range(len(CLASSES))]))


def samples(labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draws and test galaxies of each bootstrap sample."""
    rng = np.random.default_rng(0)
    of_class = [np.flatnonzero(labels == label) for label in range(len(CLASSES))]
    return [
        (rng.integers(0, DRAWS, DRAWS), np.concatenate([rng.choice(rows, len(rows)) for rows in of_class]))
        for _ in range(SAMPLES)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--write", action="store_true")
    settings = parser.parse_args()
    ids, labels, pixels = stamps(settings.data / "efigi")
    test = split_labelled(ids, labels)[0]
    drawn = labelled_draws(ids, labels)
    arms = features(settings.weights, pixels)
    head = ["arm", *(f"{count} labels a class" for count in BUDGETS)]
    rows = {arm: [arm] for arm in arms}
    taken = samples(labels[test])
    for count in BUDGETS:
        answers = {arm: right(values, labels, drawn[count], test) for arm, values in arms.items()}
        for arm, mine in answers.items():
            cell = f"{balanced(mine, labels[test]):.3f}"
            if arm != "ImageNet":
                more = mine.astype(float) - answers["ImageNet"]
                spread = [balanced(more[chosen][:, rows_], labels[test][rows_]) for chosen, rows_ in taken]
                low, high = np.percentile(spread, [2.5, 97.5])
                cell += f", {balanced(more, labels[test]):+.3f} [{low:+.3f}, {high:+.3f}]"
            rows[arm].append(cell)
            print(count, arm, cell, flush=True)
    table = ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows.values())]
    note = (
        f"Balanced accuracy on {len(test)} EFIGI galaxies over {DRAWS} draws of the labels, frozen encoders; then the "
        "difference to ImageNet's weights in the same network with its 95 % interval over test galaxies and draws."
    )
    text = "\n".join([*table, "", note, "", tried()])
    print(text)
    if settings.write:
        write("encoders", text)


def tried() -> str:
    """Return the views that were tried, on galaxies that are no test galaxies, from what `encoder.py` wrote."""
    runs = json.loads(RUNS.read_text(encoding="utf-8"))
    lines = ["| run | task | stamps seen | " + " | ".join(f"{count} labels a class" for count in BUDGETS) + " |"]
    lines.append("| --- " * (3 + len(BUDGETS)) + "|")
    for name, run in runs.items():
        scores = [f"{run['development'][str(count)]:.3f}" for count in BUDGETS]
        lines.append(f"| {name} | {run['task'] or '–'} | {run.get('images', 0):,} | {' | '.join(scores)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
