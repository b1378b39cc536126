import keras
import numpy as np
import pytest
from keras import ops

from astrokeras.errors import UsageError
from astrokeras.pipeline.augment import SurveyInfo, augmentation
from astrokeras.tasks.model import TaskModel, baselines, check_weights, predictor
from tests.tasks import harness


@pytest.fixture(scope="module")
def source() -> harness.Arrays:
    return harness.make_source()


class Counting(keras.layers.Layer):
    """Notes how many stamps pass."""

    seen = ()

    def call(self, flux):
        Counting.seen += (flux.shape[0],)
        return flux


def test_each_distinct_view_is_encoded_once_and_all_in_one_pass(source: harness.Arrays):
    plain = harness.make_model(["magnitudes", "rotation", "masked_bands"], source)
    flux = keras.Input(plain.encoder.input_shape[1:])
    encoder = keras.Model(flux, plain.encoder(Counting()(flux)))
    model = TaskModel(encoder, plain.tasks, plain.task_weights)
    batch = harness.batch_of(model, source)
    Counting.seen = ()
    model(batch)
    # Four quarter turns, of which magnitudes shares the first, and one with holes.
    assert Counting.seen == (5 * harness.BATCH,)


def test_several_tasks_give_what_each_gives_alone(source: harness.Arrays):
    weights = {"magnitudes": 1.0, "rotation": 0.25, "transformation": 2.0}
    model = harness.make_model(list(weights), source, weights)
    harness.compile_model(model, keras.optimizers.SGD(0.0))
    batch = harness.batch_of(model, source)
    together = model(batch)
    assert model.n_draws == sum(task.n_draws for task in model.tasks.values())
    start = 0
    for name, task in model.tasks.items():
        own = {**batch, "draws": batch["draws"][:, start : start + task.n_draws]}
        start += task.n_draws
        single = TaskModel(model.encoder, {name: task}, {name: 1.0})
        single.heads[name].set_weights(model.heads[name].get_weights())
        np.testing.assert_allclose(single(own)[name]["loss"], together[name]["loss"], rtol=1e-4, atol=1e-5)
    scores = model.test_on_batch(batch, return_dict=True)
    assert set(scores) == {"loss", *model.score_names}
    assert {"magnitudes_loss", "magnitudes_mae_r", "rotation_accuracy", "transformation_turn"} < set(scores)
    total = sum(weight * scores[f"{name}_loss"] for name, weight in weights.items())
    assert scores["loss"] == pytest.approx(total, rel=1e-4)


def test_baselines_have_the_names_of_the_scores(source: harness.Arrays):
    model = harness.make_model(["magnitudes", "transformation"], source)
    found = baselines(model, source, "val")
    assert set(found) == {"baseline_mean", "baseline_linear"}
    names = {name for name in found["baseline_mean"] if not name.startswith(("magnitudes_bias", "magnitudes_nmad"))}
    assert {"magnitudes_mae_g", "transformation_turn"} < names <= set(model.score_names)


def test_what_all_predictions_say_has_the_names_of_its_task(source: harness.Arrays):
    model = harness.make_model(["magnitudes", "rotation"], source)
    assert set(model.look_closer(source, "val", 4)) == {"val"}
    simple = baselines(model, source, "val")
    looked = model.look_closer(source, "val", 4)
    assert set(looked) == {"val", "baseline_linear"}
    scores, curves = looked["val"]
    names = {f"magnitudes_{name}{band}" for name in ("bias", "nmad") for band in ("", *(f"_{b}" for b in "gri"))}
    assert set(scores) == names
    assert all(name.startswith("magnitudes_") for name in curves)
    truth = source.columns("val", ["magnitudes"])["magnitudes"]
    found = model.heads["magnitudes"](model.encoder(source.splits["val"]["image"]))
    expected = np.nanmean(ops.convert_to_numpy(found)[:, 0] - truth[:, 0])
    assert scores["magnitudes_bias_g"] == pytest.approx(expected, rel=1e-3)
    assert looked["baseline_linear"][0] == {name: simple["baseline_linear"][name] for name in names}


def test_the_better_of_two_errors_is_the_smaller_and_of_two_accuracies_the_larger(source: harness.Arrays):
    model = harness.make_model(["magnitudes", "clusters"], source)
    val = {"magnitudes_mae": 0.2, "magnitudes_mae_g": 0.1, "magnitudes_bias": 0.1, "clusters_agreement": 0.5}
    other = {"magnitudes_mae": 0.1, "magnitudes_mae_g": np.nan, "magnitudes_bias": 0.0, "clusters_agreement": 0.6}
    assert model.beaten_by(val, {"baseline_linear": other, "baseline_mean": val}) == {
        "baseline_linear": ["magnitudes_mae", "clusters_agreement"]
    }
    assert model.beaten_by(other, {"baseline_linear": val}) == {}


def test_the_predictor_knows_the_tasks_of_one_view(source: harness.Arrays):
    flux = np.nan_to_num(source.splits["val"]["image"])
    model = harness.make_model(["rotation"], source)
    assert predictor(model, model.encoder) is None
    model = harness.make_model(["magnitudes", "rotation"], source)
    single = predictor(model, model.encoder)
    assert single.name == "magnitudes"
    expected = model.heads["magnitudes"]([model.encoder(flux)])
    np.testing.assert_allclose(single.predict(flux, verbose=0), expected, rtol=1e-3, atol=1e-3)
    model = harness.make_model(["magnitudes", "masked_bands"], source)
    both = predictor(model, model.encoder).predict(flux, verbose=0)
    assert {name: len(values) for name, values in both.items()} == {"magnitudes": len(flux), "masked_bands": len(flux)}


def test_the_model_augments_in_training_alone(source: harness.Arrays):
    plain = harness.make_model(["magnitudes"], source)
    chain = augmentation("dihedral", SurveyInfo.of(source.records))
    model = TaskModel(plain.encoder, plain.tasks, plain.task_weights, augment=chain)
    assert model.n_draws == chain.n_draws
    batch = harness.batch_of(model, source)
    seen = []
    model.tasks["magnitudes"].views = lambda flux, fields, draws: (seen.append(flux) or [flux], {
        name: fields[name] for name in ("magnitudes", "magnitude_errors")})  # fmt: skip
    model(batch, training=True)
    model(batch, training=False)
    expected = chain(ops.convert_to_tensor(batch["flux"]), ops.convert_to_tensor(batch["draws"]))
    np.testing.assert_array_equal(ops.convert_to_numpy(seen[0]), ops.convert_to_numpy(expected))
    np.testing.assert_array_equal(ops.convert_to_numpy(seen[1]), batch["flux"])
    del model.tasks["magnitudes"].views


def test_task_weights():
    assert check_weights(["a", "b"], ()) == [1.0, 1.0]
    assert check_weights(["a", "b"], ("1", "0.3")) == [1.0, 0.3]
    for wrong in (("1",), ("1", "x"), ("1", "0"), ("1", "-1"), ("1", "nan"), ("1", "inf")):
        with pytest.raises(UsageError, match=r"--task-weight 1.*a positive number for each of the 2 task\(s\) a, b"):
            check_weights(["a", "b"], wrong)
