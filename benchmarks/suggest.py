"""How many labels `suggest` saves against labelling at random, on EFIGI; writes the table into docs/results.md.

    python benchmarks/suggest.py --data DIR --weights FILE

DIR holds `efigi/`, FILE is a MobileNetV2 without its top. The galaxies are embedded once. In each repeat 1,000 are kept
aside, 20 others are labelled at random, and then 40 more a round, chosen by each way, whose labels are revealed. After
each round a logistic regression on the labels so far, the same for all ways, is judged on those kept aside.
"""

import platform
import time

import numpy as np
from efigi import CLASSES, arguments, embeddings, interval, write
from threadpoolctl import threadpool_limits

from astrokeras.embedding.suggest import choose
from astrokeras.survey.tables import markdown
from astrokeras.tasks.classification import classification_scores
from astrokeras.tasks.logistic import linear_probe

TEST, START, BATCH, MOST, REPEATS = 1000, 20, 40, 300, 8
SHOWN = (60, 100, 180, 300)
COUNTS = tuple(range(START, MOST + 1, BATCH))
WAYS = {
    "random": (),
    "margin": ("margin",),
    "entropy": ("entropy",),
    "coverage": ("coverage",),
    "margin, coverage": ("margin", "coverage"),
}
SCORES = ("balanced_accuracy", "accuracy", "auroc")  # ways are compared by the first


def learn(vectors: np.ndarray, classes: np.ndarray, ways: tuple[str, ...], repeat: int) -> list[list[float]]:
    """Return the scores after each number of `COUNTS`."""
    rng = np.random.default_rng(repeat)
    order = rng.permutation(len(vectors))
    pool, test = np.sort(order[TEST:]), order[:TEST]
    x, y = vectors[pool], classes[pool]
    labelled = np.zeros(len(pool), dtype=bool)
    labelled[rng.permutation(len(pool))[:START]] = True
    scores = []
    for count in COUNTS:
        numbers = np.where(labelled, y, -1)
        both = linear_probe(np.concatenate([x, vectors[test]]), np.append(numbers, np.full(TEST, -1)), len(CLASSES), 0)
        found = classification_scores(classes[test], both[len(x) :])
        scores.append([found[name] for name in SCORES])
        if count < MOST:
            labelled[_more(x, labelled, ways, both[: len(x)], rng)] = True
    return scores


def _more(
    x: np.ndarray, labelled: np.ndarray, ways: tuple[str, ...], probabilities: np.ndarray, rng: np.random.Generator
) -> list[int]:
    if not ways:
        return rng.choice(np.flatnonzero(~labelled), BATCH, replace=False).tolist()
    return [one.number for one in choose(x, labelled, ~labelled, ways, BATCH, probabilities)]


def needed(curve: np.ndarray, score: float) -> float:
    """Labels after which a curve first reaches a score, between rounds by a straight line; NaN if it never does."""
    above = np.flatnonzero(curve >= score)
    if not len(above):
        return float("nan")
    first = int(above[0])
    if first == 0:
        return float(COUNTS[0])
    low, high = curve[first - 1], curve[first]
    return COUNTS[first - 1] + (score - low) / (high - low) * BATCH


def saved(curves: np.ndarray, random: np.ndarray, count: int) -> str:
    """Labels that a way needs for what `count` random ones give, with the 95 per cent interval by bootstrap."""
    rng = np.random.default_rng(0)
    goal = COUNTS.index(count)
    draws = [rng.integers(REPEATS, size=REPEATS) for _ in range(2000)]
    found = [needed(curves[draw].mean(axis=0), random[draw].mean(axis=0)[goal]) for draw in draws]
    middle = needed(curves.mean(axis=0), random.mean(axis=0)[goal])
    # Where the score is never reached, more than the most are needed.
    low, high = np.percentile(np.nan_to_num(found, nan=np.inf), [2.5, 97.5], method="nearest")
    ends = dict.fromkeys((_count(middle), _count(low), _count(high)))
    return f"{_count(middle)} ({_count(low)} to {_count(high)})" if len(ends) > 1 else _count(middle)


def _count(value: float) -> str:
    return f"{value:.0f}" if np.isfinite(value) else f"over {MOST}"


def _row(name: str, curves: np.ndarray, random: np.ndarray) -> list[str]:
    cells = []
    for count in SHOWN:
        cells.append("{:.3f} ± {:.3f}".format(*interval(curves[:, COUNTS.index(count), 0])))
    gain = "–" if curves is random else saved(curves[..., 0], random[..., 0], 180)
    further = ["{:.3f} ± {:.3f}".format(*interval(curves[:, -1, place])) for place in (1, 2)]
    return [name, *cells, gain, *further]


def main() -> None:
    given = arguments(__doc__)
    vectors, classes = embeddings(given.data, given.weights, given.work)
    began, curves = time.perf_counter(), {}
    for name, ways in WAYS.items():
        with threadpool_limits(1):  # small regressions are faster so
            curves[name] = np.array([learn(vectors, classes, ways, repeat) for repeat in range(REPEATS)])
        print(name, curves[name][..., 0].mean(axis=0).round(3).tolist(), flush=True)
    head = ["chosen by", *(f"{count} labels" for count in SHOWN), "as good as 180 random", "accuracy", "AUROC"]
    table = markdown(head, [_row(name, values, curves["random"]) for name, values in curves.items()])
    minutes = (time.perf_counter() - began) / 60
    stamp = f"Run on {time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {minutes:.0f} minutes."
    stamp += " Balanced accuracy, beside it accuracy and AUROC after the last round; means with 95 per cent intervals."
    write("suggest", f"{stamp}\n\n{table}")


if __name__ == "__main__":
    main()
