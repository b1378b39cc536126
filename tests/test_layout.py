"""Tests lie where what they test lies, under its name; no name stands for two things."""

import ast
import configparser
from pathlib import Path

from astrokeras.commands import commands

ROOT = Path(__file__).resolve().parents[1]
# Of no module alone: documents, rules for all modules, numbers of another library.
OF_ALL = {
    "test_docs.py",
    "test_examples.py",
    "test_extending.py",
    "test_imports.py",
    "test_layout.py",
    "golden/test_addons.py",
}
# What an entry of this folder is; records, and their options of a training, as seen from Python and the command line.
SAME_SUBJECT = {"base", "records", "training"}


def test_a_file_of_tests_has_the_name_of_its_module():
    """``test_NAME.py`` or, for one matter among others, ``test_NAME_MATTER.py``."""
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        place = file.relative_to(ROOT / "tests")
        modules = {module.stem.rstrip("_") for module in (ROOT / "astrokeras" / place.parent).glob("*.py")}
        name = file.stem.removeprefix("test_")
        words = name.split("_")
        begins = {"_".join(words[: count + 1]) for count in range(len(words))}
        assert begins & modules or place.as_posix() in OF_ALL, f"{file} is named after no module"


def test_no_two_classes_have_one_name():
    places: dict[str, list[str]] = {}
    for file in sorted((ROOT / "astrokeras").rglob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(file.name)
    assert not {name: files for name, files in places.items() if len(files) > 1}


def test_modules_of_one_name_are_about_one_thing():
    """A command's options, its description and what it does are three modules of its name."""
    package = ROOT / "astrokeras"
    places: dict[str, list[str]] = {}
    for path in sorted(package.rglob("*")):
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file():
            places.setdefault(path.stem.rstrip("_"), []).append(path.relative_to(package).as_posix())
    several = {name for name, paths in places.items() if len(paths) > 1}
    assert several - set(commands()) <= SAME_SUBJECT, places


def test_an_installation_has_every_file_of_the_package():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    patterns = settings["options.package_data"]["astrokeras"].split()
    package = ROOT / "astrokeras"
    listed = {file for pattern in patterns for file in package.glob(pattern)}
    there = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert listed == there
