import dataclasses
import html
import json
import re
import shutil

import keras
import numpy as np
import pandas
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from astrokeras.config import MAX_MODEL_BYTES, FinetuneConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation import finetune as module
from astrokeras.evaluation import labels as labelling
from astrokeras.evaluation.finetune import finetune
from astrokeras.evaluation.predictions import predict
from astrokeras.models.saving import load_model
from astrokeras.pipeline.dataset import load_arrays, read_columns
from astrokeras.pipeline.stream import Stream
from astrokeras.records.directory import RecordsDirectory
from astrokeras.serving.trained import load_trained
from astrokeras.tasks.classification import classification_scores
from astrokeras.training.initial import Asked, find_start
from tests.evaluation.comparing import options, rows_of, silent
from tests.synthetic import write_records

pytestmark = pytest.mark.long


def test_it_says_how_many_fits_there_are_and_where_it_is(place):
    lines = (place / "lines.txt").read_text().splitlines()
    assert "7 fits: 2 arms (scratch, magnitudes), 2 budgets, 2 repeats" in lines
    fits = [line for line in lines if "balanced accuracy" in line]
    assert [re.search(r"fit (\d) of 7: ", line)[1] for line in fits] == list("1234567")
    assert all(re.search(r" s\); about [\d.]+ (s|min) left$", line) for line in fits[:-1])
    assert fits[-1].endswith(" s)")


def test_every_arm_budget_and_repeat_has_a_directory_and_a_line(place):
    out = place / "classes"
    repeats = rows_of(out / "repeats.csv")
    wanted = [(a, b, r) for a in ("scratch", "magnitudes") for r in "01" for b in ("8", "all")]
    wanted.remove(("magnitudes", "all", "1"))  # would repeat the fit of the first to the digit
    assert [(row["arm"], row["budget"], row["repeat"]) for row in repeats] == wanted
    for row in repeats:
        assert {p.name for p in (out / row["directory"]).iterdir()} == {"answers.npz", "head.keras", "run.json"}
        assert json.loads((out / row["directory"] / "run.json").read_text())["result"]["arm"] == row["arm"]
    assert {row["labels"] for row in repeats if row["budget"] == "8"} == {"8"}


def test_mean_and_spread_are_those_of_the_repeats(place):
    repeats = rows_of(place / "classes" / "repeats.csv")
    *arms, _ = rows_of(place / "classes" / "comparison.csv")
    for row in arms:
        mine = [float(r["test_auroc"]) for r in repeats if (r["arm"], r["budget"]) == (row["arm"], row["budget"])]
        assert float(row["test_auroc_mean"]) == pytest.approx(np.mean(mine))
        spread = np.std(mine, ddof=1) if len(mine) > 1 else np.nan
        assert float(row["test_auroc_spread"]) == pytest.approx(spread, nan_ok=True)


def test_saved_models_give_the_metrics_that_stand_in_the_table(place):
    records = RecordsDirectory.load(place / "records")
    labels = read_columns(records, "test")["label"]
    known = labels >= 0
    for row in rows_of(place / "classes" / "repeats.csv")[-3:]:
        model = load_trained(place / "classes" / row["directory"]).model
        scores = classification_scores(labels[known], predict(model, Stream(records), "test", 16, known))
        for name, value in scores.items():
            assert float(row[f"test_{name}"]) == pytest.approx(value, abs=1e-4)


def test_the_winner_is_chosen_on_the_validation_split(place):
    run = json.loads((place / "classes" / "run.json").read_text())
    winner = run["result"]["winner"]
    assert winner["chosen_on"] == "val"
    assert winner["budget"] == "all"
    lines = rows_of(place / "classes" / "comparison.csv")
    best = [r for r in lines if r["budget"] == "all" and r["mode"] != "baseline"]
    assert winner["arm"] == max(best, key=lambda r: float(r["val_balanced_accuracy_mean"]))["arm"]
    saved = load_trained(place / "classes" / winner["directory"]).model.get_weights()
    copied = load_model(place / "classes" / "model.keras").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(saved, copied, strict=True))


