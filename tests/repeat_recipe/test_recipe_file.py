"""What a recipe's file may say, and what it is told where it says it wrongly."""

import pytest

from astrokeras.commands import commands
from astrokeras.config import option_fields
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.repeat_recipe import read_recipe, recipe_names
from astrokeras.repeat_recipe.recipe_file import out_of


def read(folder, stages):
    (folder / "a.toml").write_text(f"title = 'x'\n{stages}")
    return read_recipe(str(folder / "a.toml"))


def stage(name="n", command="simulate --out {out}/n", each=""):
    return f"[[stage]]\nname = '{name}'\ncommand = '''{command}'''\n" + (f"each = {each}\n" if each else "")


def test_a_stage_for_each_value(tmp_path):
    text = stage("{task}-{seed}", "pretrain {data} --seed {seed}\n --task {task} --out {out}/{task}-{seed}",
                 "{ task = ['a', '{seed}'], seed = [0, 1.5] }")  # fmt: skip
    with pytest.raises(AstrokerasError, match="expected a name of letters"):
        read(tmp_path, text)  # what a value says is no placeholder
    assert read(tmp_path, text.replace("'{seed}'", "'b'")).stages == {
        f"{task}-{seed}": f"pretrain {{data}} --seed {seed} --task {task} --out {{out}}/{task}-{seed}"
        for task in "ab"
        for seed in ("0", "1.5")
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (stage("n", each="{ seed = [0] }"), r"its name \(n\) has no {seed}"),
        (stage("n{seed}", each="{ seed = [0] }"), r"its --out \({out}/n\) has no {seed}"),
        (stage("n{seed}", "simulate --out={out}/n", "{ seed = [0] }"), r"its --out \({out}/n\) has no {seed}"),
        (stage("n{out}", each="{ out = [0] }"), "expected a word other than data, out"),
        (stage("n{seed}", "simulate --out {seed}", "{ seed = [0, 0] }"), "two stages are called n0"),
        (stage("n{seed}", "simulate --out {seed}", "{ seed = [true] }"), "expected a list of numbers or texts"),
        (stage("n{seed}", "simulate --out {seed}", "{ seed = [] }"), "expected a list of numbers or texts"),
        (stage("n{seed}", "simulate --out {seed}", "{ seed = 3 }"), "expected a list of numbers or texts"),
        (stage(each="[1]"), "each is written like"),
        (stage(each="{}"), "each is written like"),
        (stage() + stage(), "two stages are called n"),
        (stage("../n"), "expected a name of letters"),
        (stage("<script>"), "expected a name of letters"),
        (stage(command=" "), "has no command"),
        (stage(command='simulate --out "a'), "cannot be taken apart"),
        (
            stage("{a}{b}{c}", "x {a}{b}{c}", f"{{ a = {[*range(20)]}, b = {[*range(20)]}, c = {[*range(20)]} }}"),
            "more than 1000 stages",
        ),
    ],
)
def test_stages_that_cannot_be_meant(tmp_path, text, message):
    with pytest.raises(AstrokerasError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [("[[stage]", "is no recipe"), ("title = 'x'", "is no recipe"), ("title = 1\nstage = [1]", "is no recipe")],
)
def test_a_file_that_is_no_recipe(tmp_path, text, message):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(AstrokerasError, match=message):
        read_recipe(str(tmp_path / "bad.toml"))


EXPECT = {"what": "'x'", "table": "'t.csv'", "row": "{ a = 1 }", "column": "'c'", "value": "1", "low": "0", "high": "2"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        *(("[[expect]]\n" + "\n".join(f"{k} = {v}" for k, v in EXPECT.items() if k != name), name) for name in EXPECT),
        ("[[expect]]\n" + "\n".join(f"{k} = 'many'" for k in EXPECT), "row, value, low, high: expected"),
        ("[[prepare]]\nunpack = 'a.tar'", "expected into"),
        ("[[prepare]]\ninto = 'a'", "either unpack or tables"),
        ("[[prepare]]\ninto = 'a'\nunpack = 'b'\ntables = []", "either unpack or tables"),
        ("[[prepare]]\ninto = 'a'\ntables = [{ join = 'b' }]", "expected a file in each"),
        ("[[prepare]]\ninto = 'a'\ntables = 'b'", "is no recipe"),
    ],
)
def test_an_entry_that_lacks_something_is_told_before_anything_runs(tmp_path, entry, message):
    with pytest.raises(AstrokerasError, match=message):
        read(tmp_path, stage("a", "simulate --out {out}/a") + entry)


def test_an_entry_that_has_all(tmp_path):
    entry = "[[expect]]\n" + "\n".join(f"{k} = {v}" for k, v in EXPECT.items())
    assert read(tmp_path, stage("a", "simulate --out {out}/a") + entry).expect[0]["row"] == {"a": 1}


def test_a_name_that_no_recipe_has():
    with pytest.raises(UsageError, match="there is no recipe 'nothing'"):
        read_recipe("nothing")


@pytest.mark.parametrize("name", recipe_names())
def test_our_recipes_use_options_that_exist(name):
    recipe = read_recipe(name)
    assert recipe.needs.keys() >= {"data", "time"}
    assert recipe.expect
    for command in recipe.stages.values():
        words = command.split()
        known = {f"--{field.replace('_', '-')}" for field in option_fields(commands()[words[0]].config)}
        assert {word for word in words if word.startswith("--")} <= known


def test_where_a_command_writes():
    assert out_of(["a", "--out", "b"]) == out_of(["--out=b", "a"]) == "b"
    assert out_of(["a", "--outer", "b"]) is None
    assert out_of(["a", "--out"]) is None
