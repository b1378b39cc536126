"""What people look at after a comparison: a page, its figures as files, and the table of all answers."""

import base64
import io
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from astrokeras import __version__
from astrokeras.config import as_command
from astrokeras.evaluation import costs, figures
from astrokeras.evaluation.arms import singles_of
from astrokeras.evaluation.bootstrap import Interval, Resampled
from astrokeras.evaluation.calibration import reliability
from astrokeras.evaluation.class_scores import CLASS_SCORES, class_scores, in_lines
from astrokeras.evaluation.compare import Comparison
from astrokeras.evaluation.fit_predictions import PREDICTIONS, Predictions, write_predictions
from astrokeras.evaluation.judged import confusion, judge
from astrokeras.evaluation.mistakes import most_confident_mistakes
from astrokeras.evaluation.overview import remove_overview, show_comparison, show_embeddings
from astrokeras.evaluation.page_markup import Section, code, figure, page, stamps, table
from astrokeras.evaluation.report import footnote, head_of, lines_of, write_csv
from astrokeras.evaluation.schedule import FEWSHOT
from astrokeras.evaluation.slice_sections import slice_section
from astrokeras.evaluation.slices import SLICES, Sliced, slice_columns, sliced, write_slices
from astrokeras.evaluation.unlabelled import measure_distance
from astrokeras.evaluation.verdict import curves, needed, ranking, verdict
from astrokeras.evaluation.words import score_title
from astrokeras.files import write_atomically
from astrokeras.tasks.classification import SCORES
from astrokeras.text import shortened
from astrokeras.training.imagenet import WORDS

_MOST_CLASSES = 12  # in tables and figures with a line for each class