def test_frozen_fits_share_their_encoder_wherever_the_run_is_moved(place, tmp_path):
    out = place / "classes"
    encoders = sorted(str(path.relative_to(out)) for path in out.rglob("encoder*.keras"))
    assert encoders == [
        "encoder.keras", "magnitudes/encoder.keras", "scratch/encoder-0.keras", "scratch/encoder-1.keras"
    ]  # fmt: skip
    assert [str(path.relative_to(out)) for path in out.rglob("model.keras")] == ["model.keras"]
    moved = shutil.copytree(out, tmp_path / "elsewhere")
    flux = load_arrays(RecordsDirectory.load(place / "records"), "test")[0]
    for row in rows_of(out / "repeats.csv"):
        before, after = (load_trained(run / row["directory"]).model.predict(flux, verbose=0) for run in (out, moved))
        np.testing.assert_array_equal(before, after)
    # A repeat of random weights has an encoder of its own.
    one, two = (load_trained(moved / f"scratch/budget-8/repeat-{n}").model.get_layer("encoder") for n in "01")
    assert any(not np.array_equal(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True))
    fit = moved / "magnitudes/budget-8/repeat-0"
    (fit / "head.keras").write_bytes(b"PK")
    with pytest.raises(AstrokerasError, match=r"cannot read the model .*head\.keras"):
        load_trained(fit)
    shutil.copy(moved / "scratch/encoder-0.keras", moved / "magnitudes/encoder.keras")
    with pytest.raises(AstrokerasError, match="is not the encoder of"):
        load_trained(fit)
    alone = shutil.copytree(out / "magnitudes/budget-8/repeat-0", tmp_path / "alone/a/repeat-0")
    with pytest.raises(AstrokerasError, match=r"their encoder .* is missing; move whole run directories"):
        load_trained(alone)
    run = json.loads((alone / "run.json").read_text())
    (alone / "run.json").write_text(json.dumps({**run, "encoder": None}))
    with pytest.raises(AstrokerasError, match="does not say which encoder it goes with"):
        load_trained(alone)


def test_table_and_page_show_every_row(place):
    text = (place / "classes" / "comparison.md").read_text()
    page = (place / "classes" / "comparison.html").read_text()
    # Once for each budget, and in the table of costs.
    assert text.count("| scratch ") == text.count("| magnitudes ") == 3
    assert page.count("<td>scratch</td><td>tiny") == 3
    assert "same " in page and "data:image/png;base64,iVBOR" in page
    verdict = json.loads((place / "classes" / "run.json").read_text())["result"]["verdict"]
    assert f'<p class="verdict">{html.escape(verdict)}</p>' in page
    assert "magnitudes" in verdict and "scratch" in verdict


def test_any_number_follows_from_the_table_of_answers_alone(place):
    answers = pandas.read_parquet(place / "classes" / "predictions.parquet")
    assert list(answers.columns[:4]) == ["id", "ra", "dec", "label"]
    for row in rows_of(place / "classes" / "repeats.csv")[-3:]:
        mine = answers[
            (answers.arm == row["arm"]) & (answers.budget == row["budget"]) & (answers.repeat == int(row["repeat"]))
        ]
        assert mine.id.is_unique and len(mine) == len(answers.id.unique())
        right = (mine["class"] == mine.label).groupby(mine.label).mean().mean()
        assert right == pytest.approx(float(row["test_balanced_accuracy"]))
    # The interval of a difference is about the difference of the means.
    (difference, *_) = rows_of(place / "classes" / "differences.csv")
    means = {
        row["arm"]: float(row["test_balanced_accuracy_mean"])
        for row in rows_of(place / "classes" / "comparison.csv")
        if row["labels"] == difference["labels"]
    }
    assert float(difference["difference"]) == pytest.approx(means[difference["arm"]] - means[difference["other"]])
    assert float(difference["low"]) <= float(difference["difference"]) <= float(difference["high"])


def test_tensorboard_has_scalars_graph_and_stamps(place):
    board = place / "classes" / "tensorboard"
    trial = EventAccumulator(str(board / "scratch/budget-8/repeat-0")).Reload()
    assert trial.Graph().node
    assert {"test/balanced_accuracy", "test/auroc", "val/accuracy", "stamps"} <= set(trial.Tags()["tensors"])
    assert "_hparams_/session_start_info" in trial.summary_metadata


