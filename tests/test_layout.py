"""Tests lie where what they test lies, under its name."""

from pathlib import Path

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


def test_a_file_of_tests_has_the_name_of_its_module():
    """``test_NAME.py`` or, for one matter among others, ``test_NAME_MATTER.py``."""
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        place = file.relative_to(ROOT / "tests")
        modules = {module.stem.rstrip("_") for module in (ROOT / "astrokeras" / place.parent).glob("*.py")}
        name = file.stem.removeprefix("test_")
        words = name.split("_")
        begins = {"_".join(words[: count + 1]) for count in range(len(words))}
        assert begins & modules or place.as_posix() in OF_ALL, f"{file} is named after no module"
