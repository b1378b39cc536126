import itertools
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from scipy.spatial.distance import cdist
from scipy.stats import entropy
from sklearn.metrics import mean_squared_error

from astrokeras.errors import UsageError
from astrokeras.models.encoder import build_encoder
from astrokeras.pipeline.arrays import Arrays
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.model import TaskModel
from astrokeras.tasks.pretext.clusters import Clusters, ClusterScores, draw_points, exchange
from astrokeras.tasks.registry import fit_tasks, parse_tasks
from tests.synthetic import write_records

FIELD = "cluster_point"


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": 40, "val": 9})


@pytest.fixture
def source(records: RecordsDirectory) -> Arrays:
    return Arrays.load(records, ["train", "val"], [])


def fitted(source: Arrays, spec: str = "clusters(clusters=4,sigma=0.1)") -> Clusters:
    return fit_tasks(parse_tasks([spec]), source)["clusters"]


def model_of(source: Arrays, task: Clusters) -> TaskModel:
    keras.utils.set_random_seed(0)
    return TaskModel(build_encoder(source.records, backbone="compact"), {"clusters": task}, {"clusters": 1.0})


def test_points_lie_around_the_axes():
    points = draw_points(6000, 3, 0.05, seed=0)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=1e-6)
    component = points.argmax(axis=1)
    assert np.bincount(component).min() > 1800
    # Near an axis the sphere is flat: across it the deviation stays what it was.
    assert points[component == 0, 1].std() == pytest.approx(0.05, rel=0.05)
    np.testing.assert_array_equal(np.unique(draw_points(100, 3, 0.0, seed=1), axis=0), np.eye(3)[::-1])


def test_exchange_against_all_permutations():
    rng = np.random.default_rng(0)
    points, predictions = draw_points(12, 5, 0.3, seed=1), draw_points(12, 5, 0.3, seed=2)
    rows = rng.permutation(12)
    groups = [rows[:6], rows[6:]]
    order = exchange(points, predictions, groups)
    for group in groups:
        assert sorted(order[group]) == sorted(group)
        cost = cdist(predictions[group], points[group], "sqeuclidean")
        least = min(sum(cost[i, j] for i, j in enumerate(p)) for p in itertools.permutations(range(6)))
        found = ((predictions[group] - points[order[group]]) ** 2).sum()
        assert found == pytest.approx(least, rel=1e-5)


def test_each_point_stays_in_use_and_comes_nearer(source: Arrays):
    task = fitted(source)
    (assignment,) = task.layers()
    predictions = draw_points(40, 4, 0.5, seed=7)
    before = source.columns("train", [FIELD])[FIELD]
    for epoch in range(2):
        task.before_epoch("train", epoch, source, lambda: predictions)
        after = source.columns("train", [FIELD])[FIELD]
        np.testing.assert_array_equal(after, task.points[ops.convert_to_numpy(assignment.numbers)])
        np.testing.assert_array_equal(np.unique(after, axis=0), np.unique(before, axis=0))
    # All 40 are one group: the second exchange found nothing better.
    assert ((after - predictions) ** 2).sum() < ((before - predictions) ** 2).sum()
    best = exchange(before, predictions, [np.arange(40)])
    np.testing.assert_allclose(((after - predictions) ** 2).sum(), ((before[best] - predictions) ** 2).sum(), rtol=1e-5)


def test_validation_depends_on_nothing_but_the_answers(source: Arrays):
    task = fitted(source)
    task.layers()
    drawn = source.columns("val", [FIELD])[FIELD]
    predictions = drawn[np.random.default_rng(0).permutation(9)]
    for _ in range(2):
        task.before_epoch("val", 3, source, lambda: predictions)
        np.testing.assert_array_equal(source.columns("val", [FIELD])[FIELD], predictions)


def test_the_answers_are_those_for_unaltered_stamps(source: Arrays):
    task = fitted(source)
    model = model_of(source, task)
    given = []
    task.before_epoch = lambda split, epoch, source, predictions: given.append(predictions())
    model.before_epoch("val", 0, source, 4)
    stamps = ops.convert_to_tensor(source.splits["val"]["image"])
    expected = model.heads["clusters"]([model.encoder(stamps, training=False)])
    np.testing.assert_allclose(given[0], ops.convert_to_numpy(expected), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(given[0], axis=1), 1, rtol=1e-5)


def test_a_checkpoint_holds_the_assignment(source: Arrays, tmp_path: Path):
    task = fitted(source)
    model = model_of(source, task)
    task.before_epoch("train", 0, source, lambda: draw_points(40, 4, 0.5, seed=7))
    made = source.columns("train", [FIELD])[FIELD]
    model.save_weights(tmp_path / "model.weights.h5")
    other = fitted(source)
    restored = model_of(source, other)
    restored.load_weights(tmp_path / "model.weights.h5")
    numbers = [ops.convert_to_numpy(t.layers()[0].numbers) for t in (task, other)]
    assert numbers[0].tolist() != list(range(40))
    np.testing.assert_array_equal(*numbers)
    assert not any("numbers" in variable.name for variable in restored.trainable_variables)
    # A run that goes on within an epoch sees the points of that epoch.
    restored.resume_epoch(source)
    np.testing.assert_array_equal(source.columns("train", [FIELD])[FIELD], made)


def test_loss_and_scores_against_scikit_learn_and_scipy(source: Arrays):
    task = fitted(source)
    target, prediction = draw_points(30, 4, 0.2, seed=1), draw_points(30, 4, 0.9, seed=2)
    loss = ops.convert_to_numpy(task.loss(ops.convert_to_tensor(target), ops.convert_to_tensor(prediction)))
    np.testing.assert_allclose(loss, mean_squared_error(target.T, prediction.T, multioutput="raw_values"), rtol=1e-5)
    metric = ClusterScores(4)
    weight = np.array([1] * 25 + [0] * 5, np.float32)
    for part in (slice(0, 10), slice(10, 30)):
        metric.update_state(*(ops.convert_to_tensor(a[part]) for a in (target, prediction, weight)))
    answer = prediction.argmax(axis=1)[:25]
    expected = {
        "agreement": np.mean(answer == target.argmax(axis=1)[:25]),
        "balance": np.exp(entropy(np.bincount(answer, minlength=4))) / 4,
    }
    assert {name: float(value) for name, value in metric.result().items()} == pytest.approx(expected, rel=1e-5)
    collapsed = ClusterScores(4)
    collapsed.update_state(ops.convert_to_tensor(target), ops.ones((30, 4)))
    assert float(collapsed.result()["balance"]) == pytest.approx(0.25)


def test_a_collapsed_network_is_the_baseline(source: Arrays):
    task = fitted(source)
    counts = np.bincount(source.columns("val", [FIELD])[FIELD].argmax(axis=1))
    assert task.baselines(source, "val") == {"baseline_collapsed": {"agreement": counts.max() / 9, "balance": 0.25}}


def test_half_a_cluster_is_refused(source: Arrays):
    with pytest.raises(UsageError, match="expected a whole number"):
        fitted(source, "clusters(clusters=2.5)")
