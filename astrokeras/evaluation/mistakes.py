"""The most confident mistakes of a classifier, with the stamps: wrong labels and hard objects show there first."""

import dataclasses

import numpy as np

from astrokeras.evaluation.compare import Comparison, EvaluationSet
from astrokeras.evaluation.judged import mistakes
from astrokeras.records.picture import Cell, rgb, upright

MOST = 12


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One wrong answer.

    Attributes:
        id: of the object.
        label: what it is said to be by people.
        answer: what it is taken for.
        probability: how sure the classifier is of that.
        picture: of the stamp, [S, S, 3] bytes.
    """

    id: str
    label: str
    answer: str
    probability: float
    picture: np.ndarray

    @property
    def caption(self) -> str:
        """What happened, in a line."""
        return f"{self.id}: {self.label}, taken for {self.answer} ({self.probability:.2f})"

    @property
    def cell(self) -> Cell:
        """For a sheet of stamps."""
        return Cell(self.picture, f"{self.answer}, not {self.label}", f"{self.probability:.2f}  {self.id}")


def most_confident_mistakes(
    labels: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...], exam: EvaluationSet, comparison: Comparison
) -> list[Mistake]:
    """Return the most confident wrong answers, the most confident one first.

    Args:
        labels: [N], 0 … C - 1; -1 where there is none.
        probabilities: [N, C].
        classes: their C names.
        exam: the N objects.
        comparison: from whose records the stamps come.
    """
    known = np.flatnonzero(labels >= 0)
    places = known[mistakes(labels[known], probabilities[known], MOST)]
    if not len(places):
        return []
    rows = np.flatnonzero(exam.select)[places]
    select = np.zeros(len(exam.select), bool)
    select[rows] = True
    records = comparison.records
    flux = np.concatenate([part for part, _ in comparison.source.stamps(exam.split, 64, (), select)])
    pictures = upright(rgb(flux, records), records)[np.argsort(np.argsort(rows))]
    ids = records.objects(exam.split)["id"]
    found = []
    for place, row, picture in zip(places, rows, pictures, strict=True):
        said = int(probabilities[place].argmax())
        probability = float(probabilities[place, said])
        found.append(Mistake(str(ids[row]), classes[labels[place]], classes[said], probability, picture))
    return found
