import re

import numpy as np
import pytest
from astropy.table import Table

from astrokeras.config import SuggestConfig
from astrokeras.embedding.suggest import choose, suggest
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.survey.tables import read_table
from tests.embedding import samples


def unlabelled(rows: int = 120) -> set[str]:
    return {f"object-{i:04d}" for i in range(rows) if i % 4 == 3}


def done(tmp_path, **options):
    said = []
    out = options.pop("out", tmp_path / "s.csv")
    file = options.pop("embeddings", None) or samples.sample(tmp_path / "e.parquet")
    result = suggest(SuggestConfig(str(file), str(out), **{"split": "all", **options}), said.append)
    return read_table(out, text_columns=("id",)), result, said


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_of_what_has_no_label(tmp_path, suffix):
    table, result, said = done(tmp_path, out=tmp_path / f"s{suffix}", count=10)
    assert table.colnames == ["id", "ra", "dec", "rank", "by", "score", "class"]
    assert set(table["id"].tolist()) <= unlabelled()
    assert table["rank"].tolist() == list(range(1, 11))
    assert table["by"].tolist() == ["margin", "coverage"] * 5
    assert (result["suggested"], result["by"]) == (10, ["margin", "coverage"])
    assert "a linear classifier is fitted on 90 labels of 3 classes" in said
    margins = table["score"][table["by"] == "margin"]
    assert (np.diff(margins) >= 0).all() and set(table["class"].tolist()) <= set(samples.CLASSES)


def test_what_a_table_labels_is_left_out_and_counts(tmp_path):
    labels = tmp_path / "l.csv"
    labels.write_text("id,label\n" + "".join(f"{name},spiral\n" for name in sorted(unlabelled())[:25]))
    table, _, _ = done(tmp_path, labels=str(labels), by=("coverage",))
    assert set(table["id"].tolist()) == set(sorted(unlabelled())[25:])
    labels.write_text("id,label\n" + "".join(f"{name},spiral\n" for name in sorted(unlabelled())))
    with pytest.raises(AstrokerasError, match="could be suggested has a label already"):
        done(tmp_path, labels=str(labels), overwrite=True)


def test_without_labels_it_is_coverage(tmp_path):
    file = samples.write(tmp_path / "n.parquet", samples.grouped(60)[0])
    table, result, said = done(tmp_path, embeddings=file, count=3)
    assert result["by"] == ["coverage"] and "no classifier to be unsure" in said[-1]
    assert np.isnan(table["score"][0]) or np.ma.is_masked(table["score"][0])
    assert len({int(name[-4:]) % 3 for name in table["id"].tolist()}) == 3, "one of each group"
    with pytest.raises(UsageError, match="--by margin needs --predictions, or labels of two classes"):
        done(tmp_path, embeddings=file, by=("margin",), overwrite=True)


def test_predictions_of_a_table_decide(tmp_path):
    names = sorted(unlabelled())
    chances = np.linspace(0.99, 0.6, len(names))
    chances[7], chances[2] = 0.5, 0.51
    Table({"id": names, "p_a": chances, "p_b": 1 - chances}).write(tmp_path / "p.csv")
    for by in ("margin", "entropy"):
        table, _, _ = done(tmp_path, predictions=str(tmp_path / "p.csv"), by=(by,), count=2, overwrite=True)
        assert table["id"].tolist() == [names[7], names[2]]
        assert table["class"].tolist() == ["a", "a"]


def test_the_split(tmp_path):
    table, _, said = done(tmp_path, split=None)
    assert "a linear classifier is fitted on 30 labels of 3 classes" in said, "none of the test split"
    assert "objects of the split train are suggested; --split all for every one" in said
    assert all(int(name[-4:]) % 2 for name in table["id"].tolist())
    with pytest.raises(UsageError, match="split 'tset' is unknown; did you mean test"):
        done(tmp_path, split="tset", overwrite=True)


def test_ways_in_turn_never_choose_twice_and_end():
    rng = np.random.default_rng(0)
    vectors, probabilities = rng.normal(size=(30, 4)), rng.dirichlet(np.ones(3), 30)
    probabilities[:10] = np.nan
    labelled = np.arange(30) >= 25
    chosen = choose(vectors, labelled, ~labelled, ["margin", "entropy", "coverage"], 100, probabilities)
    numbers = [one.number for one in chosen]
    assert sorted(numbers) == list(range(25))
    assert all(one.by == "coverage" for one in chosen if one.number < 10), "of these nothing is predicted"
    assert [one.by for one in chosen[:6]] == ["margin", "entropy", "coverage"] * 2
    only = choose(vectors, labelled, ~labelled, ["margin"], 100, probabilities)
    assert sorted(one.number for one in only) == list(range(10, 25))


def test_coverage_keeps_away_from_what_margin_has_chosen():
    vectors = np.array([[10, -3], [-4, 0], [-8, 0.3], [2, 2.7]])  # as directions the second and third are near
    labelled = np.array([True, False, False, False])
    probabilities = np.array([[1.0, 0], [0.5, 0.5], [0.9, 0.1], [0.9, 0.1]])
    chosen = choose(vectors, labelled, ~labelled, ["margin", "coverage"], 2, probabilities)
    assert [one.number for one in chosen] == [1, 3]


def test_wrong_options_are_one_line(tmp_path):
    with pytest.raises(UsageError, match=re.escape("--by: way 'margins' is unknown; did you mean margin?")):
        done(tmp_path, by=("margins",))
    with pytest.raises(UsageError, match="unknown table format"):
        done(tmp_path, out=tmp_path / "s.docx")
    (tmp_path / "s.csv").touch()
    with pytest.raises(AstrokerasError, match="already exists; use --overwrite"):
        done(tmp_path)