def test_a_run_repeats_itself(place, tmp_path):
    config = options(place, out=str(tmp_path / "again"), budget=("8",), repeats=1, mode="frozen")
    first = finetune(config, silent)["rows"]
    second = finetune(dataclasses.replace(config, overwrite=True), silent)["rows"]
    assert first[0]["test_auroc_mean"] == second[0]["test_auroc_mean"]


def trained_from(place, out, mode):
    config = options(place, out=str(out), init=(str(place / "magnitudes"),), repeats=1, mode=mode)
    finetune(config, silent)
    return out


@pytest.fixture(scope="module")
def full(place, tmp_path_factory):
    """A comparison that trains everything, from the pre-trained weights."""
    return trained_from(place, tmp_path_factory.mktemp("everything") / "full", "full")


@pytest.mark.parametrize("mode", ["full", "two-phase", "side"])
def test_modes_that_train_everything(place, full, tmp_path, mode):
    out = full if mode == "full" else trained_from(place, tmp_path / mode, mode)
    before, after = load_model(place / "magnitudes" / "encoder.keras"), load_model(out / "encoder.keras")
    kept = [layer for layer in after.layers if layer.name == "base"]
    assert len(kept) == (mode == "side")
    pairs = zip(before.get_weights(), (kept or [after])[0].get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs) == (mode == "side")
    # Who goes on from the winner trains all of it.
    assert not [layer.name for layer in after._flatten_layers() if layer.weights and not layer.trainable]
    scalars = EventAccumulator(str(out / "tensorboard/magnitudes/budget-all/repeat-0")).Reload()
    assert "train/loss" in scalars.Tags()["tensors"]


def test_by_default_every_fit_chooses_within_its_labels_how_it_is_trained(place, tmp_path):
    lines, out = [], tmp_path / "out"
    config = options(
        place, out=str(out), init=(str(place / "magnitudes"),), budget=("all",), repeats=1, trials=3,
        mode=FinetuneConfig.mode,
    )  # fmt: skip
    finetune(config, lines.append)
    assert "arm magnitudes: tiny, search" in lines
    for row in rows_of(out / "repeats.csv"):
        fit = out / row["directory"]
        trials = rows_of(fit / "trials.csv")
        (chosen,) = [trial for trial in trials if trial["chosen"] == "True"]
        assert len(trials) == 3
        for name in ("mode", "learning_rate", "weight_decay", "statistics"):
            assert row[name] == chosen[name]
        assert row["chosen_by"] == row["labels"] == chosen["held_out"]
        going = [trial for trial in trials if trial["held_out"] == row["labels"]]
        assert len(going) == 2
        assert chosen["held_out_balanced_accuracy"] == max(t["held_out_balanced_accuracy"] for t in going)
        assert (fit / "head.keras").is_file() == (row["mode"] == "frozen")
        assert load_trained(fit).classes == ("blue", "red")
    assert "by 3 trials, as many for every arm" in (out / "comparison.html").read_text()
    lines.clear()
    finetune(dataclasses.replace(config, resume=True), lines.append)
    assert any("1 are there already" in line for line in lines)
    winner = json.loads((out / "run.json").read_text())["result"]["winner"]
    start = find_start(Asked(str(out)), RecordsDirectory.load(place / "records"), silent)
    assert start.record["mode"] == winner["mode"] in ("frozen", "full", "two-phase")


def norms_of(model):
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]


def normalization(model):
    return [weight for layer in norms_of(model) for weight in layer.get_weights()]


