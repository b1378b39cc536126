import dataclasses
import inspect
import subprocess
import sys
import types
from pathlib import Path

import pytest

import astrokeras as ak
from astrokeras.api.calls import configuration
from astrokeras.commands import commands
from astrokeras.config import ConvertConfig, FinetuneConfig, PretrainConfig, configure

pytestmark = pytest.mark.long

CONVERT = {"images": "{field}_{band}.fits", "bands": "ugr", "out": "o"}


def made(name, **values):
    return configuration(commands()[name], values)


def test_values_are_those_of_python():
    config = made(
        "convert", **CONVERT | {"out": Path("o")}, zero_point={"u": 25, "g": 24.5}, splits={"train": 0.5, "test": 0.5},
        columns=["z", "ebv"], origin=1, valid=True,
    )  # fmt: skip
    assert config == configure(
        ConvertConfig,
        images=CONVERT["images"], bands=("u", "g", "r"), out="o", zero_point="u=25,g=24.5",
        splits="train=0.5,test=0.5", columns=("z", "ebv"), origin=1, valid=True,
    )  # fmt: skip
    assert made("convert", **CONVERT | {"bands": ["NB1", "Ks"]}, zero_point=25).images.bands == ("NB1", "Ks")
    assert made("convert", **CONVERT | {"bands": "Y,J"}).images.bands == ("Y", "J")
    assert made("convert", **CONVERT, zero_point=25).photometry.zero_point == "25"
    assert made("finetune", records="r", out="o", budget=50).budget == ("50",)
    assert made("finetune", records="r", out="o", budget=(50, "all"), init=Path("run")) == FinetuneConfig(
        "r", "o", init=("run",), budget=("50", "all")
    )


def test_what_is_not_given_is_as_on_the_command_line():
    assert made("pretrain", records="r", out="o") == PretrainConfig("r", "o")
    assert made("pretrain", records="r", out="o", size=None) == PretrainConfig("r", "o")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "pretrain: epochs = 0: 0 is not in the range x>=1"),
        ({"epochs": 1.5}, "epochs = 1.5, expected a whole number"),
        ({"epochs": True}, "epochs = True, expected a whole number"),
        ({"epochs": "3"}, "epochs = '3', expected a whole number"),
        ({"resume": 1}, "resume = 1, expected True or False"),
        ({"learning_rate": float("nan")}, "learning_rate = nan"),
        ({"learning_rate": -1}, "learning_rate = -1"),
        ({"optimizer": "adam"}, "optimizer = 'adam'"),
        ({"backbone": 3}, "backbone = 3, expected text"),
        ({"init": object()}, "expected text"),
    ],
)
def test_what_is_refused(values, message):
    with pytest.raises(ak.UsageError, match=message):
        made("pretrain", records="r", out="o", **values)


def test_wrong_arguments_of_a_call():
    with pytest.raises(ak.AstrokerasError, match="argument 'epoch' is unknown; did you mean epochs"):
        ak.pretrain("r", "o", epoch=1)
    with pytest.raises(ak.AstrokerasError, match="out is given twice"):
        ak.pretrain("r", "o", out="p")
    with pytest.raises(ak.AstrokerasError, match="bands is missing"):
        ak.convert(images="{field}_{band}.fits", out="o")
    with pytest.raises(AttributeError, match="has no attribute 'pretain'"):
        _ = ak.pretain


def test_a_survey_by_name_sets_defaults_that_arguments_win_over():
    by_name = made("convert", survey="splus", images="dir", out="o")
    assert by_name.images.bands[:3] == ("U", "F378", "F395") and len(by_name.images.bands) == 12
    assert (by_name.images.images, by_name.photometry.magnitudes) == ("dir", "{band}_auto")
    assert made("convert", survey="splus", images="dir", out="o", bands="gr").images.bands == ("g", "r")


def test_a_function_says_what_it_takes():
    signature = inspect.signature(ak.pretrain)
    assert list(signature.parameters)[:2] == ["records", "out"]
    assert signature.parameters["epochs"].default == PretrainConfig.epochs
    assert "learning_rate: Peak of the learning rate." in ak.pretrain.__doc__


def test_every_name_is_described():
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    for name in ak.__all__:
        assert f"ak.{name}" in text, f"docs/api.md does not tell of ak.{name}"
        described = getattr(ak, name)
        assert "Example:" in described.__doc__ or (isinstance(described, type) and issubclass(described, Exception))
    assert {"suggest", "fewshot", "label", "inspect"} <= set(ak.__all__) <= set(dir(ak))


def test_every_command_is_a_function():
    assert set(commands()) <= set(ak.__all__)
    for name in commands():
        assert getattr(ak, name).__doc__.startswith(commands()[name].help)
    assert list(ak.encoders("sdss-gri-compact")) == ["sdss-gri-compact"]
    assert "efigi" in [recipe["name"] for recipe in ak.recipe()]


@pytest.mark.parametrize(
    ("name", "message"),
    [("records", "has the name of the module astrokeras.records"), ("convert", "is there twice")],
)
def test_a_command_of_a_plug_in_with_a_name_that_is_taken(name, message, monkeypatch):
    module = types.ModuleType("plug_in")
    module.COMMAND = dataclasses.replace(commands()["simulate"], name=name)
    monkeypatch.setattr("astrokeras.commands.plugins", lambda: (module,))
    with pytest.raises(ak.AstrokerasError, match=f"command '{name}' {message}"):
        commands.__wrapped__()


def test_the_package_is_imported_without_what_it_does_not_need():
    script = (
        "import sys, astrokeras as ak\n"
        "assert not {'keras', 'tensorflow', 'astropy', 'numpy', 'click'} & set(sys.modules), sys.modules.keys()\n"
        "assert 'convert' in dir(ak)\n"
        "ak.AstrokerasError, ak.convert\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("first", ["astrokeras", "keras"])
def test_keras_itself_reads_our_models(first, tmp_path, sample_records):
    second = {"astrokeras": "keras", "keras": "astrokeras"}[first]
    file = tmp_path / "encoder.keras"
    ak.build_encoder(sample_records).save(file)
    read = f"import {first}, {second}\nprint(keras.saving.load_model({str(file)!r}).input_shape)"
    done = subprocess.run([sys.executable, "-c", read], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "(None, 32, 32, 3)"


def test_a_script_without_a_guard_gets_its_result(tmp_path, sample_survey):
    script = tmp_path / "script.py"
    script.write_text(
        "import astrokeras as ak\n"
        "print('begin')\n"
        f"records = ak.convert(images={str(sample_survey) + '/images/{field}_{band}.fits'!r}, bands='gri', size=32,\n"
        f"    catalog={str(sample_survey / 'catalog.fits')!r}, zero_point='header:MAGZPT', workers=2, out='records')\n"
        "print(sum(records.counts.values()) > 0)\n"
    )
    done = subprocess.run([sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "begin\nTrue\n", "the script runs once"
