from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.stats import dirichlet_multinomial

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.tasks.label_columns import Labels
from astrokeras.tasks.questions import Question
from astrokeras.tasks.targets.votes import Votes

NAN = np.nan
SHAPE, BAR = Question("shape", ("smooth", "disk", "artifact")), Question("bar", ("yes", "no"), "disk")
ANSWERS = (*SHAPE.answers, *BAR.answers)


def target() -> Votes:
    return Votes((SHAPE, BAR))


def draws(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 40, (count, 5)).astype(np.float32)
    counts[::5, 3:] = 0
    counts[1::7, :3] = NAN
    return counts, rng.uniform(1, 100, (count, 5)).astype(np.float32)


def test_the_loss_is_scipys_likelihood_over_the_questions_that_were_asked():
    counts, concentrations = draws()
    loss = keras.ops.convert_to_numpy(target().loss(counts, concentrations))
    for row, votes, alpha in zip(loss, counts, concentrations.astype(np.float64), strict=True):
        total = 0.0
        for part in (slice(0, 3), slice(3, 5)):
            k = np.nan_to_num(votes[part]).astype(int)
            total -= dirichlet_multinomial.logpmf(k, alpha[part], k.sum()) if k.sum() else 0.0
        assert row == pytest.approx(total, rel=1e-4, abs=2e-3)


def test_scores_by_hand_and_by_scipy():
    counts = np.float32([[3, 1, 0, 1, 0], [0, 0, 0, 0, 0], [NAN, NAN, NAN, 1, 3]])
    alpha = np.float32([[2, 2, 4, 1, 1], [5, 5, 5, 5, 5], [1, 1, 1, 3, 1]])
    scores = target().scores({target().derived_fields[0]: counts}, alpha)
    shape = np.abs(np.array([0.25, 0.25, 0.5]) - [0.75, 0.25, 0])
    bar = np.array([0.5, 0.5, 0.5, 0.5])
    assert scores["mae_shape"] == pytest.approx(shape.mean())
    assert scores["mae_bar"] == pytest.approx(bar.mean())
    assert scores["mae"] == pytest.approx(np.concatenate([shape, bar]).mean())
    likely = [
        dirichlet_multinomial.logpmf([3, 1, 0], [2, 2, 4], 4) + dirichlet_multinomial.logpmf([1, 0], [1, 1], 1),
        dirichlet_multinomial.logpmf([1, 3], [3, 1], 4),
    ]
    assert scores["log_likelihood"] == pytest.approx(np.mean(likely))
    (metric,) = target().metrics()
    metric.update_state(counts, alpha)
    assert float(metric.result()) == pytest.approx(scores["mae"], rel=1e-5)


def test_a_question_of_which_an_answer_is_missing_was_not_asked():
    columns = {name: np.ma.masked_array([1, 2, 3]) for name in ANSWERS}
    columns["no"] = np.ma.masked_array([1, 2, 3], mask=[0, 1, 0])
    encoded = target().encode(columns)
    np.testing.assert_array_equal(encoded[target().derived_fields[0]][1], [2, 2, 2, NAN, NAN])
    assert target().known(encoded).all()


@pytest.mark.parametrize(("value", "said"), [(-1, "-1"), (2e6, "2e\\+06")])
def test_what_is_no_count_is_refused(value: float, said: str):
    columns = {name: np.ma.masked_array([1.0, 2.0]) for name in ANSWERS}
    columns["disk"] = np.ma.masked_array([1.0, value])
    with pytest.raises(AstrokerasError, match=f"column disk have {said}, expected counts"):
        target().encode(columns)


def test_the_probe_tells_the_fractions_from_the_features():
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (300, 4)).astype(np.float32)
    disk = 0.2 + 0.6 / (1 + np.exp(-features[:, 0]))
    counts = np.stack([rng.multinomial(30, [0.9 * (1 - p), 0.9 * p, 0.1]) for p in disk])
    counts = np.concatenate([counts, np.zeros((300, 2))], axis=1).astype(np.float32)
    kernel, bias = target().probe(features, {target().derived_fields[0]: counts}, 0)
    alpha = 1 + 100 / (1 + np.exp(-(features @ kernel + bias)))
    told = target().describe(alpha)
    assert np.abs(told["disk_fraction"] - 0.9 * disk).mean() < 0.04
    assert (kernel[:, 3:] == 0).all()  # a question that nobody was asked
    np.testing.assert_allclose(told["yes_fraction"], 0.5)


def test_the_constant_is_the_most_probable_one():
    rng = np.random.default_rng(0)
    votes = Votes((Question("", ("a", "b")),))
    shares = rng.dirichlet([6, 2], 2000)
    counts = np.stack([rng.multinomial(25, share) for share in shares]).astype(np.float32)
    guess = votes.constant({votes.derived_fields[0]: counts})
    np.testing.assert_allclose(guess[0], [6, 2], rtol=0.15)


def test_questions_from_columns_or_from_a_tree(tmp_path: Path):
    tree = tmp_path / "tree.toml"
    tree.write_text('[questions.a]\nanswers = ["x", "y"]\n')
    assert Votes.columns(labels=("p", "q")) == ("p", "q")
    assert Votes.columns(tree=str(tree)) == ("x", "y")
    for options in ({}, {"labels": ("p", "q"), "tree": str(tree)}):
        with pytest.raises(UsageError, match="expected the columns of the answers"):
            Votes.columns(**options)
    nobody = {name: np.ma.masked_array([0, 0]) for name in ("x", "y")}
    with pytest.raises(AstrokerasError, match="no votes in the columns x, y"):
        Votes.fit(None, nobody, 32, names=Labels({"train": nobody}), tree=str(tree))
    assert Votes.repeated_rows
