import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from astrokeras import cli
from astrokeras.config import ConvertConfig, FinetuneConfig, PretrainConfig, SimulateConfig, option_fields
from astrokeras.records.directory import RecordsDirectory

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = (
    "simulate",
    "convert",
    "inspect",
    "pretrain",
    "finetune",
    "map",
    "search",
    "anomalies",
    "cluster",
    "predict",
    "export",
    "demo",
)


def run(capsys, *arguments):
    """Exit code, stdout and stderr of one command, in this process."""
    with pytest.raises(SystemExit) as stop:
        cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


def the_error(stderr):
    """The one line that says what went wrong."""
    lines = [line for line in stderr.splitlines() if line.lower().startswith("error: ")]
    assert len(lines) == 1, stderr
    assert "Traceback" not in stderr
    return lines[0]


@pytest.fixture
def survey(sample_survey, tmp_path):
    """A copy of the tiny survey, to be spoilt; returns its directory and the arguments that convert it."""
    copy = tmp_path / "survey"
    shutil.copytree(sample_survey, copy)
    arguments = [
        "convert", "--images", f"{copy}/images/{{field}}_{{band}}.fits", "--bands", "g,r,i", "--size", "32",
        "--catalog", copy / "catalog.fits", "--zero-point", "header:MAGZPT", "--label", "CLASS", "--workers", "1",
        "--out", tmp_path / "records",
    ]  # fmt: skip
    return copy, arguments


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_config_seed_and_debug(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert all(option in out for option in ("--config", "--seed", "--debug"))


def test_help_and_convert_do_not_import_tensorflow(tmp_path):
    script = (
        "import sys\nfrom astrokeras.cli import main\n"
        "try:\n    main(['convert', '--images', 'nothing/{field}_{band}.fits', '--bands', 'r', '--catalog', 'c.csv',"
        " '--out', 'o'])\nexcept SystemExit as stop:\n    assert stop.code == 1\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, capture_output=True)
    light = "import sys, astrokeras.cli\nassert not {'tensorflow', 'keras', 'astropy', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", light], check=True, cwd=tmp_path)


def test_the_launcher_of_a_checkout_is_the_command(tmp_path):
    for arguments in (["--version"], ["convert", "--help"]):
        launched = subprocess.run(
            [sys.executable, ROOT / "cli.py", *arguments], capture_output=True, text=True, check=False
        )
        module = subprocess.run(
            [sys.executable, "-m", "astrokeras", *arguments], capture_output=True, text=True, check=False
        )
        assert launched.returncode == module.returncode == 0
        assert launched.stdout == module.stdout != ""


