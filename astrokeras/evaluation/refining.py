"""Refine the labels of a draw before training: by networks that have not seen them.

Source: Fang, Yang & Ni 2020, "Stochastic Label Refinery: Toward Better Target Label Distribution", ICPR 2020: in turn,
networks learn the labels of random parts of the training objects, and the labels of the others are updated by what they
predict; the network that counts learns what the labels have become.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from astrokeras.evaluation.compare import Draw, EvaluationSet
from astrokeras.evaluation.schedule import Schedule
from astrokeras.evaluation.schedule_search import About
from astrokeras.tasks.target import Target

if TYPE_CHECKING:
    from astrokeras.evaluation.fitting import ArmTrainer

_FOLDS = 3
_SPLIT = "train"  # labels of other splits are measured on, and stay what they are


@contextlib.contextmanager
def refined_labels(trainer: "ArmTrainer", draw: Draw, schedule: Schedule, about: About) -> Iterator[None]:
    """Refine the labels of a draw while the block lasts, for those targets that ask for it.

    It takes three fits a round, each as long as that of the draw, on two thirds of its labels.

    Args:
        trainer: of the arm.
        draw: whose labels are refined; labels of objects outside of it are not looked at.
        schedule: how its networks are trained.
        about: what looks at it.

    Raises:
        AstrokerasError: a training diverged.
        Stopped: a signal came.
    """
    source = trainer.comparison.source
    targets = {name: target for name, target in trainer.comparison.targets.items() if target.rounds}
    given = {
        field: source.columns(_SPLIT, [field])[field] for target in targets.values() for field in target.training_fields
    }
    try:
        if draw.count > _FOLDS:
            for number in range(max((target.rounds for target in targets.values()), default=0)):
                chosen = {name: target for name, target in targets.items() if number < target.rounds}
                _refine(trainer, draw, number, chosen, schedule, about)
        yield
    finally:
        for field, values in given.items():
            source.add(field, {_SPLIT: values})


def _refine(
    trainer: "ArmTrainer", draw: Draw, number: int, targets: Mapping[str, Target], schedule: Schedule, about: About
) -> None:
    """Update the fields of the targets in one round."""
    comparison, unseen = trainer.comparison, dataclasses.replace(about, advance=lambda _: None)
    labels = comparison.labels(_SPLIT, draw.select)
    first, leading = next(iter(targets.items()))
    rng = np.random.default_rng([comparison.config.seed, draw.repeat, number])
    folds = _folds(leading.strata(labels[first]), rng)
    told: dict[str, np.ndarray] = {}
    for fold in range(_FOLDS):
        about.watch.stop_if_asked()
        held = np.zeros_like(draw.select)
        held[draw.select] = folds == fold
        others = dataclasses.replace(draw, select=draw.select & ~held)
        trainer.train(others, schedule, unseen)
        predictions = trainer.predictions(draw, schedule, EvaluationSet(_SPLIT, held, {}), about.watch)
        for name in targets:
            values = told.setdefault(name, np.zeros((draw.count, *predictions[name].shape[1:]), np.float32))
            values[folds == fold] = predictions[name]
    for name, target in targets.items():
        for field, values in target.refined(labels[name], told[name]).items():
            column = comparison.source.columns(_SPLIT, [field])[field].copy()
            column[draw.select] = values
            comparison.source.add(field, {_SPLIT: column})


def _folds(codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random part for each object, [N], in which each class is as frequent as in the others."""
    order = np.lexsort((rng.random(len(codes)), codes))
    folds = np.empty(len(codes), int)
    folds[order] = np.arange(len(codes)) % _FOLDS
    return folds
