import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.survey.template import ImageTemplate

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=30).filter(
    lambda name: name not in (".", "..")
)


def touch(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()


def test_fields_are_those_with_a_file_in_any_band(tmp_path: Path):
    touch(tmp_path, "A1_g.fits", "A1_r.fits", "B_2_r.fits", "catalog.fits", "A1_z.fits")
    template = ImageTemplate(str(tmp_path / "{field}_{band}.fits"), ("g", "r"))
    assert template.discover() == ["A1", "B_2"]
    assert not template.per_object
    assert template.path("B_2", "g") == tmp_path / "B_2_g.fits"


def test_a_placeholder_may_stand_twice(tmp_path: Path):
    touch(tmp_path, "A/A_g.fits", "A/B_g.fits", "C/C_g.fits")
    assert ImageTemplate(str(tmp_path / "{field}/{field}_{band}.fits"), ("g",)).discover() == ["A", "C"]


def test_glob_and_regex_characters_in_a_path_mean_themselves(tmp_path: Path):
    touch(tmp_path, "run[1].d/x+g.fits", "run[1].d/yZg.fits", "run1.d/z+g.fits")
    assert ImageTemplate(str(tmp_path / "run[1].d/{field}+{band}.fits"), ("g",)).discover() == ["x"]


def test_ids_come_from_file_names_and_keep_their_zeros(tmp_path: Path):
    touch(tmp_path, "007.jpg", "7.jpg", "a.b.jpg")
    template = ImageTemplate(str(tmp_path / "{id}.jpg"), ("r", "g", "b"))
    assert template.per_object
    assert template.discover() == ["007", "7", "a.b"]


def test_a_survey_of_one_image_has_one_nameless_field(tmp_path: Path):
    touch(tmp_path, "g.fits")
    assert ImageTemplate(str(tmp_path / "{band}.fits"), ("g",)).discover() == [""]


def test_a_band_without_any_file_is_named(tmp_path: Path):
    touch(tmp_path, "A_g.fits")
    with pytest.raises(AstrokerasError, match=r"\*_r\.fits \(for that band\)"):
        ImageTemplate(str(tmp_path / "{field}_{band}.fits"), ("g", "r")).discover()


@pytest.mark.parametrize(
    ("text", "said"), [("{tile}_{band}.fits", "tile"), ("{field}/{id}.fits", "use one"), ("{}.fits", "unknown")]
)
def test_a_template_that_makes_no_sense_is_a_usage_error(text: str, said: str):
    with pytest.raises(UsageError, match=said):
        ImageTemplate(text, ("g",))


@pytest.mark.parametrize("name", ["..", ".", "/etc/passwd", "../x", "a/../../x", "a/b", "nul\0", "\udcff"])
def test_names_that_are_no_file_name_are_refused(name: str):
    with pytest.raises(ValueError, match="no file name"):
        ImageTemplate("stamps/{id}.fits", ("g",)).path(name, "g")


@given(NAMES)
def test_any_other_name_stays_in_the_directory(name: str):
    path = ImageTemplate("stamps/{id}.fits", ("g",)).path(name, "g")
    assert path.parent == Path("stamps")
    assert path.name == f"{name}.fits"


def test_a_star_stands_for_what_differs_from_file_to_file(tmp_path: Path):
    touch(tmp_path, "A_r1p01_g.fits")
    touch(tmp_path, "A_r2p02_r.fits")
    touch(tmp_path, "B_r1p01_g.fits")
    template = ImageTemplate(str(tmp_path / "{field}_*_{band}.fits"), ("g", "r"))
    assert template.discover() == ["A", "B"]
    assert template.path("A", "r").name == "A_r2p02_r.fits"
    assert not template.path("B", "r").exists()
    touch(tmp_path, "A_r3p01_g.fits")
    with pytest.raises(ValueError, match="2 files match"):
        template.path("A", "g")


def test_a_star_ends_at_a_directory_and_takes_names_as_they_are(tmp_path: Path):
    touch(tmp_path, "x/[A]_g.fits", "x/y/B_g.fits", "*/C_g.fits")
    template = ImageTemplate(str(tmp_path / "*" / "{field}_{band}.fits"), ("g",))
    assert template.discover() == ["C", "[A]"]
    assert template.path("[A]", "g") == tmp_path / "x" / "[A]_g.fits"
    assert template.has_files()
    assert not ImageTemplate(str(tmp_path / "*.fits"), ("g",)).has_files()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none/{field}_{band}.fits", "there is no directory {0}/none"),
        ("there/none/more/{band}/{field}.fits", "there is no directory {0}/there/none"),
        ("none", "{0}/none: there is no such file or directory"),
        ("there/{field}.fits", "no image matches"),
    ],
)
def test_a_missing_directory_is_named(tmp_path: Path, text: str, message: str):
    (tmp_path / "there").mkdir()
    with pytest.raises(AstrokerasError, match=re.escape(message.format(tmp_path))):
        ImageTemplate(f"{tmp_path}/{text}", ("g", "r")).discover()
