"""Arms that are made of several starts: `A+B` and `A|B`."""

import json

import keras
import numpy as np
import pytest

from astrokeras.config import ExportConfig
from astrokeras.errors import UsageError
from astrokeras.evaluation.arms import make_arms, split_init
from astrokeras.evaluation.calibration import at_temperature
from astrokeras.evaluation.finetune import finetune
from astrokeras.models.joined import encoders_of
from astrokeras.pipeline.dataset import load_arrays, read_columns
from astrokeras.records.directory import RecordsDirectory
from astrokeras.serving.export import export
from astrokeras.serving.trained import load_trained
from tests.evaluation.comparing import options, rows_of, silent

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def run(place, tmp_path_factory):
    """A frozen comparison of an arm, a mean with it, and two encoders side by side."""
    out, first = tmp_path_factory.mktemp("ensembles") / "run", str(place / "magnitudes")
    inits = (first, f"{first}+scratch", f"{first}|scratch")
    config = options(place, init=inits, budget=("16", "all"), repeats=2, mode="frozen", out=str(out))
    lines: list[str] = []
    finetune(config, lines.append)
    (out.parent / "lines.txt").write_text("\n".join(lines))
    return out


def answers(run, arm, budget="16", repeat=0):
    with np.load(run / arm / f"budget-{budget}" / f"repeat-{repeat}" / "answers.npz") as file:
        return file["test/class"]


def test_a_mean_is_that_of_the_answers_of_its_parts(run):
    """At a temperature of its own."""
    arm = "mean-of-magnitudes-and-scratch"
    lines = {(r["budget"], r["repeat"]): r for r in rows_of(run / "repeats.csv") if r["arm"] == arm}
    for (budget, repeat), line in lines.items():
        # Of all labels a frozen arm that no seed changes is fitted once.
        first = answers(run, "magnitudes", budget, 0 if budget == "all" else repeat)
        mean = (first + answers(run, "scratch", budget, repeat)) / 2
        expected = at_temperature(mean, float(line["temperature"]))
        np.testing.assert_allclose(answers(run, arm, budget, repeat), expected, rtol=1e-4, atol=1e-6)
        before, after = (float(line[f"test_calibration_error{which}"]) for which in ("_before", ""))
        assert before != after
    assert len(lines) == 4


def test_parts_that_are_no_arms_stand_in_no_table(run):
    assert {row["arm"] for row in rows_of(run / "repeats.csv")} == {
        *("magnitudes", "mean-of-magnitudes-and-scratch", "magnitudes-beside-scratch")
    }
    assert (run / "scratch/budget-16/repeat-0/run.json").is_file()
    starts = json.loads((run / "run.json").read_text())["starts"]
    assert [part["kind"] for part in starts["magnitudes-beside-scratch"]["parts"]] == ["run", "scratch"]
    mean = [row for row in rows_of(run / "comparison.csv") if row["arm"].startswith("mean-of")]
    assert {row["backbone"] for row in mean} == {"tiny+tiny"}


@pytest.mark.parametrize("arm", ["mean-of-magnitudes-and-scratch", "magnitudes-beside-scratch"])
def test_the_saved_model_is_one_that_answers_so_and_can_be_served(place, run, arm, tmp_path):
    trained = load_trained(run / arm / "budget-16" / "repeat-1")
    records = RecordsDirectory.load(place / "records")
    labelled = read_columns(records, "test")["label"] >= 0
    told = trained.model.predict(load_arrays(records, "test")[0], verbose=0)
    (temperature,) = (
        float(row["temperature"])
        for row in rows_of(run / "repeats.csv")
        if (row["arm"], row["budget"], row["repeat"]) == (arm, "16", "1")
    )
    # Rounding moves logits by some 1e-5, batches being others here; a temperature below 1 divides that, too.
    np.testing.assert_allclose(told[labelled], answers(run, arm, repeat=1), atol=1e-5 / min(1.0, temperature))
    widths = [part.output_shape[-1] for part in encoders_of(trained.model.get_layer("encoder"))]
    assert widths == [32, 32]
    done = export(ExportConfig(str(trained.path), str(tmp_path / "served"), check=arm.startswith("mean")))
    assert done["version"] == 1


def test_the_probe_of_two_encoders_sees_both(place, run):
    """Its features are those of the parts: of the run's encoder first."""
    trained = load_trained(run / "magnitudes-beside-scratch/budget-16/repeat-0")
    alone = load_trained(run / "magnitudes/budget-16/repeat-0").model.get_layer("encoder")
    flux = load_arrays(RecordsDirectory.load(place / "records"), "test")[0]
    embedding = trained.model.get_layer("encoder").predict(flux, verbose=0)
    np.testing.assert_allclose(embedding[:, :32], alone.predict(flux, verbose=0), rtol=1e-4, atol=1e-5)
    assert np.ptp(embedding[:, 32:], axis=0).max() > 0


def test_a_comparison_with_them_goes_on(place, run, tmp_path):
    """What is whole is left as it is, the fits of parts too."""
    options_of = json.loads((run / "run.json").read_text())["options"]
    before = (run / "scratch/budget-16/repeat-0/run.json").read_bytes()
    (run / "mean-of-magnitudes-and-scratch/budget-16/repeat-1/run.json").unlink()
    config = options(
        place, init=tuple(options_of["init"]), budget=("16", "all"), repeats=2, mode="frozen", out=str(run), resume=True
    )
    lines: list[str] = []
    finetune(config, lines.append)
    assert sum("balanced accuracy" in line for line in lines) == 1
    assert (run / "scratch/budget-16/repeat-0/run.json").read_bytes() == before


def test_both_are_trained_and_gone_on_from(place, tmp_path):
    """In modes that train, two encoders side by side are trained with one head; a winner of that kind is a start."""
    first = str(place / "magnitudes")
    config = options(place, init=(f"{first}|scratch",), mode="full", repeats=1, out=str(tmp_path / "run"))
    finetune(config, silent)
    encoder = load_trained(tmp_path / "run").model.get_layer("encoder")
    (arm,) = make_arms(options(place, init=(f"{first}|scratch",)), RecordsDirectory.load(place / "records"), silent)
    keras.utils.set_random_seed(config.seed)
    before, after = encoders_of(arm.start.build()), encoders_of(encoder)
    for was, now in zip(before, after, strict=True):
        assert np.abs(was.trainable_variables[0].numpy() - now.trainable_variables[0].numpy()).max() > 1e-5
    (again,) = make_arms(options(place, init=(config.out,)), RecordsDirectory.load(place / "records"), silent)
    assert again.name == "run-from-magnitudes-beside-scratch"
    for now, then in zip(encoder.get_weights(), again.start.build().get_weights(), strict=True):
        np.testing.assert_array_equal(now, then)


def test_what_stands_around_the_signs():
    assert split_init("a|b+c") == ("mean", ["a|b", "c"])
    assert split_init("a|b|c") == ("beside", ["a", "b", "c"])
    assert split_init("scratch") == ("", ["scratch"])
    for wrong in ("imagenet|", "+scratch", "a|a", "a|b+a|b"):
        with pytest.raises(UsageError, match="expected different starts around each"):
            split_init(wrong)
