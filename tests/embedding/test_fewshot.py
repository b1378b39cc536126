import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from astrokeras.commands.fewshot import FEWSHOT
from astrokeras.config import FewshotConfig
from astrokeras.embedding.fewshot import METHODS, classify, fewshot, nearest_mean, scores
from astrokeras.errors import AstrokerasError
from astrokeras.survey.tables import read_table
from tests.embedding import samples


def few(rows: int = 150) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    vectors, group = samples.grouped(rows)
    return vectors, group, np.where(np.arange(rows) < 12, group, -1)


def test_each_method_tells_groups_apart():
    vectors, group, numbers = few()
    answers = classify(vectors, numbers, 3)
    assert answers.keys() == METHODS.keys()
    for method, found in answers.items():
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
        # With four labels a class a fit that scales by these alone is the worst of all.
        assert (found.argmax(axis=1) == group).mean() > (0.85 if method == "linear" else 0.97), method


def test_the_nearest_mean_is_that_of_scikit_learn():
    vectors, _, numbers = few()
    numbers[numbers == 1] = 3  # no label of class 1
    centred = vectors - vectors.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    known = numbers >= 0
    reference = NearestCentroid().fit(unit[known], numbers[known]).predict(unit)
    found = nearest_mean(vectors, numbers, 4)
    np.testing.assert_array_equal(found.argmax(axis=1), reference)
    assert (found[:, 1] == 0).all()


def test_unlabelled_objects_help_where_a_label_lies_at_the_edge():
    rng = np.random.default_rng(1)
    group = np.repeat([0, 1], 200)
    vectors = np.stack([np.where(group, 4.0, 0), np.where(group, 0, 4.0)], axis=1) + rng.normal(size=(400, 2))
    noise = rng.normal(size=(400, 20))
    vectors = np.concatenate([vectors, noise], axis=1)
    right = {method: [] for method in METHODS}
    for draw in range(10):
        chosen = np.random.default_rng(draw).permutation(400)
        numbers = np.full(400, -1)
        for number in (0, 1):
            numbers[[row for row in chosen if group[row] == number][:1]] = number
        for method, found in classify(vectors, numbers, 2).items():
            right[method].append((found.argmax(axis=1) == group).mean())
    assert np.mean(right["interpolated"]) > np.mean(right["linear"]) + 0.05


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
