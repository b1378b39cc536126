import numpy as np
import pytest

from astrokeras.commands.fewshot import FEWSHOT
from astrokeras.config import FewshotConfig
from astrokeras.embedding.fewshot import fewshot, scores
from astrokeras.errors import AstrokerasError
from astrokeras.survey.tables import read_table
from astrokeras.tasks.few_labels import METHODS
from tests.embedding import samples


def done(tmp_path, **options):
    said, file = [], samples.sample(tmp_path / "e.parquet")
    config = FewshotConfig(str(file), str(tmp_path / "p.csv"), **options)
    result = fewshot(config, said.append)
    return read_table(config.out, text_columns=("id",)), result, said, FEWSHOT.text(config, result)


def test_labels_of_the_test_split_are_scored_and_not_learned(tmp_path):
    table, result, said, text = done(tmp_path)
    assert table.colnames == ["id", "ra", "dec", "class", "p_elliptical", "p_spiral", "p_star", "label"]
    assert len(table) == 120
    # Of the sample odd rows are for training, and every fourth has no label.
    assert sum(result["labels"].values()) == 30 and result["held_out"] == 60
    assert said == ["labels used: elliptical 10, spiral 10, star 10"]
    assert result["scores"].keys() == METHODS.keys()
    assert result["scores"]["interpolated"]["balanced_accuracy"] > 0.95
    assert "60 labels held out" in text and "nearest class mean" in text
    again, _, _, _ = done(tmp_path, method="mean", overwrite=True)
    assert (again["class"] == table["class"]).mean() > 0.9
    assert not np.allclose(again["p_star"], table["p_star"])


def test_labels_of_tables(tmp_path):
    (tmp_path / "l.csv").write_text("id,label\nobject-0003,nova\nobject-0007,nova\n")
    (tmp_path / "h.csv").write_text("id,label\nobject-0011,comet\nobject-0005,star\nelsewhere,star\n")
    table, result, said, _ = done(tmp_path, labels=str(tmp_path / "l.csv"), held_out=str(tmp_path / "h.csv"))
    assert "2 of the 2 labels" in said[0] and result["labels"]["nova"] == 2
    assert sum(result["labels"].values()) == 31, "one of those held out had a label to learn from"
    assert result["held_out"] == 62 and "p_nova" in table.colnames and "p_comet" not in table.colnames


def test_a_class_that_was_not_learned_is_a_mistake():
    answers = {"linear": np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])}
    held_out = np.array(["a", "b", "c"], dtype=object)
    found = scores(answers, held_out, ("a", "b"))
    assert found["linear"]["accuracy"] == pytest.approx(2 / 3)
    assert scores(answers, np.array([None] * 3, dtype=object), ("a", "b")) == {}


def test_without_labels_of_two_classes_it_is_one_line(tmp_path):
    vectors = samples.grouped(12)[0]
    for label, known in (([None] * 12, "none"), (["a"] * 12, "of a alone")):
        file = samples.write(tmp_path / "e.parquet", vectors, label=label)
        with pytest.raises(AstrokerasError, match=f"labels of two classes or more are needed; found {known}"):
            fewshot(FewshotConfig(str(file), str(tmp_path / "p.csv")), print)


def test_without_held_out_labels_nothing_is_scored(tmp_path):
    vectors, group = samples.grouped(12)
    label = ["ab"[number % 2] if row % 2 else None for row, number in enumerate(group)]
    file = samples.write(tmp_path / "e.parquet", vectors, label=label)
    config = FewshotConfig(str(file), str(tmp_path / "p.csv"))
    result = fewshot(config, print)
    assert result["scores"] == {} and "nothing is known of how good" in FEWSHOT.text(config, result)
