"""``astrokeras fewshot``: classify all objects from a handful of labels, by the embeddings alone."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from astrokeras.config import FewshotConfig
from astrokeras.embedding.class_probabilities import linear_probe
from astrokeras.embedding.directions import directions
from astrokeras.embedding.interpolation import interpolate
from astrokeras.embedding.known_labels import class_numbers, known_labels, read_labels
from astrokeras.embedding.result_table import check_result, result_table, write_result
from astrokeras.embedding.table import Embeddings
from astrokeras.errors import AstrokerasError
from astrokeras.tasks.classification import classification_scores

METHODS = {
    "interpolated": "logistic regression on directions interpolated among neighbours",
    "directions": "logistic regression on directions",
    "linear": "logistic regression on the embeddings",
    "mean": "nearest class mean of directions",
}
_INVERSE_PENALTY = 10.0  # of regressions on directions; too few labels are there to choose it by


def fewshot(config: FewshotConfig, report: Callable[[str], None]) -> dict[str, Any]:
    """Write the predictions of one method, and score all where labels are held out.

    Args:
        config: the options.
        report: is told how many labels are used.

    Returns:
        ``out``, ``method``, the number of ``labels`` of each class that were used, ``held_out``, and the ``scores`` of
        each method; of none where no labels are held out.

    Raises:
        AstrokerasError: a table is missing or damaged, or there are no labels of two classes.
    """
    out = check_result(config.out, overwrite=config.overwrite)
    embeddings = Embeddings.load(config.embeddings, columns=(), max_bytes=config.max_bytes)
    labels = known_labels(embeddings, config.labels, config.max_catalog_bytes, report)
    held_out = embeddings.split == "test"
    if config.held_out:
        aside = read_labels(config.held_out, config.max_catalog_bytes)
        held_out |= np.array([identifier in aside for identifier in embeddings.ids.tolist()], dtype=bool)
        for row in np.flatnonzero(held_out):
            labels[row] = aside.get(embeddings.ids[row], labels[row])
    numbers, names = class_numbers(np.where(held_out, None, labels))
    if len(names) < 2:
        known = f"of {names[0]} alone" if names else "none"
        raise AstrokerasError(f"labels of two classes or more are needed; found {known}: give some with --labels")
    counts = {name: int((numbers == place).sum()) for place, name in enumerate(names)}
    report("labels used: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    answers = classify(
        embeddings.vectors, numbers, len(names), config.seed, config.neighbours, config.alpha, config.steps
    )
    _write(embeddings, answers[config.method], names, config)
    truth, _ = class_numbers(np.where(held_out, labels, None))
    return {
        "out": str(out),
        "method": config.method,
        "labels": counts,
        "held_out": int((truth >= 0).sum()),
        "scores": scores(answers, np.where(held_out, labels, None), names),
    }


def classify(
    vectors: np.ndarray,
    numbers: np.ndarray,
    n_classes: int,
    seed: int = 0,
    neighbours: int = 10,
    alpha: float = 0.5,
    steps: int = 3,
) -> dict[str, np.ndarray]:
    """Return the probabilities of all objects by each of `METHODS`.

    ``directions`` is there to tell what interpolation brings beyond the scaling that it needs.

    Args:
        vectors: embeddings ``[N, D]``.
        numbers: classes ``[N]``, -1 without a label.
        n_classes: C.
        seed: of the regressions' cross-validation.
        neighbours: see `interpolate`, as for the others.
        alpha: see `interpolate`.
        steps: see `interpolate`.

    Shapes:
        ``[N, C]`` each
    """
    turned = directions(vectors)
    mixed = directions(interpolate(turned, neighbours, alpha, steps))
    return {
        "interpolated": _regression(mixed, numbers, n_classes),
        "directions": _regression(turned, numbers, n_classes),
        "linear": linear_probe(vectors, numbers, n_classes, seed),
        "mean": nearest_mean(vectors, numbers, n_classes),
    }


def _regression(vectors: np.ndarray, numbers: np.ndarray, n_classes: int) -> np.ndarray:
    known = numbers >= 0
    with threadpool_limits(1):  # on so few rows threads wait for one another more than they work
        model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000).fit(vectors[known], numbers[known])
    chances = np.zeros((len(vectors), n_classes))
    chances[:, model.classes_] = model.predict_proba(vectors)
    return chances


def nearest_mean(vectors: np.ndarray, numbers: np.ndarray, n_classes: int) -> np.ndarray:
    """Return for each object weights that add up to 1, the greatest for the class with the nearest mean.

    Of embeddings their `directions` are taken; a class weighs exp(-d²), d the distance to its mean.

    Source: Wang et al. 2019, "SimpleShot" (arXiv:1911.04623); Snell et al. 2017 (arXiv:1703.05175), equation 2.

    Shapes:
        vectors ``[N, D]``, numbers ``[N]`` → ``[N, C]``
    """
    unit = directions(vectors)
    weights = np.zeros((len(unit), n_classes))
    for number in np.unique(numbers[numbers >= 0]):
        mean = unit[numbers == number].mean(axis=0)
        weights[:, number] = np.exp(-((unit - mean) ** 2).sum(axis=1))
    return weights / weights.sum(axis=1, keepdims=True)


def scores(
    answers: Mapping[str, np.ndarray], held_out: np.ndarray, names: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """Return the scores of each method on held-out labels; none without such labels.

    A label of a class that was not learned counts as a mistake.

    Shapes:
        answers ``[N, C]`` each; held_out ``[N]`` text, None where there is none
    """
    known = np.array([label is not None for label in held_out], dtype=bool)
    if not known.any():
        return {}
    every = [*names, *sorted({label for label in held_out[known].tolist()} - set(names))]
    truth = np.array([every.index(label) for label in held_out[known].tolist()])
    found = {}
    for method, probabilities in answers.items():
        unlearned = np.zeros((int(known.sum()), len(every) - len(names)))
        found[method] = classification_scores(truth, np.concatenate([probabilities[known], unlearned], axis=1))
    return found


def _write(embeddings: Embeddings, chances: np.ndarray, names: tuple[str, ...], config: FewshotConfig) -> None:
    columns = {"class": np.array(names)[chances.argmax(axis=1)]}
    columns |= {f"p_{name}": chances[:, place].astype(np.float32) for place, name in enumerate(names)}
    rows = np.arange(len(embeddings))
    write_result(result_table(embeddings, rows, {**columns, "label": embeddings.label}), config.out)