def test_training_commands_start_without_chatter(sample_records, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "astrokeras", "pretrain", sample_records, "--out", tmp_path / "run", "--epochs", "1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    noise = [line for line in done.stderr.splitlines() if line[:1] in "IWE" and line[1:5].isdigit()]
    assert noise == []
    assert not any(word in done.stderr for word in ("oneDNN", "cuda", "CUDA", "absl", "Warning"))
    assert "| this network" in done.stdout and "| always the mean" in done.stdout


def test_convert_and_inspect_print_the_same_and_json(capsys, survey, tmp_path):
    _, arguments = survey
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    code, shown, err = run(capsys, "inspect", tmp_path / "records", "--verify", "--sheet", tmp_path / "sheet.png")
    assert (code, shown) == (0, out)
    assert (tmp_path / "sheet.png").is_file() and "as it was written" in err
    code, out, _ = run(capsys, "inspect", tmp_path / "records", "--json")
    assert json.loads(out)["fingerprint"] == RecordsDirectory.load(tmp_path / "records").fingerprint


def test_what_is_given_by_position_can_stand_in_the_file_once(capsys, sample_records, tmp_path):
    file = tmp_path / "c.toml"
    file.write_text(f'records = "{sample_records}"\nout = "{tmp_path}/run"\nbudget = "9999"\nmode = "frozen"\n')
    code, _, err = run(capsys, "finetune", "--config", file)
    assert code == 1
    assert "--budget 9999 is more than" in the_error(err)
    code, _, err = run(capsys, "finetune", "--config", file, tmp_path / "other")
    assert "other is no records directory" in the_error(err), "the command line wins"
    code, _, err = run(capsys, "finetune", "--out", tmp_path / "run")
    assert code == 2, "nothing of the file is left for the next command"
    assert "Missing argument 'RECORDS'" in err


def test_nothing_but_the_result_reaches_stdout(capsys, monkeypatch, sample_records):
    def chatty(content):
        print("a library says hello")
        content["spread"] = float("nan")
        return ""

    monkeypatch.setattr("astrokeras.records.inspect.describe_records", chatty)
    code, out, err = run(capsys, "inspect", sample_records, "--json")
    assert code == 0
    assert json.loads(out, parse_constant=pytest.fail)["spread"] is None
    assert "hello" in err


def test_a_config_file_gives_options_and_the_command_line_wins(capsys, survey, tmp_path):
    copy, _ = survey
    (tmp_path / "survey.toml").write_text(
        f'images = "{copy}/images/{{field}}_{{band}}.fits"\nbands = ["g", "r"]\ncatalog = "{copy}/catalog.fits"\n'
        f'zero-point = "header:MAGZPT"\nworkers = 1\nout = "{tmp_path}/toml"\n[convert]\nsize = 16\nlabel = "CLASS"\n'
    )
    code, _, err = run(capsys, "convert", "--config", tmp_path / "survey.toml", "--size", "24")
    assert code == 0, err
    records = RecordsDirectory.load(tmp_path / "toml")
    assert (records.bands, records.size, records.unit) == (("g", "r"), 24, "nJy")
    assert "star" in records.classes
    # What was done can be done again from what was written.
    options = tmp_path / "again.json"
    options.write_text(json.dumps({"options": {**records.conversion, "out": "gone", "overwrite": True, "workers": 1}}))
    code, _, err = run(capsys, "convert", "--config", options)
    assert code == 2 and "Missing option '--out'" in err, "repeating a run must not replace it"
    code, _, err = run(capsys, "convert", "--config", options, "--out", tmp_path / "again")
    assert code == 0, err
    assert RecordsDirectory.load(tmp_path / "again").fingerprint == records.fingerprint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sice = 3", "did you mean size"),
        ("size =", "cannot be used"),
        ("size = 'big'", "expected a whole number"),
        ("size = 3.7", "expected a whole number"),
        ("out = 3", "expected text"),
        ("[convrt]\nsize = 3", "did you mean convert"),
        ("as_json = true", "'as_json' is unknown"),
        ("bands = true", "expected text or a list"),
        ("max-bad-fraction = nan", "no finite number"),
    ],
)
def test_a_wrong_config_file_is_wrong_usage(capsys, tmp_path, text, message):
    file = tmp_path / "c.toml"
    file.write_text(text)
    code, _, err = run(capsys, "convert", "--config", file, "--images", "x", "--bands", "r", "--out", tmp_path / "o")
    assert code == 2
    assert message in the_error(err)


@pytest.mark.parametrize("config", [SimulateConfig, ConvertConfig, PretrainConfig, FinetuneConfig])
def test_every_field_of_a_configuration_is_an_option(config):
    command = cli.cli.get_command(None, config.__name__.removesuffix("Config").lower())
    assert set(option_fields(config)) <= {parameter.name for parameter in command.params}


def break_images(copy):
    for path in copy.glob("images/*_r.fits"):
        path.write_bytes(path.read_bytes()[:7000])


def remove_band(copy):
    for path in copy.glob("images/*_r.fits"):
        path.unlink()


def drop_column(copy):
    table = Table.read(copy / "catalog.fits")
    table.remove_column("MAG_AUTO_r")
    table.write(copy / "catalog.fits", overwrite=True)


