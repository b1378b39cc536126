"""Questions with answers, as volunteers are asked them one after the other."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from astrokeras.errors import UsageError
from astrokeras.tasks.toml_files import names_in, once, read_toml

_MOST = 1000  # answers


@dataclasses.dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        name: "" if it is the only one.
        answers: the columns with the counts of votes.
        after: the answer to another question behind which it is asked; "" if all are asked.
    """

    name: str
    answers: tuple[str, ...]
    after: str = ""

    @property
    def config(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"name": self.name, "answers": list(self.answers), "after": self.after}


def read_questions(name: str, option: str) -> tuple[Question, ...]:
    """Return the questions of a TOML file, each behind the one that leads to it.

    A table for each question has its answers and, where it is asked behind one of another question, that answer::

        [questions.shape]
        answers = ["smooth", "disk", "artifact"]

        [questions.bar]
        answers = ["bar", "no_bar"]
        after = "disk"

    Args:
        name: of the file.
        option: where it was named, for messages.

    Raises:
        UsageError: the file describes no such tree.
    """
    content, where = read_toml(name, option), f"{option}: {name}"
    tables = content.get("questions")
    if set(content) != {"questions"} or not isinstance(tables, Mapping) or not tables:
        raise UsageError(f"{where}: expected tables [questions.NAME] and nothing else")
    found = [_question(key, table, where) for key, table in tables.items()]
    once((answer for question in found for answer in question.answers), where)
    if sum(len(question.answers) for question in found) > _MOST:
        raise UsageError(f"{where}: it has more than {_MOST} answers")
    return _in_order(found, where)


def _question(name: str, table: object, where: str) -> Question:
    if not isinstance(table, Mapping) or not set(table) <= {"answers", "after"}:
        raise UsageError(f"{where}: expected answers and after in [questions.{name}], nothing else")
    answers = names_in(table.get("answers"), f"{where}: answers of [questions.{name}]")
    if len(answers) < 2:
        raise UsageError(f"{where}: [questions.{name}] has one answer, expected at least two")
    after = table.get("after", "")
    if not isinstance(after, str):
        raise UsageError(f"{where}: after of [questions.{name}] is no answer of a question")
    return Question(name, answers, after)


def _in_order(questions: Sequence[Question], where: str) -> tuple[Question, ...]:
    """Return the questions so that each stands behind the one that leads to it."""
    left, found, answers = list(questions), [], {""}
    while left:
        ready = [question for question in left if question.after in answers]
        if not ready:
            said = ", ".join(f"{question.name} after {question.after}" for question in left[:5])
            raise UsageError(f"{where}: no question leads to {said}")
        found += ready
        answers |= {answer for question in ready for answer in question.answers}
        left = [question for question in left if question not in ready]
    return tuple(found)


def places_of(questions: Sequence[Question]) -> list[slice]:
    """Return where the answers of each question stand among all."""
    ends = np.cumsum([0, *(len(question.answers) for question in questions)]).tolist()
    return [slice(start, end) for start, end in itertools.pairwise(ends)]
