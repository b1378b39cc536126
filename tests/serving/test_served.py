"""An export in the hands of those that load it without Keras; all give the numbers and names of `predict`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from astropy.table import Table

from astrokeras.config import ExportConfig, FinetuneConfig, PredictConfig, PretrainConfig
from astrokeras.evaluation.finetune import finetune
from astrokeras.pipeline.dataset import load_arrays
from astrokeras.progress import not_shown
from astrokeras.records.directory import RecordsDirectory
from astrokeras.serving.check import _lowest_temperature
from astrokeras.serving.export import export
from astrokeras.serving.predict import predict
from astrokeras.serving.trained import load_trained
from astrokeras.training.pretrain import pretrain
from tests.serving.c_interface import INVALID_ARGUMENT, ask
from tests.serving.runs import write_classifier
from tests.synthetic import write_records
from tests.tiny import TINY

pytestmark = pytest.mark.long

CLASSIFY = "serving_default"


@pytest.fixture(scope="module")
def exported(served):
    """The export of a fitted classifier, flux of its test split, and what `predict` says of it."""
    return _export(served / "records", served / "classes", served / "models")


def _export(records, run, out):
    path = export(ExportConfig(run=str(run), out=str(out)))["path"]
    flux, _, ids = load_arrays(RecordsDirectory.load(records), "test")
    table = out.with_suffix(".ecsv")
    predict(PredictConfig(run=str(run), data=str(records), out=str(table), split="test"), print, not_shown)
    predicted = Table.read(table)
    assert list(predicted["id"]) == list(ids)
    if "class" in predicted.colnames:  # rounding moves logits by some 1e-5, which a temperature below 1 divides
        predicted.meta["allowed"] = 1e-5 / _lowest_temperature(load_trained(run))
    return path, flux, predicted


def assert_as_predicted(answer, predicted):
    classes = [name.removeprefix("p_") for name in predicted.colnames if name.startswith("p_")]
    expected = np.stack([predicted[f"p_{name}"] for name in classes], axis=1)
    np.testing.assert_allclose(answer["probabilities"], expected, atol=predicted.meta["allowed"])
    assert [_text(name) for name in answer["class_name"]] == list(predicted["class"])
    assert [[_text(name) for name in row] for row in answer["class_names"]] == [classes] * len(predicted)


def _text(value):
    return value.decode() if isinstance(value, bytes) else value


def test_the_loader_of_tensorflow_serving_gives_the_numbers_of_predict(exported):
    path, flux, predicted = exported
    (answer,) = ask(path, CLASSIFY, [flux])
    assert_as_predicted(answer, predicted)
    assert {len(value) for value in answer.values()} == {len(flux)}  # the row format wants one entry an object
    (again,) = ask(path, "embed", [flux])
    np.testing.assert_array_equal(again["embedding"], answer["embedding"])
    assert np.ptp(answer["embedding"], axis=0).max() > 0.01


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """Runs of other encoders: their directory by name, with their records."""
    path = tmp_path_factory.mktemp("kinds")
    counts = {"train": 40, "val": 8, "test": 12}
    five = write_records(path / "five", counts=counts, bands=tuple("ugriz"))
    write_classifier(path / "efficientnet_b0", five, backbone="efficientnet_b0", resize=32)

    options = {"records": str(five.path), "task": ("masked_bands",), "epochs": 1, "batch_size": 8, "augment": "none"}
    options["backbone"] = TINY
    pretrain(PretrainConfig(**options, out=str(path / "half"), precision="bfloat16", average=0.9), print)
    frozen = {"records": str(five.path), "init": (str(path / "half"),), "repeats": 1, "mode": "frozen"}
    finetune(FinetuneConfig(**frozen, out=str(path / "averaged")), print)

    levels = write_records(path / "levels", counts=counts)
    described = json.loads((levels.path / "convert.json").read_text())
    (levels.path / "convert.json").write_text(json.dumps({**described, "unit": "display"}))
    write_classifier(path / "display", RecordsDirectory.load(levels.path), backbone="compact", stretch="linear")
    return {name: (path / name, five.path) for name in ("efficientnet_b0", "averaged")} | {
        "display": (path / "display", levels.path)
    }


@pytest.mark.parametrize("kind", ["efficientnet_b0", "averaged", "display"])
def test_every_kind_of_encoder_can_be_served(kinds, kind, tmp_path):
    """BatchNormalization, Normalization and a resize inside; half precision and averaged weights; JPEG levels."""
    run, records = kinds[kind]
    path, flux, predicted = _export(records, run, tmp_path / "models")
    full, none, cut = ask(path, CLASSIFY, [flux, flux[:0], flux[:, 1:]])
    assert_as_predicted(full, predicted)
    assert np.ptp(full["probabilities"][:, 0]) > 0.01  # else every model would do
    assert none["probabilities"].shape == (0, 2)
    assert cut[0] == INVALID_ARGUMENT


def test_requests_of_another_shape_are_refused_and_told_what_was_expected(exported):
    path, flux, _ = exported
    few = flux[:4]
    wrong = {
        "one stamp, not a batch": few[0],
        "a batch of batches": few[None],
        "a band too few": few[..., :2],
        "a band too many": np.concatenate([few, few[..., :1]], axis=-1),
        "one band": few[..., :1],
        "larger": np.tile(few, (1, 2, 2, 1)),
        "smaller": few[:, 4:12, 4:12],
        "not square": few[:, :8],
        "as many pixels": few.reshape(1, 32, 32, 3),
        "bands first": np.moveaxis(few, -1, 1),
        "no pixels": few[:, :0],
        "none of another size": np.tile(few, (1, 2, 2, 1))[:0],
        "a number": few[0, 0, 0, 0],
        "a row": few[0, 0, 0],
    }
    for signature in (CLASSIFY, "embed"):
        answers = ask(path, signature, [*wrong.values(), few])
        for what, (code, message) in zip(wrong, answers[:-1], strict=True):
            assert code == INVALID_ARGUMENT, what
            assert "expected shape [?,16,16,3]" in message, what
        assert len(answers[-1]["embedding"]) == 4  # and the server lives on
    for dtype in (np.float64, np.int32, np.int64):
        code, message = ask(path, CLASSIFY, [np.nan_to_num(few).astype(dtype)])[0]
        assert code == INVALID_ARGUMENT
        assert "to be float" in message


def test_an_empty_batch_gives_empty_results(exported):
    path, flux, _ = exported
    (answer,) = ask(path, CLASSIFY, [flux[:0]])
    shapes = {name: values.shape for name, values in answer.items()}
    assert shapes == {"probabilities": (0, 2), "class_names": (0, 2), "class_name": (0,), "embedding": (0, 32)}
    assert ask(path, "embed", [flux[:0]])[0]["embedding"].shape == (0, 32)


def test_tensorflow_in_python_refuses_the_same(exported):
    path, flux, predicted = exported
    loaded = tf.saved_model.load(path)
    for name, signature in loaded.signatures.items():
        answer = signature(flux=tf.constant(flux))
        if name == CLASSIFY:
            assert_as_predicted({key: value.numpy() for key, value in answer.items()}, predicted)
        for wrong in (np.tile(flux, (1, 2, 2, 1)), flux[0], flux[..., :2]):
            with pytest.raises(tf.errors.InvalidArgumentError, match=r"expected shape \[\?,16,16,3\]"):
                signature(flux=tf.constant(wrong))
        assert len(signature(flux=tf.constant(flux[:0]))["embedding"]) == 0


def test_the_loader_of_sessions_gives_the_numbers_of_predict(exported):
    path, flux, predicted = exported
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta = tf.compat.v1.saved_model.loader.load(session, ["serve"], path)
        defined = meta.signature_def[CLASSIFY]
        outputs = {name: info.name for name, info in defined.outputs.items()}
        answer = session.run(outputs, {defined.inputs["flux"].name: flux})
    assert_as_predicted(answer, predicted)
    assert [d.size for d in defined.inputs["flux"].tensor_shape.dim] == [-1, 16, 16, 3]


def test_saved_model_cli_runs_it(exported, tmp_path):
    path, flux, predicted = exported
    np.save(tmp_path / "flux.npy", flux)
    program = Path(sys.executable).with_name("saved_model_cli")
    arguments = ["--dir", path, "--tag_set", "serve", "--signature_def", CLASSIFY, "--outdir", str(tmp_path)]
    subprocess.run(
        [program, "run", *arguments, "--inputs", f"flux={tmp_path}/flux.npy"],
        check=True, capture_output=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    names = ("probabilities", "class_name", "class_names")
    assert_as_predicted({n: np.load(tmp_path / f"{n}.npy", allow_pickle=True) for n in names}, predicted)


TARGETS = (
    "regression(z,uncertainty=true,unit='km/s')",
    "ordinal(T)",
    "votes(smooth,disk)",
    "tags(bar,ring)",
    "hierarchy(kind)",
)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """The export of a network of five targets, flux, what `predict` says, and the run."""
    path = tmp_path_factory.mktemp("several")
    records = write_records(path / "records", counts={"train": 40, "val": 8, "test": 12})
    ids = np.concatenate([[str(name) for name in records.objects(split)["id"]] for split in records.splits])
    rng = np.random.default_rng(0)
    labels = {"z": rng.normal(900, 100, len(ids)), "T": rng.integers(-2, 2, len(ids))}
    labels |= {name: rng.integers(0, 9, len(ids)) for name in ("smooth", "disk")}
    labels |= {name: rng.integers(0, 2, len(ids)) for name in ("bar", "ring")}
    labels["kind"] = rng.choice(["early", "late/S a", "late/<Sb>", "late"], len(ids))
    Table({"id": ids, **labels}).write(path / "labels.ecsv")
    finetune(
        FinetuneConfig(
            str(path / "records"), str(path / "run"), labels=str(path / "labels.ecsv"), target=TARGETS, repeats=1,
            mode="frozen", backbone=(TINY,),
        ),
        print,
    )  # fmt: skip
    return *_export(path / "records", path / "run", path / "models"), path / "run"


def test_other_targets_are_served_by_the_names_and_units_of_predict(several):
    path, flux, predicted, run = several
    (answer,) = ask(path, CLASSIFY, [flux])
    told = [name for name in answer if name != "embedding"]
    assert {"regression_z", "regression_z_error", "ordinal_T", "ordinal_T_mean", "votes_disk_fraction"} < set(told)
    assert {"tags_p_ring", "hierarchy_kind", "hierarchy_kind_path", "hierarchy_p_late/<Sb>"} < set(told)
    for name in told:
        if predicted[name].dtype.kind in "US":
            assert [_text(value) for value in answer[name]] == [str(value) for value in predicted[name]]
        else:
            np.testing.assert_allclose(answer[name], predicted[name], rtol=1e-5, atol=1e-5)
    assert set(np.unique(predicted["ordinal_T"])) <= {-2, -1, 0, 1}
    assert set(predicted["hierarchy_kind_path"]) <= {"early", "late/S a", "late/<Sb>"}
    noted = json.loads((Path(path) / "assets.extra" / "astrokeras.json").read_text())["outputs"]
    named = {f"{target}_{output['name']}": output for target, outputs in noted.items() for output in outputs}
    assert set(named) == set(told) and all(output["description"] for output in named.values())
    assert named["regression_z"]["unit"] == named["regression_z_error"]["unit"] == "km/s"
    assert str(predicted["regression_z"].unit) == "km / s"
    written = json.loads((run / "run.json").read_text())["targets"]
    assert {name: entry["outputs"] for name, entry in written.items()} == noted
    (none,) = ask(path, CLASSIFY, [flux[:0]])
    assert {values.shape[0] for values in none.values()} == {0}


@pytest.mark.filterwarnings(r"ignore:\s*Warning. tf.lite.Interpreter is deprecated:UserWarning")
def test_tensorflow_lite_gives_the_same_of_other_targets(several):
    path, flux, predicted, run = several
    converter = tf.lite.TFLiteConverter.from_saved_model(path, signature_keys=[CLASSIFY])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    answer = tf.lite.Interpreter(model_content=converter.convert()).get_signature_runner(CLASSIFY)(flux=flux)
    for name in ("regression_z", "regression_z_error", "ordinal_T", "votes_disk_fraction", "hierarchy_p_late"):
        np.testing.assert_allclose(answer[name], predicted[name], rtol=1e-4, atol=1e-4)
    assert [_text(value) for value in answer["hierarchy_kind"]] == list(predicted["hierarchy_kind"])
    assert export(ExportConfig(run=str(run), out=str(run.parent / "checked"), check=True))["checked"]


@pytest.mark.filterwarnings(r"ignore:\s*Warning. tf.lite.Interpreter is deprecated:UserWarning")
def test_tensorflow_lite_gives_the_same(exported):
    path, flux, predicted = exported
    (expected,) = ask(path, "embed", [flux])
    lite = tf.lite.TFLiteConverter.from_saved_model(path, signature_keys=["embed"]).convert()
    answer = tf.lite.Interpreter(model_content=lite).get_signature_runner("embed")(flux=flux)
    np.testing.assert_allclose(answer["embedding"], expected["embedding"], atol=1e-5)

    converter = tf.lite.TFLiteConverter.from_saved_model(path, signature_keys=[CLASSIFY])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    assert_as_predicted(interpreter.get_signature_runner(CLASSIFY)(flux=flux), predicted)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """Records, and runs of a pre-training on them: one that tells magnitudes and more, one that tells nothing."""
    path = tmp_path_factory.mktemp("pretrained")
    records = write_records(path / "records", counts={"train": 24, "val": 8, "test": 10})
    for name, task in {"told": ("magnitudes", "rotation", "photometry"), "untold": ("vicreg",)}.items():
        options = {"task": task, "epochs": 1, "batch_size": 8, "augment": "none", "backbone": TINY}
        pretrain(PretrainConfig(records=str(records.path), out=str(path / name), **options), print)
    return path


def test_a_pre_training_is_served_as_it_is_predicted(pretrained, tmp_path):
    """By name and unit; the C interface is the loader of TensorFlow Serving."""
    path, flux, predicted = _export(pretrained / "records", pretrained / "told", tmp_path / "models")
    full, none, cut = ask(path, CLASSIFY, [flux, flux[:0], flux[:, 1:]])
    names = [name for name in predicted.colnames if name.startswith(("predicted_", "photometry_"))]
    assert {"predicted_g", "predicted_i", "photometry_0"} <= set(names)
    assert set(full) == {*names, "embedding"}
    for name in names:
        np.testing.assert_allclose(full[name], predicted[name], rtol=1e-5, atol=1e-5)
        assert none[name].shape == (0,)
    assert np.ptp(full["predicted_g"]) > 1e-3, "else every model would do"
    assert cut[0] == INVALID_ARGUMENT
    (embedded,) = ask(path, "embed", [flux])
    np.testing.assert_array_equal(embedded["embedding"], full["embedding"])
    described = json.loads((Path(path) / "assets.extra/astrokeras.json").read_text())
    units = {output["name"]: output["unit"] for task in described["outputs"].values() for output in task}
    assert list(units) == names and units["predicted_r"] == "mag" == str(predicted["predicted_r"].unit)
    assert described["bands"] == ["g", "r", "i"] and described["unit"] == "nJy"


def test_a_pre_training_that_tells_nothing_is_served_by_its_embeddings(pretrained, tmp_path):
    result = export(ExportConfig(run=str(pretrained / "untold"), out=str(tmp_path / "models"), check=True))
    assert result["checked"] and result["classes"] == []
    flux = load_arrays(RecordsDirectory.load(pretrained / "records"), "test")[0]
    expected = keras.saving.load_model(pretrained / "untold/encoder.keras").predict(flux, verbose=0)
    for signature in (CLASSIFY, "embed"):
        (answer,) = ask(result["path"], signature, [flux])
        assert set(answer) == {"embedding"}
        np.testing.assert_allclose(answer["embedding"], expected, rtol=1e-4, atol=1e-5)
