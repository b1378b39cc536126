"""What `fewshot` makes of 1, 5, 10 and 25 labels a class, on EFIGI; writes the table into docs/results.md.

    python benchmarks/fewshot.py --data DIR --weights FILE

DIR holds `efigi/`, FILE is a MobileNetV2 without its top. In each repeat 1,000 galaxies are kept aside, and so many of
each class are drawn from the others; all galaxies lie in the graph, which knows no labels.
"""

import platform
import time

import numpy as np
from efigi import CLASSES, arguments, embeddings, interval, write

from astrokeras.survey.tables import markdown
from astrokeras.tasks.classification import classification_scores
from astrokeras.tasks.few_labels import METHODS, classify, spread

TEST, LABELS, REPEATS = 1000, (1, 5, 10, 25), 10


def repeat(vectors: np.ndarray, classes: np.ndarray, seed: int) -> dict[tuple[str, int], float]:
    """Balanced accuracy by method and number of labels."""
    order = np.random.default_rng(seed).permutation(len(vectors))
    test, pool = order[:TEST], order[TEST:]
    mixed, found = spread(vectors), {}
    for count in LABELS:
        numbers = np.full(len(vectors), -1)
        for number in range(len(CLASSES)):
            numbers[pool[classes[pool] == number][:count]] = number
        for method, chances in classify(vectors, mixed, numbers, len(CLASSES)).items():
            scores = classification_scores(classes[test], chances[test])
            found[method, count] = scores["balanced_accuracy"]
    return found


def main() -> None:
    given = arguments(__doc__)
    vectors, classes = embeddings(given.data, given.weights, given.work)
    began, repeats = time.perf_counter(), []
    for seed in range(REPEATS):
        repeats.append(repeat(vectors, classes, seed))
        print(seed, {key: round(score, 3) for key, score in repeats[-1].items()}, flush=True)
    rows = []
    for method, description in METHODS.items():
        cells = [interval(np.array([one[method, count] for one in repeats])) for count in LABELS]
        rows.append([description, *(f"{mean:.3f} ± {half:.3f}" for mean, half in cells)])
    gains = [
        interval(np.array([one["interpolated", count] - one[other, count] for one in repeats]))
        for other in ("directions", "linear")
        for count in LABELS
    ]
    for start, other in ((0, "directions"), (len(LABELS), "the embeddings")):
        cells = gains[start : start + len(LABELS)]
        rows.append([f"interpolated less {other}, paired", *(f"{mean:+.3f} ± {half:.3f}" for mean, half in cells)])
    head = ["balanced accuracy", *(f"{count} a class" for count in LABELS)]
    minutes = (time.perf_counter() - began) / 60
    stamp = f"Run on {time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {minutes:.0f} minutes."
    write("fewshot", f"{stamp} Means over {REPEATS} draws with 95 per cent intervals.\n\n{markdown(head, rows)}")


if __name__ == "__main__":
    main()
