"""How `benchmarks/pretext.py` judges features, on which galaxies, and the table of what came of it."""

import json
import math
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

CLASSES = ("elliptical", "irregular", "lenticular", "spiral")
TEST = 1000
TEST_NUMBERS = (20500, 67500)
PER_CLASS = (25, 100)
DRAWS = 5
SEED = 0


def split_labelled(ids: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, list[dict[int, np.ndarray]]]:
    """Rows of the test galaxies, and for each draw the rows of the labelled ones by number a class.

    Every arm gets the same; the smaller draw is part of the larger one.
    """
    rng = np.random.default_rng(SEED)
    numbers = np.array([int(name.removeprefix("PGC")) for name in ids])
    outside = np.flatnonzero((numbers >= TEST_NUMBERS[0]) & (numbers <= TEST_NUMBERS[1]))
    test = np.sort(rng.permutation(outside)[:TEST])
    rest = np.setdiff1d(np.arange(len(ids)), test)
    draws = []
    for _ in range(DRAWS):
        shuffled = rng.permutation(rest)
        by_class = [shuffled[labels[shuffled] == label] for label in range(len(CLASSES))]
        draws.append({count: np.concatenate([rows[:count] for rows in by_class]) for count in PER_CLASS})
    return test, draws


def judge(features: np.ndarray, ids: np.ndarray, labels: np.ndarray) -> dict[str, list[float]]:
    """Balanced accuracy on the test galaxies by number of labels a class, one for each draw."""
    test, draws = split_labelled(ids, labels)
    scores: dict[str, list[float]] = {str(count): [] for count in PER_CLASS}
    for draw in draws:
        for count, rows in draw.items():
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
            folds = StratifiedKFold(5, shuffle=True, random_state=SEED)
            grid = {"logisticregression__C": np.logspace(-5, 0, 6)}
            search = GridSearchCV(model, grid, cv=folds, scoring="balanced_accuracy", n_jobs=-1)
            search.fit(features[rows], labels[rows])
            scores[str(count)].append(float(balanced_accuracy_score(labels[test], search.predict(features[test]))))
    return scores


def table(out: Path) -> str:
    """Return the results as Markdown, best at the larger budget first."""
    results = [json.loads(file.read_text()) for file in sorted(out.glob("*.json"))]
    runs: dict[str, list[dict]] = {}
    for result in results:
        runs.setdefault(result["arm"], []).append(result)
    accuracy = {arm: _accuracies(of) for arm, of in runs.items()}
    head = ["arm", *(f"{count} labels a class" for count in PER_CLASS), "runs", "stamps seen"]
    head.append("scores at the task itself")
    rows = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for arm in sorted(runs, key=lambda arm: -accuracy[arm][-1].mean()):
        cells = [arm]
        for values in accuracy[arm]:
            cells.append(f"{values.mean():.3f} ± {values.mean(axis=0).std(ddof=1):.3f}")
            if len(values) > 1:
                cells[-1] += f" ± {values.mean(axis=1).std(ddof=1):.3f}"
        cells.append(str(len(runs[arm])))
        cells.append(f"{np.mean([run['images'] for run in runs[arm]]):,.0f}" if "images" in runs[arm][0] else "–")
        scores = {k: v for k, v in runs[arm][0].get("validation", {}).items() if k != "loss" and "explained_" not in k}
        cells.append(", ".join(f"{name} {value:.3g}" for name, value in scores.items()) or "–")
        rows.append("| " + " | ".join(cells) + " |")
    trained = [result for result in results if "images" in result]
    if not trained:
        return "\n".join(rows)
    used = trained[0]["settings"]
    limit = max(result["steps"] for result in trained)
    by_steps = limit == used["steps"]
    budget = f"{limit} steps" if by_steps else f"{np.mean([result['seconds'] for result in trained]):.0f} s"
    counts = next((result["test_counts"] for result in results if "test_counts" in result), None)
    moved = f", which moves each number by up to ±{_binomial(counts):.3f} (binomial)" if counts else ""
    note = (
        f"Balanced accuracy on the same {TEST} test galaxies, mean ± standard deviation over {DRAWS} draws of the "
        f"labels (of the mean over the runs) ± that over runs with different seeds (of the mean over the draws), where "
        f"there are several; neither holds the choice of test galaxies{moved}. Unlabelled stamps: "
        f"{used['unlabelled']}. {used['backbone']} at {used['size']} px, batches of {used['batch_size']}, "
        f"{used['precision']}, {budget} of training for each arm on one {trained[0]['device']} "
        f"(Keras on {trained[0]['backend']}). Scores at the task are those of the first run."
    )
    return "\n".join([*rows, "", note])


def _accuracies(runs: list[dict]) -> list[np.ndarray]:
    """Of one arm, by number of labels a class: [runs, draws]."""
    return [np.array([run["balanced_accuracy"][str(count)] for run in runs]) for count in PER_CLASS]


def _binomial(counts: list[int]) -> float:
    """Return the largest standard deviation of a balanced accuracy over test sets with so many of each class."""
    return math.sqrt(sum(0.25 / count for count in counts)) / len(counts)