def test_in_two_phases_training_goes_on_from_the_head_that_was_fitted(place, tmp_path):
    """By the statistics of a batch, or with dropout, the head would be given other features than it was fitted to."""
    lines = []
    run = str(place / "magnitudes")
    config = options(place, out=str(tmp_path / "out"), init=("scratch", run), budget=("all",), repeats=1, epochs=3)
    finetune(dataclasses.replace(config, mode="two-phase", learning_rate=1e-4), lines.append)
    trained = tmp_path / "out/magnitudes/budget-all/repeat-0"
    assert float(rows_of(trained / "history.csv")[0]["loss"]) < np.log(2)
    before, after = load_model(place / "magnitudes/encoder.keras"), load_model(trained / "model.keras")
    assert normalization(before)
    for old, new in zip(normalization(before), normalization(after), strict=True):
        np.testing.assert_array_equal(old, new)
    # Who goes on from the winner trains all of it.
    shutil.copytree(trained, tmp_path / "out" / "again")
    module._copy_winner(tmp_path / "out", {"directory": "again", "mode": "two-phase"}, MAX_MODEL_BYTES)
    assert all(layer.trainable for layer in norms_of(load_model(tmp_path / "out/encoder.keras")))
    # Random weights have nothing to keep.
    assert "arm scratch: tiny, full" in lines
    assert "arm magnitudes: tiny, two-phase" in lines
    modes = [(row["arm"], row["mode"]) for row in rows_of(tmp_path / "out/comparison.csv") if row["backbone"]]
    assert modes == [("scratch", "full"), ("magnitudes", "two-phase")]
    assert (
        "random weights have none to keep and were trained as in full" in (tmp_path / "out/comparison.md").read_text()
    )


def test_an_arm_whose_weights_are_not_finite_is_refused(place, tmp_path):
    run = shutil.copytree(place / "magnitudes", tmp_path / "ruined")
    encoder = load_model(run / "encoder.keras")
    encoder.set_weights([np.full_like(weight, np.nan) for weight in encoder.get_weights()])
    encoder.save(run / "encoder.keras")
    config = options(place, out=str(tmp_path / "out"), init=(str(run),), mode="frozen")
    with pytest.raises(AstrokerasError, match=r"ruined: the weights to start from are not finite"):
        finetune(config, silent)
    assert not (tmp_path / "out").exists()


def test_a_frozen_arm_with_one_repeat_of_all_labels_is_a_baseline_too(place, tmp_path):
    inits = (str(place / "magnitudes"), "scratch")
    config = options(place, out=str(tmp_path / "out"), init=inits, budget=("all",), repeats=2, mode="frozen")
    rows = finetune(config, silent)["rows"]
    assert [(row["arm"], row["repeats"]) for row in rows] == [("magnitudes", 1), ("scratch", 2)]
    first, other = rows
    assert other["gain_mean"] == pytest.approx(
        other["test_balanced_accuracy_mean"] - first["test_balanced_accuracy_mean"]
    )


@pytest.mark.parametrize("split", ["val", "test"])
def test_labels_of_one_class_measure_nothing(place, tmp_path, monkeypatch, split):
    known = labelling.labels_of

    def labels(records, codes):
        return known(records, {**codes, split: np.zeros_like(codes[split])})

    monkeypatch.setattr(labelling, "labels_of", labels)
    lines = []
    config = options(place, out=str(tmp_path / "out"), init=("scratch",), budget=("8",), repeats=2, mode="frozen")
    if split == "test":
        with pytest.raises(AstrokerasError, match=r"the test split of .* are all 'blue', which any classifier"):
            finetune(config, lines.append)
        assert not (tmp_path / "out").exists()
    else:
        finetune(config, lines.append)
        assert any("val split" in line and "not fit to choose the winner by" in line for line in lines)
        assert json.loads((tmp_path / "out/run.json").read_text())["result"]["winner"]["chosen_on"] == "test"


