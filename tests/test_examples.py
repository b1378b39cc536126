"""The examples in docstrings hold."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = re.compile(r"^ *>>> (?!.*SKIP)", re.MULTILINE)
FILES = [file for file in sorted((ROOT / "astrokeras").rglob("*.py")) if EXAMPLE.search(file.read_text("utf-8"))]


@pytest.mark.parametrize("file", [file.relative_to(ROOT).as_posix() for file in FILES])
def test_the_examples_of_a_module(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    module = importlib.import_module(file.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert found.attempted and not found.failed
