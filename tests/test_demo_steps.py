import subprocess
import sys
from pathlib import Path

import pytest
from astropy.table import Table

from astrokeras import cli
from astrokeras.demo_steps import next_commands, steps
from astrokeras.survey.simulate import SAMPLE

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[1]


def test_outside_a_checkout_the_sample_is_simulated_first(monkeypatch, tmp_path):
    monkeypatch.setattr("astrokeras.demo_steps._SAMPLE", tmp_path / "nowhere")
    monkeypatch.setattr("astrokeras.demo_steps._GALAXIES", tmp_path / "nowhere")
    first = steps(tmp_path, seed=0, imagenet_weights=None, overwrite=False)[0].command
    context = cli.cli.get_command(None, "simulate").make_context("simulate", list(first[1:]))
    assert {name: context.params[name] for name in ("fields", "size", "objects", "seed", "bands")} == {
        name: getattr(SAMPLE, name) for name in ("fields", "size", "objects", "seed", "bands")
    }


def test_its_commands_are_commands(tmp_path):
    for step in steps(tmp_path, seed=3, imagenet_weights="weights.h5", overwrite=True):
        name, *arguments = step.command
        assert cli.cli.get_command(None, name).make_context(name, list(arguments)).params.keys() >= {"seed", "config"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Every step of the demo, but the networks are trained for seconds, not minutes."""
    out = tmp_path_factory.mktemp("demo") / "demo"
    arguments = [sys.executable, "-m", "tests.short_demo", "demo", "--out", out, "--imagenet-weights", out / "none.h5"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out, done


def test_the_demo_goes_the_whole_way(demo):
    out, done = demo
    for file in (
        "galaxies/map.html", "galaxies/similar.png", "stamps.png", "magnitudes/encoder.keras",
        "frozen/comparison.html", "models/classes/1/saved_model.pb",
    ):  # fmt: skip
        assert (out / file).is_file(), file
    similar = Table.read(out / "galaxies" / "similar.csv")
    assert len(similar) == 4 * 11
    assert set(Table.read(out / "predictions.csv")["class"]) <= {"elliptical", "irregular", "spiral", "star"}
    for comparison in ("frozen", "classes"):
        assert (out / comparison / "comparison.md").read_text() in done.stdout
    assert "WARNING: the imagenet arm is left out" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_commands_to_try_next_are_commands(demo):
    out, done = demo
    for step in next_commands(out):
        assert f"# {step.why}" in done.stdout
        if step.command[0] == "astrokeras":
            name, *arguments = step.command[1:]
            context = cli.cli.get_command(None, name).make_context(name, list(arguments))
            assert Path(context.params["records"]).is_dir()