class Page:
    """The page of a comparison, judged by its first target.

    Args:
        comparison: what was compared.
        predictions: for the test objects.
        judged: the main score by number of labels, see `judged.judge`.
        slices: scores by magnitude and the like.
        further: what stands on the page too, before how it was made: sections.
        winner: of the networks, see `finetune`; None if that is not known.
        general: the arms that began without a survey's images.
    """

    def __init__(
        self,
        comparison: Comparison,
        predictions: Predictions,
        judged: Mapping[int, Resampled],
        slices: Sequence[Sliced] = (),
        further: Sequence[Section] = (),
        winner: Mapping[str, Any] | None = None,
        general: Collection[str] = (),
    ) -> None:
        self.comparison, self.predictions, self.judged = comparison, predictions, judged
        self.slices, self.further, self.winner, self.general = slices, further, winner, general
        self.name, self.target = next(iter(comparison.targets.items()))
        self.prefix = f"{self.name}_" if len(comparison.targets) > 1 else ""
        self.title = score_title(self.target.main_score)
        self.errors = self.target.errors
        self.order = ranking(judged, errors=self.errors)
        self.drawn: dict[str, Any] = {}
        self.costs: list[list[str]] = []
        self.scores = class_scores(self.target, self.name, predictions, self.prefix) if self.classes else {}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, if each object is in one of them."""
        codes = next(iter(self.predictions.exam.fields[self.name].values()))
        return self.target.names if self.name == "class" and codes.dtype.kind == "i" else ()

    @property
    def verdict(self) -> str:
        """What the comparison says, see `verdict.verdict`."""
        return verdict(self.judged, self.title, self.general, errors=self.errors)

    def html(self, rows: list[list[str]], head: list[str], footnote: str) -> str:
        """Return the page; `rows` and `head` are the table of all scores."""
        config = self.comparison.config
        sections = [
            self._scores(),
            Section("All scores", table(head, rows), footnote),
            *([Section("What it costs", table(costs.HEAD, self.costs), costs.NOTE)] if self.costs else []),
            self._differences(),
            *([self._labels_needed()] if len(self.judged) > 1 and len(self.order) > 1 else []),
            *self._sliced(),
            *(self._of_classes() if self.classes and self.order else []),
            *self.further,
            Section("How it was made", code(as_command("finetune", config)) + self._made(), self._kept()),
        ]
        title = f"{self.comparison.records.name}: was pre-training worth it?"
        return page(title, self.verdict, sections)

    def _made(self) -> str:
        return code(
            f"mode {self.comparison.config.mode}; seed {self.comparison.config.seed}\n"
            f"records {self.comparison.records.path} ({self.comparison.records.fingerprint[:12]})\n"
            f"astrokeras {__version__}, Keras {keras.__version__} ({keras.backend.backend()}), NumPy {np.__version__}, "
            f"Python {sys.version.split()[0]}; {time.strftime('%Y-%m-%d %H:%M %Z')}"
        )

    def _kept(self) -> str:
        """Return which network is the winner's."""
        if self.winner is None:
            return ""
        chosen = {"val": "the validation objects", "test": "the test objects, for want of others"}
        files = (
            "encoder.keras, which embed takes, is that"
            if self.comparison.config.mode == FEWSHOT
            else "model.keras and encoder.keras, which predict, embed and export take, are those"
        )
        return (
            f"{files} of {self.winner['arm']} with {self.winner['budget']} labels, repeat {self.winner['repeat']}: the "
            f"best of the largest budget by {chosen[self.winner['chosen_on']]}."
        )

    def _scores(self) -> Section:
        self.drawn["score"] = drawn = figures.score_by_budget(curves(self.judged), self.title)
        alt = f"{self.title} of each arm against the number of labelled training objects, with 95 % intervals"
        note = (
            f"The mean over the repeats on the same {self.predictions.exam.count} labelled "
            f"{self.predictions.exam.split} objects with 95 % intervals (bootstrap over test objects and repeats)."
        )
        return Section(
            f"{self.title[:1].upper()}{self.title[1:]} against labels", figure(figures.in_page(drawn, alt)), note
        )

    def _differences(self) -> Section:
        """Return the best arm against every other, at every number of labels."""
        if len(self.order) < 2:
            return Section("Differences", "<p>There is one arm only.</p>")
        best, others = self.order[0], self.order[1:]
        found: dict[str, Interval] = {
            f"{shortened(other, 20)}, {count}": resampled.difference(best, other)
            for other in others
            for count, resampled in self.judged.items()
        }
        self.drawn["differences"] = drawn = figures.forest(found, f"{best} less the other arm, {self.title}")
        note = (
            "Both arms answer for the same objects from the same labels, so that what they share cancels. A filled "
            "mark: the 95 % interval holds no zero. All pairs stand in differences.csv."
        )
        alt = f"Difference in {self.title} between {best} and each other arm by number of labels, with intervals"
        return Section(f"How much better {best} is, and how surely", figure(figures.in_page(drawn, alt)), note)

    def _labels_needed(self) -> Section:
        found = needed(self.judged, errors=self.errors)
        many = max(self.judged)
        head = ["labels needed by", *(f"for {other}'s {self.judged[many].values[other]:.3f}" for other in self.order)]
        rows = [
            [arm, *("–" if arm == other else _count(found[arm][other]) for other in self.order)] for arm in self.order
        ]
        note = f"For what each arm reaches with {many} labels; interpolated in the logarithm of the number of labels."
        return Section("Labels needed", table(head, rows), note)

    def _sliced(self) -> list[Section]:
        found = []
        for number, one in enumerate(self.slices):
            prefix = f"{shortened(one.target, 40)}: " if len(self.comparison.targets) > 1 else ""
            if shown := slice_section(one, prefix=prefix):
                section, self.drawn[f"slices-{number + 1}"] = shown
                found.append(section)
        return found

    def _of_classes(self) -> list[Section]:
        labels = next(iter(self.predictions.exam.fields[self.name].values()))
        many, best = max(self.judged), self.order[0]
        predictions = {arm: values for arm, values in self.predictions.of(self.name, many).items() if arm in self.order}
        together = {
            arm: reliability(np.tile(labels, len(v)), v.reshape(-1, v.shape[-1])) for arm, v in predictions.items()
        }
        self.drawn["reliability"] = reliable = figures.reliability_diagrams(together)
        counts = {arm: confusion(labels, values, len(self.classes)) for arm, values in predictions.items()}
        self.drawn["confusion"] = confused = figures.confusion_matrices(counts, self.classes)
        with_many = f"with {many} labels"
        note = f"Mean ± standard deviation over the repeats; with fewer labels in {CLASS_SCORES}."
        return [
            Section(f"Further figures {with_many}", self._figures(many), note),
            Section(
                f"Are the probabilities honest? ({with_many})",
                figure(figures.in_page(reliable, "Share of right answers against the probability said, for each arm")),
                "On the line, answers are right as often as they are said to be; the size of a point is its share of "
                "the objects.",
            ),
            Section(
                f"What is taken for what ({with_many})",
                figure(figures.in_page(confused, "Confusion matrix of each arm, true classes in rows")),
                "Shares of each true class, over all repeats.",
            ),
            Section(
                f"The most confident mistakes of {best} ({with_many}, first repeat)",
                self._mistakes(labels, predictions[best][0]),
            ),
        ]

    def _figures(self, many: int) -> str:
        columns = {arm: found for arm, found in self.scores[many].items() if arm in self.order}
        there = next(iter(columns.values()))
        names = [name for name in there if name not in SCORES and not name.startswith(("precision ", "recall "))]
        names += [f"{kind} {name}" for name in self.classes[:_MOST_CLASSES] for kind in ("precision", "recall")]
        body = [[score_title(name), *(_value(found[name]) for found in columns.values())] for name in names]
        return table(["", *columns], body)

    def _mistakes(self, labels: np.ndarray, probabilities: np.ndarray) -> str:
        found = most_confident_mistakes(labels, probabilities, self.classes, self.predictions.exam, self.comparison)
        if not found:
            return "<p>There are none.</p>"
        return stamps([(_png(one.picture), shortened(one.caption, 160)) for one in found])

    def save_figures(self, directory: Path) -> None:
        """Write the figures of the page as SVG and PDF."""
        directory.mkdir(exist_ok=True)
        for name, drawn in self.drawn.items():
            for kind in ("svg", "pdf"):
                write_atomically(directory / f"{name}.{kind}", lambda path, drawn=drawn: figures.save(drawn, path))


