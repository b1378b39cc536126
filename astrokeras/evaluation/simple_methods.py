"""What simple methods score on the same test objects: the same answer for all, and a linear fit on photometry.

An arm that does not beat them has learned nothing that a table of fluxes, or of labels, does not say.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from astrokeras.evaluation.compare import Comparison, Draw, encoded, score
from astrokeras.evaluation.fits import DONE
from astrokeras.evaluation.report import mean_and_spread
from astrokeras.tasks.baselines import evenly, photometry
from astrokeras.tasks.few_labels import METHODS
from astrokeras.tasks.target import Target
from astrokeras.training.run_directory import load_run

BASELINE = "baseline"
"""What stands as ``mode`` in the lines of simple methods."""


def baseline_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return lines of the table, as `report.summarise` does, for methods without a network.

    The first is that of `Target.constant`, from all training labels. Then, where a target has one, that of
    `Target.photometric` for each budget, fitted to the same draws of labels as the arms; in it the scores of other
    targets are NaN.
    """
    return [_constant(comparison), *_photometric(comparison)]


def rows_of_others(out: Path, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return lines of the table for what other methods score with the features of each arm, see `fewshot_trainer`.

    Args:
        out: the run directory, in which each fit says it.
        results: the line of each fit.
    """
    found: dict[tuple[str, str, str], list[dict[str, float]]] = {}
    labels = {}
    for line in results:
        if line["status"] != DONE:
            continue
        for method, scores in (load_run(out / line["directory"]).get("others") or {}).items():
            key = method, line["arm"], line["budget"]
            found.setdefault(key, []).append({k: math.nan if v is None else v for k, v in scores.items()})
            labels[key] = line["labels"]
    return [
        _row(f"{METHODS[method]}, {arm}", budget, labels[method, arm, budget], each)
        for (method, arm, budget), each in found.items()
    ]


def _row(name: str, budget: str, labels: int, each: list[dict[str, float]]) -> dict[str, Any]:
    """Return a line: means over the repeats of scores by ``SPLIT_SCORE``."""
    about = {"arm": name, "init": "", "started_from": "", "backbone": "", "mode": BASELINE, "budget": budget}
    row: dict[str, Any] = about | {"labels": labels, "repeats": len(each)}
    for key in each[0]:
        row |= mean_and_spread(key, [one[key] for one in each])
    return row | mean_and_spread("gain", []) | {"failed": 0, "reason": ""}


def _constant(comparison: Comparison) -> dict[str, Any]:
    targets, scores = comparison.targets, {}
    labels = encoded(targets, comparison.source, "train")
    for exam in comparison.exams:
        told = {name: np.repeat(one.constant(labels[name]), exam.count, axis=0) for name, one in targets.items()}
        scores |= {f"{exam.split}_{name}": value for name, value in score(targets, exam, told).items()}
    known = np.logical_or.reduce([target.known(labels[name]) for name, target in targets.items()])
    return _row(next(iter(targets.values())).constant_name, "all", int(known.sum()), [scores])


def _photometric(comparison: Comparison) -> list[dict[str, Any]]:
    named: dict[str, dict[str, Target]] = {}
    for name, target in comparison.targets.items():
        if target.photometric_name:
            named.setdefault(target.photometric_name, {})[name] = target
    if not named:
        return []
    fits = _Photometry(comparison)
    draws = comparison.draws_for("frozen", random=False)
    return [
        _row(method, budget, mine[0].count, [fits.scores(targets, draw) for draw in mine])
        for method, targets in named.items()
        for budget in dict.fromkeys(draw.budget for draw in draws)
        if (mine := [draw for draw in draws if draw.budget == budget])
    ]


class _Photometry:
    """Aperture fluxes of the objects of a comparison; of more than 20,000 training objects those of a part."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison, source = comparison, comparison.source
        self.measured = evenly(np.logical_or.reduce([draw.select for draw in comparison.draws]))
        self.train = photometry(source, "train", self.measured)
        self.exams = [photometry(source, exam.split, exam.select) for exam in comparison.exams]

    def scores(self, targets: dict[str, Target], draw: Draw) -> dict[str, float]:
        """Return the scores of these targets, fitted to a draw, by ``SPLIT_SCORE``; NaN for all others."""
        comparison, select = self.comparison, draw.select & self.measured
        fluxes, labels = self.train[select[self.measured]], comparison.labels("train", select)
        found = {f"{exam.split}_{key}": math.nan for exam in comparison.exams for key in comparison.measure.scores}
        for name, target in targets.items():
            known = target.known(labels[name])
            if not known.any():
                continue
            fields = {field: values[known] for field, values in labels[name].items()}
            prefix = f"{name}_" if len(comparison.targets) > 1 else ""
            for exam, others in zip(comparison.exams, self.exams, strict=True):
                told = target.photometric(fluxes[known], fields, others)
                scores = target.scores(exam.fields[name], told)
                found |= {f"{exam.split}_{prefix}{key}": float(value) for key, value in scores.items()}
        return found
