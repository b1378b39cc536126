"""Processes beside each other: how many, in which order, and how they end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from astrokeras.commands import commands
from astrokeras.commands.click_command import click_command
from astrokeras.errors import AstrokerasError, Stopped
from astrokeras.files import CannotWrite
from astrokeras.repeat_recipe import side_by_side
from astrokeras.repeat_recipe.side_by_side import SideBySide, run_side_by_side, start_astrokeras


@pytest.fixture
def place(tmp_path):
    os.mkfifo(tmp_path / "gate")
    return tmp_path


class Stages:
    """Stages whose words are a program in Python."""

    def __init__(self, place, programs, needs=None):
        self.place, self.programs = place, programs
        self.needs = needs or {name: set() for name in programs}
        self.ended, self.lines, self.processes = [], [], []

    def start(self, words, log):
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", *words],
                cwd=self.place, stdout=stream, stderr=stream, start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def run(self, jobs, told=lambda line: None):
        def report(line):
            self.lines.append(line)
            told(line)

        stages = {name: [program] for name, program in self.programs.items()}
        run_side_by_side(stages, self.needs, SideBySide(jobs, self.start), self.place, self.ended.append, report)

    def most_at_once(self):
        running, most = 0, 0
        for line in self.lines:
            running += 1 if " begins" in line else -1
            most = max(most, running)
        return most


READS, WRITES = "open('gate').read()", "open('gate', 'w').write('x')"


def test_stages_that_wait_for_one_another_both_end(place):
    stages = Stages(place, {"a": READS, "b": WRITES})
    stages.run(2)
    assert sorted(stages.ended) == ["a", "b"]
    assert stages.most_at_once() == 2
    assert [line.split()[:3] for line in stages.lines[:2]] == [["stage", "a", "begins,"], ["stage", "b", "begins,"]]
    assert stages.lines[-1].endswith(" s")


def test_no_more_at_a_time_and_none_before_those_that_it_needs(place):
    needs = {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"a"}, "e": {"b", "c", "d", "done before"}}
    stages = Stages(place, dict.fromkeys(needs, "pass"), needs)
    stages.run(2)
    assert stages.ended[0] == "a"
    assert stages.ended[-1] == "e"
    assert sorted(stages.ended) == [*"abcde"]
    assert stages.most_at_once() == 2


def test_one_that_fails_lets_those_that_run_end_and_no_other_begin(place):
    programs = {
        "a": "import sys; print('first', file=sys.stderr); sys.exit('it went\\x1b[31m wrong')",
        "b": READS,
        "c": "pass",
    }
    stages = Stages(place, programs)

    def told(line):
        if "a failed" in line:
            (place / "gate").write_text("go on")

    with pytest.raises(AstrokerasError) as error:
        stages.run(2, told)
    assert str(error.value) == rf"stage a failed (it went\x1b[31m wrong), see {place / 'a.log'}"
    assert stages.ended == ["b"]
    assert (place / "a.log").read_text() == "first\nit went\x1b[31m wrong\n"
    assert not any("stage c" in line for line in stages.lines)


def test_one_that_says_nothing_fails_with_its_code(place):
    with pytest.raises(AstrokerasError, match=r"stage a failed \(it ended with 3\)"):
        Stages(place, {"a": "import os; os._exit(3)"}).run(2)


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Stopped)])
def test_what_runs_ends_with_us(place, number, error):
    stages = Stages(place, {"a": READS, "b": READS, "c": "pass"})

    def told(line):
        if "b begins" in line:
            os.kill(os.getpid(), number)

    with pytest.raises(error):
        stages.run(2, told)
    assert stages.ended == []
    assert all(process.returncode != 0 for process in stages.processes)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_does_not_end_is_killed(place, monkeypatch):
    deaf = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {WRITES}; signal.pause()"
    stages = Stages(place, {"a": deaf, "b": "pass"})

    def told(line):
        if "b begins" in line:
            (place / "gate").read_text()  # now it is deaf
            raise KeyboardInterrupt

    monkeypatch.setattr(side_by_side, "_UNTIL_KILLED", 0.0)
    with pytest.raises(KeyboardInterrupt):
        stages.run(2, told)
    assert stages.processes[0].returncode == -signal.SIGKILL


def test_processes_find_what_we_find_and_leave_memory_to_one_another(tmp_path, monkeypatch):
    started = {}

    def popen(command, **options):
        started.update(options, command=command)

    monkeypatch.setattr(side_by_side.subprocess, "Popen", popen)
    monkeypatch.setattr(sys, "path", ["", "/a"])
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    start_astrokeras(["inspect", "x"], tmp_path / "a.log")
    assert started["command"][-4:] == ["-m", "astrokeras", "inspect", "x"]
    assert started["env"]["PYTHONPATH"] == f"{Path.cwd()}:/a"
    assert started["env"]["KERAS_BACKEND"] == "jax"
    assert started["env"]["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert started["env"]["XLA_PYTHON_CLIENT_PREALLOCATE"] == "true"
    with pytest.raises(CannotWrite, match="cannot write"):
        start_astrokeras(["inspect", "x"], tmp_path / "none" / "a.log")


def test_commands_beside_each_other(tmp_path):
    (tmp_path / "short.toml").write_text("""
title = "x"
[[stage]]
name = "sky-{seed}"
each = { seed = [0, 1] }
command = "simulate --fields 1 --objects 6 --size 64 --bands g --seed {seed} --out {out}/{seed}"
[[stage]]
name = "again"
command = "simulate --fields 1 --objects 6 --size 64 --bands g --out {out}/0"
""")
    command = click_command(commands()["recipe"])
    options = ["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--jobs", "2"]
    with pytest.raises(AstrokerasError, match=r"stage again failed \(.*/out/0 exists .* see .*/again\.log"):
        command.main([str(tmp_path / "short.toml"), *options], standalone_mode=False)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "0", "1", "recipe.json", "sky-0.log", "sky-1.log", "again.log",
    }  # fmt: skip
    command.main([str(tmp_path / "short.toml"), *options, "--until", "sky-1"], standalone_mode=False)