def only_nan(copy):
    for path in copy.glob("images/*.fits"):
        with fits.open(path) as hdus:
            header, shape = hdus[1].header, hdus[1].shape
        blank = fits.ImageHDU(np.full(shape, np.nan, np.float32))
        for key in ("MAGZPT", "CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2"):
            blank.header[key] = header[key]
        for key in ("CD1_1", "CD1_2", "CD2_1", "CD2_2", "CDELT1", "CDELT2", "PC1_1", "PC1_2", "PC2_1", "PC2_2"):
            if key in header:
                blank.header[key] = header[key]
        fits.HDUList([fits.PrimaryHDU(), blank]).writeto(path, overwrite=True)


def nothing(copy):
    pass


@pytest.mark.parametrize(
    ("spoil", "extra", "code", "message"),
    [
        (remove_band, [], 1, "no image matches .*_r.fits"),
        (nothing, ["--bands", "g,r,q"], 1, "no image matches .*_q.fits"),
        (break_images, [], 1, "no image can be used"),
        (only_nan, [], 1, "no catalogue row could be converted: .*bad_pixels"),
        (drop_column, ["--magnitudes", "MAG_AUTO_{band}"], 2, "'MAG_AUTO_r' is unknown; did you mean MAG_AUTO_"),
        (nothing, ["--label", "CLAS"], 2, "'CLAS' is unknown; did you mean CLASS"),
        (nothing, ["--catalog", "none.fits"], 1, "none.fits does not exist"),
        (nothing, ["--splits", "train=much"], 2, "expected NAME=SHARE"),
        (nothing, ["--zero-point", "header:NONE"], 1, "header keyword NONE is absent or empty, expected a magnitude"),
        (nothing, ["--images", "{filter}.fits"], 2, "unknown placeholder"),
        (nothing, ["--size", "-3"], 2, "not in the range"),
    ],
)
def test_bad_input_is_one_clear_line_and_leaves_nothing(capsys, survey, tmp_path, spoil, extra, code, message):
    copy, arguments = survey
    spoil(copy)
    if extra and extra[0] in arguments:
        del arguments[(place := arguments.index(extra[0])) : place + 2]
    got, out, err = run(capsys, *arguments, *extra)
    assert got == code, err
    assert re.search(message, the_error(err)), err
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["survey"]


