"""Recipes: files that are prepared, commands that are run, scores that are compared."""

import csv
import json
import subprocess
import sys
import tarfile

import pytest

from astrokeras.commands import commands
from astrokeras.commands.click_command import click_command
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.repeat_recipe import SideBySide, outcome, read_recipe, repeat

TEXT = """
title = "A recipe for tests"

[[prepare]]
unpack = "{data}/stamps.tar"
into = "{out}/stamps"

[[prepare]]
tables = [
    { file = "{data}/labelled.csv", join = "{recipe}/splits.csv" },
    { file = "{data}/others.csv", set = { split = "train" } },
]
into = "{out}/catalog.csv"

[[stage]]
name = "first"
command = "simulate --out {out}/survey --fields 1"

[[stage]]
name = "second"
command = '''
convert --images '{out}/stamps/{id}.jpg'
    --out "{out}/records"
'''

[[expect]]
what = "ours, 25 labels a class, AUROC"
table = "{out}/comparison.csv"
row = { arm = "ours", budget = "25/class" }
column = "test_auroc_mean"
value = 0.9
low = 0.85
high = 0.95
"""


@pytest.fixture
def files(tmp_path):
    for name in ("data", "recipes", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "recipes" / "short.toml").write_text(TEXT)
    (tmp_path / "recipes" / "splits.csv").write_text("id,split\na,train\nb,test\n")
    (tmp_path / "data" / "labelled.csv").write_text("id,kind\na,x\nb,y\nc,x\n")
    (tmp_path / "data" / "others.csv").write_text("id\nd\n")
    (tmp_path / "a.jpg").write_bytes(b"picture")
    (tmp_path / "notes.txt").write_text("no picture")
    with tarfile.open(tmp_path / "data" / "stamps.tar", "w") as archive:
        archive.add(tmp_path / "a.jpg", "../../deep/a.jpg")
        archive.add(tmp_path / "notes.txt", "notes.txt")
    (tmp_path / "out" / "comparison.csv").write_text(
        "arm,budget,test_auroc_mean\nours,25/class,0.91\nours,50/class,0.95\n"
    )
    return tmp_path


def again(files, run, **options):
    recipe = read_recipe(str(files / "recipes" / "short.toml"))
    return repeat(recipe, files / "data", files / "out", run, lambda line: None, **options)


def test_files_are_prepared_and_commands_run_once(files):
    ran = []
    scores = again(files, ran.append)
    assert [words[0] for words in ran] == ["simulate", "convert"]
    assert ran[1] == ["convert", "--images", f"{files}/out/stamps/{{id}}.jpg", "--out", f"{files}/out/records"]
    assert [path.name for path in (files / "out" / "stamps").iterdir()] == ["a.jpg"]
    with (files / "out" / "catalog.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows == [
        {"id": "a", "kind": "x", "split": "train"},
        {"id": "b", "kind": "y", "split": "test"},
        {"id": "d", "kind": "", "split": "train"},
    ]
    assert scores[0]["found"] == 0.91
    assert scores[0]["within"]
    assert outcome(scores) == "ours, 25 labels a class, AUROC: 0.910, expected 0.900 [0.850, 0.950]: as expected"
    again(files, ran.append)
    assert len(ran) == 2


def test_a_stage_that_failed_is_run_again(files):
    def fail(words):
        if words[0] == "convert":
            raise AstrokerasError("no")

    with pytest.raises(AstrokerasError):
        again(files, fail)
    ran = []
    again(files, ran.append)
    assert [words[0] for words in ran] == ["convert"]


def test_several_at_a_time(files):
    lines, seen = [], {}

    def start(words, log):
        seen[words[0]] = json.loads((files / "out" / "recipe.json").read_text()), log
        return subprocess.Popen([sys.executable, "-c", "pass"], start_new_session=True)

    third = '\n[[stage]]\nname = "last"\ncommand = "inspect {out}/survey {out}/records"\n'
    (files / "recipes" / "short.toml").write_text(TEXT + third)
    recipe = read_recipe(str(files / "recipes" / "short.toml"))
    options = {"beside": SideBySide(2, start)}
    scores = repeat(recipe, files / "data", files / "out", pytest.fail, lines.append, **options)
    assert scores[0]["within"]
    assert [seen["convert"][1].name, seen["inspect"][1].name] == ["second.log", "last.log"]
    assert {"first", "second"} <= seen["inspect"][0].keys()
    assert "last" not in seen["inspect"][0]
    assert "last" in json.loads((files / "out" / "recipe.json").read_text())
    seen.clear()
    repeat(recipe, files / "data", files / "out", pytest.fail, lines.append, **options)
    assert seen == {}
    assert lines[-1] == "stage last: done before"


def test_one_stage_and_what_it_needs(files):
    ran = []
    assert again(files, ran.append, until="second") == []
    assert [words[0] for words in ran] == ["convert"]  # it needs nothing of the first
    third = '\n[[stage]]\nname = "last"\ncommand = "inspect {out}/survey"\n'
    (files / "recipes" / "short.toml").write_text(TEXT + third)
    again(files, ran.append, until="last")
    assert [words[0] for words in ran] == ["convert", "simulate", "inspect"]
    with pytest.raises(UsageError, match="first, second, last"):
        again(files, ran.append, until="fourth")


def test_what_another_command_has_made_is_kept(files):
    again(files, lambda words: None)
    file = files / "recipes" / "short.toml"
    file.write_text(file.read_text().replace("--fields 1", "--fields 2"))
    with pytest.raises(AstrokerasError, match="was made by another command"):
        again(files, lambda words: None)


def test_a_score_that_is_no_number(files):
    (files / "out" / "comparison.csv").write_text("arm,budget,test_auroc_mean\nours,25/class,good\n")
    with pytest.raises(AstrokerasError, match="test_auroc_mean is 'good', expected a number"):
        again(files, lambda words: None)


def test_a_score_outside_of_its_interval_is_an_error(files, monkeypatch):
    (files / "out" / "comparison.csv").write_text("arm,budget,test_auroc_mean\nours,25/class,0.80\n")
    assert not again(files, lambda words: None)[0]["within"]
    command = click_command(commands()["recipe"])
    arguments = [str(files / "recipes" / "short.toml"), "--data", str(files / "data"), "--out", str(files / "out")]
    with pytest.raises(AstrokerasError, match="1 of 1 scores are not as the recipe says"):
        command.main(arguments, standalone_mode=False)


def test_missing_files(files):
    (files / "data" / "stamps.tar").write_bytes(b"nothing")
    with pytest.raises(AstrokerasError, match=r"is no whole tar archive"):
        again(files, lambda words: None)
    (files / "data" / "stamps.tar").unlink()
    with pytest.raises(AstrokerasError, match=r"is --data the right directory\?"):
        again(files, lambda words: None)


def test_a_damaged_record_of_what_was_done(files):
    (files / "out" / "recipe.json").write_text(json.dumps({})[:-1])
    with pytest.raises(AstrokerasError, match="is damaged"):
        again(files, lambda words: None)
