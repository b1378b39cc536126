"""What is asked and what was answered: the order of the objects, undo, skip."""

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

from astrokeras.embedding.labelling.label_file import LabelFile
from astrokeras.errors import AstrokerasError


class OutOfStep(AstrokerasError):
    """An answer to another question than the one that stands: a second key, or a second page."""


@dataclasses.dataclass(frozen=True)
class LabelQuestion:
    """One object to label.

    Attributes:
        id: as text.
        detail: what is said below the stamp, such as its position.
        link: where more is to be seen of it; none if empty.
    """

    id: str
    detail: str = ""
    link: str = ""


class Session:
    """The questions of one sitting; one answer at a time, from whatever thread.

    Args:
        questions: the objects in the order in which they are asked.
        classes: names of the labels; the first is key 1.
        table: where answers go.
    """

    def __init__(self, questions: Sequence[LabelQuestion], classes: Sequence[str], table: LabelFile) -> None:
        self.questions, self.classes = tuple(questions), tuple(classes)
        self._table = table
        self._given: list[str | None] = []  # None where it was skipped
        self._lock = threading.Lock()
        self._closed = False

    def answer(self, number: int, label: int | None) -> None:
        """Answer question `number` with a class by its place, or with None to skip it; the answer is on the disk then.

        Raises:
            OutOfStep: another question stands.
            AstrokerasError: there is no such class, or the table cannot be written.
        """
        with self._lock:
            self._check(number)
            if number >= len(self.questions):
                raise OutOfStep("everything is answered")
            if label is not None:
                if not 0 <= label < len(self.classes):
                    raise AstrokerasError(f"there is no class {label + 1}; there are {len(self.classes)}")
                self._table.append(self.questions[number].id, self.classes[label])
            self._given.append(None if label is None else self.classes[label])

    def undo(self, number: int) -> None:
        """Go back from question `number` to the one before, and take its label off the table.

        Raises:
            OutOfStep: another question stands, or none of this sitting is before it.
            AstrokerasError: the table cannot be written.
        """
        with self._lock:
            self._check(number)
            if not self._given:
                raise OutOfStep("there is nothing to undo in this sitting")
            if self._given[-1] is not None:
                self._table.undo(self.questions[number - 1].id)
            self._given.pop()

    def close(self) -> None:
        """Refuse whatever comes now, once an answer that is being written is written."""
        with self._lock:
            self._closed = True

    def state(self) -> dict[str, Any]:
        """Return what the page shows, ready for JSON."""
        with self._lock:
            number = len(self._given)
            question = self.questions[number] if number < len(self.questions) else None
            counts = {name: 0 for name in self.classes}
            for label in self._table.labels.values():
                counts[label] = counts.get(label, 0) + 1
            return {
                "number": number,
                "of": len(self.questions),
                "id": question.id if question else None,
                "detail": question.detail if question else "",
                "link": question.link if question else "",
                "last": self._given[-1] or "skipped" if self._given else None,
                "counts": list(counts.items()),
                "table": str(self._table.path),
            }

    @property
    def labelled(self) -> int:
        """How many labels this sitting has given."""
        return sum(label is not None for label in self._given)

    @property
    def skipped(self) -> int:
        """How many objects it has skipped."""
        return len(self._given) - self.labelled

    def _check(self, number: int) -> None:
        if self._closed:
            raise AstrokerasError("this labelling has ended")
        if number != len(self._given):
            raise OutOfStep("that is not the stamp that is asked for now")
