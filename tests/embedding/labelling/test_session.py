from pathlib import Path

import pytest

from astrokeras.embedding.labelling.label_file import LabelFile
from astrokeras.embedding.labelling.session import LabelQuestion, OutOfStep, Session
from astrokeras.errors import AstrokerasError


@pytest.fixture
def session(tmp_path):
    with LabelFile(tmp_path / "labels.csv") as table:
        table.append("old", "gone")
        yield Session([LabelQuestion("1"), LabelQuestion("2"), LabelQuestion("3")], ("spiral", "smooth"), table)


def written(session: Session) -> list[str]:
    lines = Path(session.state()["table"]).read_text().splitlines()
    return [line.rpartition(",")[0] for line in lines][1:]


def test_answers_skips_and_undo(session):
    session.answer(0, 1)
    session.answer(1, None)
    session.answer(2, 0)
    assert written(session) == ["old,gone", "1,smooth", "3,spiral"]
    state = session.state()
    assert (state["number"], state["of"], state["id"], state["last"]) == (3, 3, None, "spiral")
    assert state["counts"] == [("spiral", 1), ("smooth", 1), ("gone", 1)]
    session.undo(3)
    assert (session.state()["id"], session.state()["last"]) == ("3", "skipped")
    session.undo(2)
    session.undo(1)
    assert written(session) == ["old,gone"]
    with pytest.raises(OutOfStep, match="nothing to undo"):
        session.undo(0)
    assert (session.labelled, session.skipped) == (0, 0)


def test_an_answer_to_another_question_counts_for_nothing(session):
    session.answer(0, 0)
    for call in (lambda: session.answer(0, 1), lambda: session.undo(0), lambda: session.answer(7, 1)):
        with pytest.raises(OutOfStep, match="not the stamp that is asked"):
            call()
    with pytest.raises(AstrokerasError, match="there is no class 3"):
        session.answer(1, 2)
    with pytest.raises(AstrokerasError, match="there is no class 0"):
        session.answer(1, -1)
    assert written(session) == ["old,gone", "1,spiral"]


def test_nothing_is_written_once_it_is_closed(session):
    session.close()
    with pytest.raises(AstrokerasError, match="has ended"):
        session.answer(0, 0)
    assert written(session) == ["old,gone"]