def test_without_imagenet_weights_that_arm_is_left_out_loudly_and_the_others_run(place, tmp_path):
    lines = []
    config = options(
        place, out=str(tmp_path / "out"), init=("imagenet", "scratch"), imagenet_weights=str(tmp_path / "none.h5"),
        resize=32, repeats=1, mode="frozen",
    )  # fmt: skip
    result = finetune(config, lines.append)
    assert [row["arm"] for row in result["rows"]] == ["scratch"]
    assert any(line.startswith("WARNING: the imagenet arm is left out") for line in lines)
    with pytest.raises(AstrokerasError, match="no arm is left"):
        finetune(dataclasses.replace(config, init=("imagenet",), backbone=(), out=str(tmp_path / "none")), silent)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"budget": ("9999",)}, AstrokerasError, "more than the"),
        ({"budget": ("few",)}, UsageError, "expected a number"),
        ({"init": ("nowhere",)}, AstrokerasError, "nowhere is not a run directory"),
        ({"init": ("scratch", "scratch")}, UsageError, "can stand there once"),
        ({"backbone": ("mobilenet_v9",)}, UsageError, "mobilenet_v"),
        ({"backbone": ("compact", "compact")}, UsageError, "each network can stand there once"),
        ({"backbone": ("compact", "vgg16"), "init": ("scratch|imagenet",)}, UsageError, "not clear which one it has"),
        ({"records": "nothing"}, AstrokerasError, "no records directory"),
        ({"devices": "tpu"}, UsageError, "expected auto"),
        ({"devices": "cpu:2000"}, UsageError, "expected at most"),
        ({"stretch": "square"}, UsageError, "stretch 'square' is unknown"),
        ({"augment": "swirl", "mode": "full"}, UsageError, "augmentation 'swirl' is unknown"),
        ({"imagenet_backbone": "resnet50"}, UsageError, "there is no imagenet arm"),
        ({"imagenet_bands": ("i", "r", "g"), "init": ("imagenet",)}, UsageError, "no arm that chooses bands"),
        ({"init": ("imagenet:adapter",)}, UsageError, "its adapter would learn nothing"),
        ({"learning_rate": 0.5}, UsageError, "nothing that trains for steps"),
        ({"trials": 3}, UsageError, r"there is no search \(--mode frozen\)"),
    ],
)
def test_wrong_requests_leave_nothing_behind(place, tmp_path, changes, error, message):
    config = options(place, **{"out": str(tmp_path / "out"), "mode": "frozen", "repeats": 1, **changes})
    with pytest.raises(error, match=message):
        finetune(config, silent)
    assert not (tmp_path / "out").exists()


def test_a_run_is_never_removed_by_what_reads_it(place, tmp_path):
    for out in (place / "magnitudes", place):
        config = options(place, init=(str(place / "magnitudes"),), out=str(out), overwrite=True)
        with pytest.raises(UsageError, match="choose another --out"):
            finetune(config, silent)
    assert (place / "magnitudes" / "encoder.keras").is_file()
    out = tmp_path / "out"
    weights = {"imagenet_weights": str(out / "weights.h5"), "resize": 32}
    config = options(place, init=("scratch", "imagenet"), out=str(out), **weights)
    with pytest.raises(UsageError, match=r"is where .*weights\.h5 lies"):
        finetune(config, silent)


def test_where_every_fit_fails_the_first_reason_is_told(place, tmp_path):
    config = options(place, out=str(tmp_path / "out"), mode="full", learning_rate=1e30, repeats=1)
    with pytest.raises(AstrokerasError, match=r"no fit has finished; the first one failed: .*smaller --learning-rate"):
        finetune(config, silent)
    assert json.loads((tmp_path / "out/run.json").read_text())["result"] is None
    assert (tmp_path / "out/scratch/budget-all/repeat-0/nonfinite.json").is_file()


def test_a_run_on_other_bands_is_no_start(place, tmp_path):
    write_records(tmp_path / "records", counts={"train": 20, "test": 20}, bands=("J", "H", "K"))
    config = options(tmp_path, init=(str(place / "magnitudes"),))
    with pytest.raises(AstrokerasError, match="pre-trained on bands"):
        finetune(config, silent)


def test_a_fine_tuned_encoder_is_a_start_of_which_its_labels_are_told(place, full, tmp_path):
    lines = []
    again = options(place, out=str(tmp_path / "out"), init=(str(full),), repeats=1, mode="frozen")
    (row,) = finetune(again, lines.append)["rows"]
    assert row["arm"] == "full-from-magnitudes"
    assert any("was trained on labels; its arm has seen more of them" in line for line in lines)


def test_a_test_split_without_labels_cannot_be_measured_on(tmp_path):
    write_records(tmp_path / "records", counts={"train": 20})
    with pytest.raises(AstrokerasError, match="no labelled object to measure on"):
        finetune(options(tmp_path), silent)
