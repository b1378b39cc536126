"""``astrokeras fewshot``: classify all objects from a handful of labels, by the embeddings alone."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from astrokeras.config import FewshotConfig
from astrokeras.embedding.known_labels import class_numbers, known_labels, read_labels
from astrokeras.embedding.result_table import check_result, result_table, write_result
from astrokeras.embedding.table import Embeddings
from astrokeras.errors import AstrokerasError
from astrokeras.tasks.classification import classification_scores
from astrokeras.tasks.few_labels import classify, spread


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
    mixed = spread(embeddings.vectors, config.neighbours, config.alpha, config.steps)
    answers = classify(embeddings.vectors, mixed, numbers, len(names), config.seed)
    _write(embeddings, answers[config.method], names, config)
    truth, _ = class_numbers(np.where(held_out, labels, None))
    return {
        "out": str(out),
        "method": config.method,
        "labels": counts,
        "held_out": int((truth >= 0).sum()),
        "scores": scores(answers, np.where(held_out, labels, None), names),
    }


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
