"""Answers for labels by networks that have not seen them: for temperatures where validation labels are missing."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from astrokeras.errors import AstrokerasError, Stopped
from astrokeras.evaluation.compare import Comparison, Draw, EvaluationSet
from astrokeras.evaluation.schedule import Schedule
from astrokeras.evaluation.schedule_search import FOLDS, About, folds_judged, in_order, parts_of_draw
from astrokeras.evaluation.temperature import OUT_OF_FOLD, calibrate, unvalidated
from astrokeras.files import CannotWrite

if TYPE_CHECKING:
    from astrokeras.evaluation.fitting import ArmTrainer


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """What networks said of labels that were held out.

    Attributes:
        select: a mask of these objects over the train split.
        predictions: by target, [N, ...] in the order of the records.
    """

    select: np.ndarray
    predictions: Mapping[str, np.ndarray]

    def exam(self, comparison: Comparison) -> EvaluationSet:
        """Return the objects with their labels."""
        return EvaluationSet(OUT_OF_FOLD, self.select, comparison.labels("train", self.select))


def steps_out_of_fold(comparison: Comparison, schedules: Sequence[Schedule], count: int) -> int:
    """Return the most steps that `answer_out_of_fold` takes, for a draw of `count` labels."""
    if count <= FOLDS or not unvalidated(comparison.targets, comparison.exams):
        return 0
    return folds_judged(count) * max(one.steps_for(count - count // FOLDS) for one in schedules)


def answer_out_of_fold(trainer: "ArmTrainer", draw: Draw, schedule: Schedule, about: About) -> HeldOut | None:
    """Train on parts of a draw as on all of it, and tell what each network says of the labels that it did not see.

    The parts are those by which trials are judged; here nothing is cut short, since a network that was trained
    for longer is surer.

    Args:
        trainer: of the arm.
        draw: whose labels are held out in turn.
        schedule: by which the network of the draw will be trained.
        about: what looks at it.

    Returns:
        None where every target has validation labels to fit its temperature on, or where the labels are too few.

    Raises:
        Stopped: a signal came.
    """
    comparison = trainer.comparison
    if draw.count <= FOLDS or not unvalidated(comparison.targets, comparison.exams):
        return None
    masks, told = [], []
    try:
        for part, held in parts_of_draw(comparison, draw):
            trainer.train(part, schedule, about)
            told.append(trainer.predictions(part, schedule, EvaluationSet("train", held, {}), about.watch))
            masks.append(held)
    except (Stopped, CannotWrite):
        raise
    except AstrokerasError:  # as a part that lacks a class; what it says of the whole draw, the fit will say
        return None
    predictions = {
        name: in_order([(mask, said[name]) for mask, said in zip(masks, told, strict=True)])
        for name in comparison.targets
    }
    return HeldOut(np.logical_or.reduce(masks), predictions)


def calibrated(
    comparison: Comparison,
    predictions: Mapping[str, Mapping[str, np.ndarray]],
    held: HeldOut | None,
    heads: Mapping[str, keras.Model],
) -> tuple[dict[str, dict[str, np.ndarray]], HeldOut | None, dict[str, Any]]:
    """Return the answers and what was held out at the temperatures of a network, and the figures; see `calibrate`."""
    if held is None:
        after, figures = calibrate(comparison.targets, comparison.exams, predictions, heads)
        return after, None, figures
    exams = [*comparison.exams, held.exam(comparison)]
    after, figures = calibrate(comparison.targets, exams, {**predictions, OUT_OF_FOLD: held.predictions}, heads)
    return after, dataclasses.replace(held, predictions=after.pop(OUT_OF_FOLD)), figures