def _png(picture: np.ndarray) -> str:
    """Return a picture [H, W, 3] of bytes as an address."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _count(number: float) -> str:
    return "more" if np.isnan(number) else f"{number:.0f}"


def _value(figure: tuple[float, float]) -> str:
    mean, spread = figure
    return "–" if np.isnan(mean) else f"{mean:.3f}" + ("" if np.isnan(spread) else f" ± {spread:.3f}")


def differences(judged: Mapping[int, Resampled]) -> list[dict[str, Any]]:
    """Return the difference of every arm to every other at every number of labels, with its interval."""
    return [
        {"labels": count, "arm": arm, "other": other, "difference": d.value, "low": d.low, "high": d.high}
        for count, resampled in judged.items()
        for (arm, other), d in resampled.differences().items()
    ]


def write_pages(
    out: Path,
    rows: list[dict[str, Any]],
    results: list[dict[str, Any]],
    comparison: Comparison,
    winner: Mapping[str, Any],
    encoder: keras.Model,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Write what follows from the answers of all fits.

    That is ``predictions.parquet``, the page ``comparison.html`` with its ``figures/``, ``differences.csv``,
    ``slices.csv`` and ``class_scores.csv``.

    Args:
        out: the run directory.
        rows: means of each arm and budget, see `report.summarise`.
        results: the line of each fit.
        comparison: what was compared.
        winner: which network was chosen.
        encoder: of the winner.
        report: gets a warning where the unlabelled objects are unlike the labelled ones.

    Returns:
        What belongs into ``run.json``: ``verdict``, what the page begins with, and ``unlabelled``, see
        `unlabelled.Distance`.
    """
    name, target = next(iter(comparison.targets.items()))
    every = [Predictions.read(out, results, comparison, exam) for exam in comparison.exams]
    write_predictions(out / PREDICTIONS, every[0], comparison)
    test = every[0].labelled(name, target)
    judged = judge(target, name, test, comparison.config.seed)
    slices = sliced(comparison, every[0], slice_columns(comparison.records, comparison.config.slice_by))
    write_slices(out / SLICES, slices, every[0])
    distance, samples = measure_distance(encoder, comparison, report)
    further = [distance.section()] if distance else []
    general = {row["arm"] for row in rows if all(init in WORDS for init in singles_of(row["init"]))}
    shown = Page(comparison, test, judged, slices, further, winner, general)
    shown.costs = costs.cost_lines(rows)
    first, measure = rows[0]["arm"], comparison.measure
    text = shown.html(lines_of(rows, comparison), head_of(first, measure), footnote(rows, comparison, shortened))
    write_atomically(out / "comparison.html", lambda path: path.write_text(text, encoding="utf-8"))
    shown.save_figures(out / "figures")
    if found := differences(judged):
        write_csv(out / "differences.csv", found)
    if shown.scores:
        write_csv(out / CLASS_SCORES, in_lines(shown.scores, test))
    remove_overview(out / "tensorboard")
    board = comparison.engine.board(out / "tensorboard")
    try:
        show_comparison(board, comparison, test, judged, rows)
        show_embeddings(board, winner["arm"], comparison, samples)
    finally:
        board.close()
    return {"verdict": shown.verdict, "unlabelled": distance.content if distance else None}
