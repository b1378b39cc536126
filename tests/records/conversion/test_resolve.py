import dataclasses
from pathlib import Path

import pytest

from astrokeras.config import values_of
from astrokeras.errors import UsageError
from astrokeras.records.conversion.plan import make_plan
from astrokeras.records.conversion.resolve import resolve
from tests.sky import config_for, write_visits


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_visits(tmp_path_factory.mktemp("survey"), 9)


def test_what_nobody_said_is_found_out_once(survey: Path):
    lines: list[str] = []
    config = config_for(survey, splits=None, split_by=None, size=None)
    conversion = resolve(config, lines.append)
    assert (conversion.config.splits.split_by, conversion.config.stamps.size) == ("sky", 64)
    assert conversion.cutting.size == 64 and not conversion.size_was_given and conversion.detection is None
    assert any(line.startswith("splits: by sky") for line in lines)
    again: list[str] = []
    assert resolve(conversion.config, again.append).config == conversion.config
    assert not any(line.startswith("splits: by") for line in again)
    with pytest.raises(dataclasses.FrozenInstanceError):
        conversion.config = config


def test_a_plan_leaves_it_as_it_is(survey: Path):
    config = config_for(survey, split_by="field", splits="train=0.5,test=0.5")
    conversion = resolve(config, lambda line: None)
    plan = make_plan(conversion, lambda line: None)
    assert plan.splitting.groups and not conversion.splitting.groups
    assert make_plan(conversion, lambda line: None).splitting == plan.splitting


def test_what_was_detected_is_the_catalogue(survey: Path):
    options = {"catalog": None, "label": None, "magnitudes": None, "detect": "r"}
    conversion = resolve(config_for(survey, **options), lambda line: None)
    assert conversion.config.photometry.measure and conversion.detection is not None
    changed = values_of(conversion.with_detected(Path("found.fits")).config)
    assert (changed["catalog"], changed["x_column"], changed["origin"]) == ("found.fits", "X", 0)
    assert conversion.config.catalogue.catalog is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"catalog": "a.fits"}, "--catalog"),
        ({"label": "CLASS"}, "--label"),
        ({"magnitudes": "MAG_{band}"}, "--magnitudes"),
        ({"id_column": "ID"}, "--id-column"),
        ({"detect": "z"}, "band 'z'"),
        ({"detect": None, "detect_threshold": 3.0}, "goes with --detect"),
        ({"images": "{id}_{band}.fits"}, "one file per object"),
    ],
)
def test_options_that_contradict_detection(survey: Path, more: dict, said: str):
    options = {"catalog": None, "label": None, "magnitudes": None, "detect": "r", **more}
    with pytest.raises(UsageError, match=said):
        resolve(config_for(survey, **options), lambda line: None)
