"""What TensorBoard shows of a comparison as a whole: a run for each arm, with its score against the number of labels.

The fits have runs of their own, which may be dozens; of more than 40 runs TensorBoard ticks none at first. Those of the
arms are called `ARM/all-budgets`, so that a word in the field above the runs leaves only them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from astrokeras.evaluation import figures
from astrokeras.evaluation.bootstrap import Resampled
from astrokeras.evaluation.compare import Comparison
from astrokeras.evaluation.fit_predictions import Predictions
from astrokeras.evaluation.judged import confusion
from astrokeras.evaluation.mistakes import most_confident_mistakes
from astrokeras.evaluation.samples import Sample
from astrokeras.evaluation.verdict import curves
from astrokeras.evaluation.words import score_title
from astrokeras.records.picture import draw_sheet
from astrokeras.text import shortened
from astrokeras.training.board import Board, Chart, Embedded

RUN = "all-budgets"
_AGAINST, _LIMITS = "against labels", "interval"
_MOST_CLASSES = 12


def run_of(arm: str) -> str:
    """Return the run of an arm, below the log directory of the comparison."""
    return f"{arm}/{RUN}"


def show_comparison(
    board: Board,
    comparison: Comparison,
    predictions: Predictions,
    judged: Mapping[int, Resampled],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Show the scores of every arm against the number of labels, and for classes what its answers are worth.

    Args:
        board: shows it.
        comparison: what was compared.
        predictions: for the test objects.
        judged: the main score of the first target by number of labels, see `judged.judge`.
        rows: means of each arm and budget, see `report.summarise`.
    """
    _show_scores(board, comparison, predictions, judged, rows)
    name, target = next(iter(comparison.targets.items()))
    if predictions.budgets and target.of_classes:
        _show_classes(board, comparison, predictions, name)


def _show_scores(
    board: Board,
    comparison: Comparison,
    predictions: Predictions,
    judged: Mapping[int, Resampled],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    measure, budgets = comparison.measure, predictions.budgets
    for row in rows:
        if row["repeats"] and budgets.get(row["labels"]) == row["budget"]:
            means = {_tag(score): row[f"test_{score}_mean"] for score in measure.scores}
            board.scalars(run_of(row["arm"]), means, row["labels"])
    title = score_title(measure.main)
    low, high = f"{_LIMITS}/{title}, low", f"{_LIMITS}/{title}, high"
    for arm, curve in curves(judged).items():
        for count, interval in curve.items():
            board.scalars(run_of(arm), {low: interval.low, high: interval.high}, count)
    others = [Chart(score_title(score), (_tag(score),)) for score in measure.scores if score != measure.main]
    first = Chart(f"{title} (test) against labels", (_tag(measure.main),))
    sure = Chart(f"{title} (test) with its 95 % interval", (_tag(measure.main),), (low, high))
    charts = {"Score against the number of labels": [first, sure], "Further scores": others}
    board.charts(run_of(rows[0]["arm"]), {heading: shown for heading, shown in charts.items() if shown})


def _tag(score: str) -> str:
    return f"{_AGAINST}/{score_title(score)}"


def _show_classes(board: Board, comparison: Comparison, predictions: Predictions, name: str) -> None:
    """Show what each arm answers with the most labels: precision and recall, confusion, mistakes."""
    target, many = comparison.targets[name], max(predictions.budgets)
    fields = predictions.exam.fields[name]
    known = np.flatnonzero(target.known(fields))
    labels, classes = target.strata(fields), target.names
    for arm, values in predictions.of(name, many).items():
        run = run_of(arm)
        truth, told = np.tile(labels[known], len(values)), values[:, known].reshape(-1, values.shape[-1])
        for number, of in enumerate(classes[:_MOST_CLASSES]):
            tag = f"precision and recall/{shortened(of, 40)}"
            board.precision_recall(run, tag, truth == number, told[:, number], many)
        counts = confusion(labels[known], values[:, known], len(classes))
        drawn = figures.confusion_matrices({arm: counts}, classes)
        board.picture(run, "confusion matrix", figures.pixels(drawn), many)
        wrong = most_confident_mistakes(labels, values[0], classes, predictions.exam, comparison)
        if wrong:
            sheet = draw_sheet(comparison.records, [[one.cell for one in wrong]])
            board.picture(run, "most confident mistakes", np.asarray(sheet), many)


def show_embeddings(board: Board, arm: str, comparison: Comparison, samples: Sequence[Sample]) -> None:
    """Show what the encoder of the winning arm makes of labelled test objects and of unlabelled ones."""
    name, target = next(iter(comparison.targets.items()))
    ids, labels, splits = [], [], []
    for sample in samples:
        table = comparison.records.objects(sample.split)
        ids += [str(table["id"][row]) for row in sample.rows]
        splits += [sample.split] * len(sample.rows)
        labels += _labels(comparison, sample, name) if target.names and sample.labelled else ["–"] * len(sample.rows)
    if ids:
        vectors, pictures = (np.concatenate([getattr(s, part) for s in samples]) for part in ("vectors", "pictures"))
        board.embeddings(run_of(arm), Embedded(vectors, {"id": ids, "label": labels, "split": splits}, pictures))


def _labels(comparison: Comparison, sample: Sample, name: str) -> list[str]:
    target = comparison.targets[name]
    select = np.zeros(comparison.records.counts[sample.split], bool)
    select[sample.rows] = True
    fields = comparison.labels(sample.split, select)[name]
    codes = np.where(target.known(fields), target.strata(fields), -1)
    return [target.names[code] if 0 <= code < len(target.names) else "–" for code in codes]


def remove_overview(directory: Path) -> None:
    """Remove what an earlier call has written below the log directory of a comparison, so that nothing stands twice."""
    for place in directory.glob(f"*/{RUN}"):
        for file in place.iterdir():
            file.unlink()
