"""Imports go one way: a stage knows those before it in the flow of data, and none that come after."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "astrokeras"
STAGES = [
    "survey",
    "records",
    "pipeline",
    "models",
    "shipped_encoders",
    "tasks",
    "training",
    "evaluation",
    "embedding",
    "serving",
]
EVERYWHERE = {
    "chatter", "config", "errors", "files", "jsonable", "locking", "parallel", "progress", "registration", "small_file",
    "spec", "text", "__version__",
}  # fmt: skip


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_only_from_stages_before_it(stage):
    allowed = EVERYWHERE | set(STAGES[: STAGES.index(stage) + 1])
    files = list((PACKAGE / stage).rglob("*.py"))
    assert files
    for file in files:
        ours = {name.split(".")[1] for name in imported(file) if name.startswith("astrokeras.")}
        assert ours <= allowed, f"{file} imports {ours - allowed}"


@pytest.mark.parametrize("stage", ["survey", "records"])
def test_conversion_needs_no_tensorflow(stage):
    for file in (PACKAGE / stage).rglob("*.py"):
        assert not {name.split(".")[0] for name in imported(file)} & {"tensorflow", "keras"}, file


@pytest.mark.parametrize("stage", ["models", "tasks"])
def test_networks_are_written_without_tensorflow(stage):
    for file in (PACKAGE / stage).rglob("*.py"):
        assert "tensorflow" not in {name.split(".")[0] for name in imported(file)}, file