@pytest.mark.parametrize(
    ("repeated", "given"),
    [("--label", "--label TYPE"), ("--size", "--size=16"), ("--magnitudes", "--magnitudes m_{band}")],
)
def test_a_single_option_is_given_once(capsys, survey, repeated, given):
    _, arguments = survey
    extra = [] if repeated in arguments else [repeated, "n_{band}"]
    code, _, err = run(capsys, *arguments, *extra, *given.split())
    assert code == 2
    assert f"{repeated} is given 2 times, expected once" in the_error(err)
    assert run(capsys, "inspect", "--json", "--json", "none")[0] == 1, "a flag says the same twice"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '{"options": {"out": ' + "[" * 100_000 + "]" * 100_000 + "}}", "nested too deeply"),
        ("a.json", '{"options": {"images": "a\\ud800"}}', "expected text"),
        ("a.toml", 'images = "a\\u0000b"', "expected text"),
        ("a.toml", "bands = [[1], {}]", "expected text"),
        ("a.toml", "size = " + "[" * 5000 + "]" * 5000, "cannot be used"),
    ],
)
def test_an_odd_config_file_is_one_clear_line(capsys, tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    code, _, err = run(capsys, "convert", "--config", tmp_path / name, "--images", "x", "--bands", "r", "--out", "o")
    assert code == 2
    assert message in the_error(err)
    assert "unexpected" not in err


def test_pipes_are_no_configurations_and_no_catalogues(capsys, survey, tmp_path):
    _, arguments = survey
    os.mkfifo(tmp_path / "p.csv")
    os.mkfifo(tmp_path / "p.toml")
    code, _, err = run(capsys, "convert", "--config", tmp_path / "p.toml")
    assert (code, "no regular file" in the_error(err)) == (2, True)
    arguments[arguments.index("--catalog") + 1] = tmp_path / "p.csv"
    code, _, err = run(capsys, *arguments)
    assert (code, "a pipe or a device" in the_error(err)) == (1, True)
    code, _, err = run(capsys, *arguments, "--survey", tmp_path / "p.toml")
    assert (code, "no regular file" in the_error(err)) == (2, True)


def test_control_characters_do_not_reach_the_terminal(capsys, tmp_path):
    code, _, err = run(capsys, "inspect", f"{tmp_path}/a\x1b[2J\u202eb")
    assert code == 1
    assert "a\\x1b[2J\\u202eb" in the_error(err)
    code, _, err = run(capsys, "convert", "--im\x1bages", "x")
    assert "\x1b" not in err


@pytest.mark.parametrize("command", ["pretrain", "finetune", "inspect"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: next(path.glob("*-train.tfrecord-*")).unlink(), "is incomplete"),
        (lambda path: (path / "convert.json").unlink(), "is no records directory"),
        (lambda path: (path / "convert.json").write_text('{"records_format": 99}'), "has records format 99"),
        (lambda path: (path / "convert.json").write_text("{"), "is damaged"),
    ],
)
def test_records_that_are_none_are_refused(capsys, sample_records, tmp_path, command, damage, message):
    copy = tmp_path / "records"
    shutil.copytree(sample_records, copy)
    damage(copy)
    out = [] if command == "inspect" else ["--out", tmp_path / "run"]
    code, _, err = run(capsys, command, copy, *out)
    assert code == 1
    assert message in the_error(err)
    assert not (tmp_path / "run").exists()


def test_no_labels_and_one_class_only(capsys, survey, tmp_path):
    copy, arguments = survey
    table = Table.read(copy / "catalog.fits")
    for labels, message in (("", "has no labels"), ("star", "one class only")):
        table["CLASS"] = np.full(len(table), labels, dtype="U8")
        table.write(copy / "catalog.fits", overwrite=True)
        assert run(capsys, *arguments, "--overwrite")[0] == 0
        code, _, err = run(capsys, "finetune", tmp_path / "records", "--out", tmp_path / "run")
        assert code == 1
        assert message in the_error(err)


@pytest.mark.parametrize("command", ["export", "predict"])
def test_a_directory_that_is_no_run(capsys, sample_records, tmp_path, command):
    rest = [sample_records, "--out", tmp_path / "p.csv"] if command == "predict" else ["--out", tmp_path / "models"]
    code, _, err = run(capsys, command, tmp_path, *rest)
    assert code == 1
    assert "is not a run directory" in the_error(err)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_at_the_keyboard_stops_every_process_without_a_word_more(survey, tmp_path):
    _, arguments = survey
    arguments[arguments.index("--workers") + 1] = "2"
    command = [sys.executable, "-m", "astrokeras", *map(str, arguments)]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, start_new_session=True, text=True, **pipes) as process:
        for line in process.stderr:
            if line.startswith("--label CLASS: "):  # the last word before the work begins
                break
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert rest.split() == ["interrupted"]
    assert [path.name for path in tmp_path.iterdir()] == ["survey"]


def test_an_interrupt_is_130_and_a_defect_is_one_line(capsys, monkeypatch, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    def fail(*_):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("astrokeras.records.directory.RecordsDirectory.load", interrupt)
    assert run(capsys, "inspect", tmp_path)[0] == 130
    monkeypatch.setattr("astrokeras.records.directory.RecordsDirectory.load", fail)
    code, _, err = run(capsys, "inspect", tmp_path)
    assert code == 1
    assert "ZeroDivisionError" in the_error(err)
    with pytest.raises(ZeroDivisionError):
        cli.main(["inspect", str(tmp_path), "--debug"])
