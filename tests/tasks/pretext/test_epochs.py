from pathlib import Path

import numpy as np
import pytest
from keras import ops

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.stream import Stream
from astrokeras.tasks.model import TaskModel
from astrokeras.tasks.pretext.epochs import EpochRetrieval, Epochs, EpochSpread, group_epochs
from astrokeras.tasks.registry import fit_tasks, parse_tasks
from tests.sky import config_for, run, write_visits
from tests.tasks import harness

NAN = np.nan
N, WIDTH = 14, 6


def test_groups_are_objects_seen_more_than_once():
    groups = group_epochs(np.array([5.0, NAN, 2.0, 5.0, 9.0, NAN, 2.0, 5.0]))
    assert groups.tolist() == [1, -2, 0, 1, -5, -6, 0, 1]
    assert (group_epochs(np.full(3, NAN)) < 0).all()


def fitted(source: harness.Arrays, spec: str = "epochs") -> Epochs:
    return fit_tasks(parse_tasks([spec]), source)["epochs"]


@pytest.fixture
def source() -> harness.Arrays:
    return harness.make_source()


def test_views_are_two_epochs_of_an_object(source: harness.Arrays):
    source.splits["train"]["object"][::5] = NAN
    task = fitted(source)
    assert task.notes == [f"epochs: {task.share:.1%} of the training stamps have another epoch"]
    names = source.splits["train"]["object"]
    seen = {float(name) for name in names if np.count_nonzero(names == name) > 1}
    assert task.share == pytest.approx(np.mean([name in seen for name in names]))
    (batch,) = source.training(0, 16, ("object", "epoch_group", "partner"), task.n_draws, seed=0)[0]
    views, target = harness.views_of(task, batch)
    np.testing.assert_array_equal(views[0], batch["flux"])
    paired = np.isin(batch["object"], list(seen))
    np.testing.assert_array_equal(
        dict(zip(sorted(("group", "paired", "weight")), target, strict=True))["paired"], paired
    )
    for i, stamp in enumerate(views[1]):
        turned = [np.rot90(f, k) for f in (stamp, stamp[::-1]) for k in range(4)]
        (row,) = [
            row
            for row, image in enumerate(source.splits["train"]["image"])
            if any(np.array_equal(t, image, equal_nan=True) for t in turned)
        ]
        if paired[i]:
            assert names[row] == batch["object"][i]
        assert np.array_equal(source.splits["train"]["image"][row], batch["flux"][i], equal_nan=True) != paired[i]


def reference(first: np.ndarray, second: np.ndarray, group: np.ndarray, weight: np.ndarray, t: float) -> np.ndarray:
    """For each object seen twice: minus the log of how probable its other epoch is among it and others' epochs."""
    ones = [view / np.linalg.norm(view.astype(float), axis=1, keepdims=True) for view in (first, second)]
    losses = np.zeros(len(first))
    for i in np.flatnonzero(group >= 0):
        others = [j for j in range(len(first)) if weight[j] and group[j] != group[i]]
        for mine, theirs in (ones, ones[::-1]):
            right = np.exp(mine[i] @ theirs[i] / t)
            wrong = sum(np.exp(mine[i] @ view[j] / t) for view in ones for j in others)
            losses[i] -= 0.5 * np.log(right / (right + wrong))
    return losses


@pytest.fixture
def pairs() -> tuple[dict, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    first = rng.normal(size=(N, WIDTH)).astype(np.float32)
    second = (first + rng.normal(0, 0.9, (N, WIDTH))).astype(np.float32)
    # Rows 0 and 1 show one object, each with the other as partner; 4 and 9 were seen once; the last two are padding.
    group = np.array([3, 3, 0, 1, -5, 2, 4, 5, 6, -10, 7, 7, 3, 3], np.int32)
    second[0], second[1] = first[1], first[0]
    weight = (np.arange(N) < 12).astype(np.float32)
    return {"group": group, "paired": (group >= 0).astype(np.float32), "weight": weight}, [first, second]


def test_loss_against_a_loop(source: harness.Arrays, pairs: tuple[dict, list[np.ndarray]]):
    target, views = pairs
    task = fitted(source, "epochs(temperature=0.2)")
    loss = task.loss(*([ops.convert_to_tensor(v) for v in views] if i else target for i in range(2)))
    expected = reference(*views, target["group"], target["weight"], 0.2)
    np.testing.assert_allclose(ops.convert_to_numpy(loss)[:12], expected[:12], rtol=1e-4, atol=1e-6)
    assert expected[4] == 0 < expected[0]


def test_scores_are_of_what_was_seen_twice(source: harness.Arrays, pairs: tuple[dict, list[np.ndarray]]):
    target, views = pairs
    task = fitted(source)
    retrieval, spread = EpochRetrieval(task.replicas), EpochSpread(WIDTH)
    for metric in (retrieval, spread):
        metric.update_state(target, [ops.convert_to_tensor(v) for v in views], sample_weight=target["weight"])
    ones = [view[:12] / np.linalg.norm(view[:12], axis=1, keepdims=True) for view in views]
    group, found = target["group"][:12], []
    for i in np.flatnonzero(group >= 0):
        cosines = np.where((group == group[i]) & (np.arange(12) != i), -2, ones[1] @ ones[0][i])
        found.append(cosines.argmax() == i)
    assert 0 < np.mean(found) < 1
    assert float(retrieval.result()) == pytest.approx(np.mean(found))
    assert float(spread.result()) == pytest.approx(np.sqrt(ones[0].var(axis=0).sum()), rel=1e-4)


def test_retrieval_is_not_known_where_nothing_was_seen_twice(
    source: harness.Arrays, pairs: tuple[dict, list[np.ndarray]]
):
    target, views = pairs
    alone = {"group": -1 - np.arange(N, dtype=np.int32), "paired": np.zeros(N, np.float32), "weight": target["weight"]}
    retrieval = EpochRetrieval(fitted(source).replicas)
    retrieval.update_state(alone, [ops.convert_to_tensor(v) for v in views], sample_weight=target["weight"])
    assert np.isnan(float(retrieval.result()))


def test_a_survey_with_visits_is_trained_on_from_its_records(tmp_path: Path):
    records, examples, _ = run(
        config_for(write_visits(tmp_path, 24), object_column="galaxy", splits="train=0.8,val=0.2")
    )
    stream = Stream(records)
    task = fitted(stream)
    assert task.share == pytest.approx(
        np.mean([np.isfinite(np.frombuffer(e["object"], "<f8")[0]) for e in examples.values() if e["split"] == "train"])
    )
    model = TaskModel(harness.small_encoder(stream), {"epochs": task}, {"epochs": 1.0})
    model.compile(optimizer="adam")
    asked = (16, model.fields, model.n_draws)
    history = model.fit(stream.training(0, *asked, seed=0), verbose=0, shuffle=False).history
    scores = model.evaluate(stream.evaluation("val", *asked, seed=0), verbose=0, return_dict=True)
    assert np.isfinite(history["loss"]).all()
    assert set(scores) == {"loss", "retrieval", "spread"}
    assert np.isfinite(list(scores.values())).all()


def test_objects_that_are_seen_once_are_an_error(source: harness.Arrays):
    source.splits["train"]["object"] = np.arange(harness.TRAIN, dtype=float)
    with pytest.raises(AstrokerasError, match="no object has two stamps among the 96 training records"):
        fitted(source)
