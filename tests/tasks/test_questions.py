from pathlib import Path

import pytest

from astrokeras.errors import UsageError
from astrokeras.tasks.questions import Question, places_of, read_questions

BAR = '[questions.bar]\nanswers = ["yes", "no"]\nafter = "disk"\n'
SHAPE = '[questions.shape]\nanswers = ["smooth", "disk"]\n'


def read(text: str, folder: Path) -> tuple[Question, ...]:
    file = folder / "questions.toml"
    file.write_text(text)
    return read_questions(str(file), "--target votes")


def test_a_question_stands_behind_the_one_that_leads_to_it(tmp_path: Path):
    found = read(BAR + SHAPE, tmp_path)
    assert found == (Question("shape", ("smooth", "disk")), Question("bar", ("yes", "no"), "disk"))
    assert places_of(found) == [slice(0, 2), slice(2, 4)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BAR, "no question leads to bar after disk"),
        (SHAPE + SHAPE.replace("shape", "again"), "smooth stands there twice"),
        (SHAPE + "x = 1", "expected answers and after in"),
        ("[other]\nx = 1", r"expected tables \[questions.NAME\]"),
        ('[questions.a]\nanswers = ["x"]', "has one answer, expected at least two"),
        ('[questions.a]\nanswers = ["x", ""]', "expected a list of names"),
        ('[questions.a]\nanswers = ["x", "y"]\nafter = 3', "is no answer of a question"),
        ("[questions.a]\nanswers = [" + ",".join(f'"{i}"' for i in range(1100)) + "]", "more than 1000 answers"),
    ],
)
def test_what_is_no_tree_of_questions_is_refused(text: str, message: str, tmp_path: Path):
    with pytest.raises(UsageError, match=message):
        read(text, tmp_path)
