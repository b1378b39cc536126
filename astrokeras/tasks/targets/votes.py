"""Predict how volunteers vote, from counts of their votes, for one question or a tree of them.

Source: Walmsley et al. 2022, "Galaxy Zoo DECaLS", MNRAS 509, 3966 (arXiv 2102.08414), section 4: the network gives the
concentrations, from 1 to 101, of a Dirichlet distribution of the fractions for each question, whose multinomial votes
are what was counted. The likelihoods of the questions are multiplied, so that one that nobody was asked says nothing.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor, ops
from scipy.optimize import minimize_scalar
from scipy.special import logit

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.spec import ColumnNames, File, Parameter
from astrokeras.tasks.dirichlet import log_likelihood
from astrokeras.tasks.dirichlet_regression import LEAST, SPAN, dirichlet_regression, log_likelihoods
from astrokeras.tasks.known import KnownMean, masked, numbers_of
from astrokeras.tasks.label_columns import LabelColumns, Labels
from astrokeras.tasks.questions import Question, places_of, read_questions
from astrokeras.tasks.target import TARGETS, Encoded, Output, Target
from astrokeras.tasks.written import text, texts

_MOST = 1e6  # votes for an answer: a column that has more is something else


@TARGETS.register("votes")
class Votes(Target):
    """Counts of votes, a column for each answer.

    Args:
        questions: with their answers.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (ColumnNames("labels", least=2, default=()), File("tree", ""))
    legend = "mae: mean absolute error of the fractions of votes"
    errors = True
    constant_name: ClassVar[str] = "always the fractions of all votes"
    main_score: ClassVar[str] = "mae"
    repeated_rows: ClassVar[bool] = True

    def __init__(self, questions: tuple[Question, ...]) -> None:
        self.questions = tuple(questions)
        self.answers = tuple(answer for question in questions for answer in question.answers)
        self.places = places_of(questions)

    @classmethod
    def columns(cls, labels: tuple[str, ...] = (), tree: str = "") -> tuple[str, ...]:
        """Return the columns of the answers.

        Raises:
            UsageError: there are none, or they stand in a tree too.
        """
        return cls(_questions(labels, tree)).answers

    @classmethod
    def fit(
        cls,
        records: RecordsDirectory,
        columns: LabelColumns,
        size: int,
        *,
        names: Labels,
        tree: str = "",
        **options: Any,
    ) -> Self:
        """Take the questions.

        Raises:
            AstrokerasError: nobody has voted, or something else stands in the columns.
        """
        target = cls(_questions(options.get("labels", ()), tree))
        if not target.known(target.encode(columns)).any():
            raise AstrokerasError(f"the train split has no votes in the columns {', '.join(target.answers)}")
        return target

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """See `Target.from_config`."""
        found = tuple(Question(text(q, "name"), texts(q, "answers"), text(q, "after")) for q in config["questions"])
        if not found or any(len(question.answers) < 2 for question in found):
            raise ValueError("it has no questions, or one without answers")
        return cls(found)

    @property
    def config(self) -> dict[str, Any]:
        """The questions."""
        return {"questions": [question.config for question in self.questions]}

    @property
    def width(self) -> int:
        """The number of answers."""
        return len(self.answers)

    @property
    def derived_fields(self) -> tuple[str, ...]:
        """``votes:QUESTION(ANSWERS) …``."""
        return ("votes:" + " ".join(f"{one.name}({','.join(one.answers)})" for one in self.questions),)

    def encode(self, labels: LabelColumns) -> dict[str, np.ndarray]:
        """Return the counts, [N, A] float32; NaN for all answers to a question of which one is missing.

        Raises:
            AstrokerasError: a count is negative, or too large to be one.
        """
        counts = numbers_of(labels, self.answers)
        for answer, column in zip(self.answers, counts.T, strict=True):
            odd = column[(column < 0) | (column > _MOST)]
            if len(odd):
                raise AstrokerasError(
                    f"the labels in the column {answer} have {odd[0]:g}, expected counts of votes from 0 to {_MOST:g}"
                )
        for place in self.places:
            counts[np.isnan(counts[:, place]).any(axis=1), place] = np.nan
        return {self.derived_fields[0]: counts}

    def head(self, embeddings: list[KerasTensor]) -> KerasTensor:
        """Return the concentrations [N, A]: a sigmoid of a linear layer, from 1 to 101."""
        x = keras.layers.Dense(len(self.answers), activation="sigmoid", dtype="float32", name="shares")(embeddings[0])
        return keras.layers.Rescaling(SPAN, LEAST, dtype="float32", name="concentrations")(x)

    def loss(self, target: KerasTensor, prediction: KerasTensor) -> KerasTensor:
        """Return minus the logarithm of the likelihood of the votes, over all questions; 0 where nobody voted."""
        counts, _ = masked(target)
        total = ops.zeros_like(prediction[:, 0])
        for place in self.places:
            total = total - log_likelihood(counts[:, place], prediction[:, place])
        return total

    @property
    def score_names(self) -> tuple[str, ...]:
        """``mae``."""
        return ("mae",)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the mean absolute error of the fractions, over the answers to the questions that were asked."""

        def error(target: KerasTensor, prediction: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
            counts, _ = masked(target)
            errors, known = [], []
            for place in self.places:
                total = ops.sum(counts[:, place], axis=1, keepdims=True)
                truth = counts[:, place] / ops.maximum(total, 1.0)
                told = prediction[:, place] / ops.sum(prediction[:, place], axis=1, keepdims=True)
                errors.append(ops.abs(told - truth))
                known.append(ops.ones_like(truth) * ops.cast(total > 0, "float32"))
            return ops.concatenate(errors, axis=1), ops.concatenate(known, axis=1)

        return [KnownMean("mae", error)]

    def _asked(self, fields: Encoded) -> np.ndarray:
        """Which questions were answered by anybody, [N, Q]."""
        counts = np.nan_to_num(fields[self.derived_fields[0]])
        return np.stack([counts[:, place].sum(axis=1) > 0 for place in self.places], axis=1)

    def known(self, fields: Encoded) -> np.ndarray:
        """Which examples have a vote."""
        return self._asked(fields).any(axis=1)

    def strata(self, fields: Encoded) -> np.ndarray:
        """Return the answer to the first question that has most votes."""
        return np.nan_to_num(fields[self.derived_fields[0]])[:, self.places[0]].argmax(axis=1).astype(np.int32)

    def probe(self, features: np.ndarray, fields: Encoded, seed: int) -> list[np.ndarray]:
        """Return kernel [D, A] and bias [A], of the greatest likelihood with a penalty; see `dirichlet_regression`."""
        counts, asked = np.nan_to_num(fields[self.derived_fields[0]]).astype(np.float64), self._asked(fields)
        kernel = np.zeros((features.shape[1], len(self.answers)), np.float32)
        bias = np.full(len(self.answers), logit(0.01), np.float32)
        for number, place in enumerate(self.places):
            rows = asked[:, number]
            if rows.any():
                kernel[:, place], bias[place] = dirichlet_regression(features[rows], counts[rows, place], seed)
        return [kernel, bias]

    def outputs(self) -> tuple[Output, ...]:
        """``ANSWER_fraction`` and ``ANSWER_concentration`` for each answer."""
        found = []
        for question in self.questions:
            among = f" of those who are asked {question.name}" if question.name else ""
            found += [Output(f"{a}_fraction", None, f"fraction of votes for {a}{among}") for a in question.answers]
        more = (Output(f"{a}_concentration", None, f"concentration of the Dirichlet for {a}") for a in self.answers)
        return (*found, *more)

    def told(self, prediction: KerasTensor) -> dict[str, KerasTensor]:
        """Return the expected fractions, and the concentrations, of which a large sum says that they are sure."""
        parts = [prediction[:, place] for place in self.places]
        fractions = ops.concatenate([part / ops.sum(part, axis=1, keepdims=True) for part in parts], axis=1)
        found = {f"{answer}_fraction": fractions[:, i] for i, answer in enumerate(self.answers)}
        return found | {f"{answer}_concentration": prediction[:, i] for i, answer in enumerate(self.answers)}

    def fractions(self, amounts: np.ndarray) -> np.ndarray:
        """Return shares of each question's sum, [N, A]; NaN where that is 0."""
        parts = [amounts[:, place] for place in self.places]
        sums = [part.sum(axis=1, keepdims=True) for part in parts]
        shares = (part / np.where(total > 0, total, np.nan) for part, total in zip(parts, sums, strict=True))
        return np.concatenate(list(shares), axis=1)

    def scores(self, fields: Encoded, prediction: np.ndarray) -> dict[str, float]:
        """Return the mean absolute error of the fractions and the mean log likelihood of the votes of an object.

        Of several questions the errors of each follow; one that nobody was asked has NaN.
        """
        counts = np.nan_to_num(fields[self.derived_fields[0]]).astype(np.float64)
        known = self.known(fields)
        error = np.abs(self.fractions(prediction.astype(np.float64)) - self.fractions(counts))
        likelihood = sum(log_likelihoods(counts[:, place], prediction[:, place]) for place in self.places)
        found = {"mae": _mean(error), "log_likelihood": _mean(likelihood[known])}
        if len(self.questions) > 1:
            pairs = zip(self.questions, self.places, strict=True)
            found |= {f"mae_{question.name}": _mean(error[:, place]) for question, place in pairs}
        return found

    def constant(self, fields: Encoded) -> np.ndarray:
        """Return the concentrations with the fractions of all votes, under which these are most probable, [1, A]."""
        counts, parts = np.nan_to_num(fields[self.derived_fields[0]]).astype(np.float64), []
        for place in self.places:
            here = counts[:, place]
            shares = (here.sum(axis=0) + 0.5) / (here.sum() + 0.5 * here.shape[1])
            found = minimize_scalar(
                lambda log, here=here, shares=shares: -log_likelihoods(here, np.exp(log) * shares).sum(),
                bounds=(0.0, np.log(SPAN * here.shape[1])), method="bounded",
            )  # fmt: skip
            parts.append(np.exp(found.x) * shares)
        return np.concatenate(parts)[None].astype(np.float32)


def _questions(columns: tuple[str, ...], tree: str) -> tuple[Question, ...]:
    if bool(columns) == bool(tree):
        raise UsageError(
            "--target votes: expected the columns of the answers, as in votes(smooth,disk,artifact), "
            "or a tree of questions, as in votes(tree='questions.toml')"
        )
    return read_questions(tree, "--target votes") if tree else (Question("", columns),)


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
