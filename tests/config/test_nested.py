import dataclasses
import json

import pytest

from astrokeras.config import (
    ConvertConfig,
    PretrainConfig,
    as_dict,
    configure,
    declared,
    from_dict,
    option,
    option_fields,
    option_types,
    replaced,
    values_of,
)
from astrokeras.config import convert as module

GIVEN = {"images": "{field}_{band}.fits", "bands": ("g", "r"), "out": "records"}


def test_an_option_is_found_by_its_name_wherever_it_stands():
    config = configure(ConvertConfig, **GIVEN, size=32, zero_point="25", split_by="id", seed=3, label="CLASS")
    assert (config.stamps.size, config.photometry.zero_point, config.splits.split_by) == (32, "25", "id")
    values = values_of(config)
    assert (values["size"], values["seed"], values["label"], values["edge"]) == (32, 3, "CLASS", "reject")
    assert list(values) == list(option_fields(ConvertConfig)) == list(option_types(ConvertConfig))
    assert not any(map(dataclasses.is_dataclass, option_types(ConvertConfig).values()))
    assert (option_types(ConvertConfig)["images"], option_types(ConvertConfig)["splits"]) == (str, str | None)
    assert replaced(config, size=64, seed=4) == configure(ConvertConfig, **{**values, "size": 64, "seed": 4})
    assert config.stamps.size == 32


def test_what_is_recorded_names_no_subjects():
    config = configure(ConvertConfig, **GIVEN, columns=("z",))
    recorded = json.loads(json.dumps(as_dict(config)))
    assert recorded["bands"] == ["g", "r"] and recorded["columns"] == ["z"]
    assert recorded.keys() == option_fields(ConvertConfig).keys()
    assert from_dict(ConvertConfig, recorded) == config


def test_each_subject_is_a_group_of_the_help():
    groups = {}
    for name in ("ImageOptions", "CatalogueOptions", "PhotometryOptions", "StampOptions", "SplitOptions"):
        groups[name] = {declared(field).group for field in dataclasses.fields(getattr(module, name))}
    assert [len(group) for group in groups.values()] == [1] * 5
    assert len(set.union(*groups.values())) == 5


def test_what_is_not_nested_is_as_it_stands():
    config = configure(PretrainConfig, records="records", out="run", epochs=3)
    assert config == PretrainConfig("records", "run", epochs=3)
    assert values_of(config) == vars(config)


def test_an_option_that_is_unknown_or_missing():
    with pytest.raises(TypeError, match="ConvertConfig has no option sise"):
        configure(ConvertConfig, **GIVEN, sise=32)
    with pytest.raises(TypeError, match="has no option stamps"):
        configure(ConvertConfig, **GIVEN, stamps=module.StampOptions())
    with pytest.raises(TypeError, match="'bands'"):
        configure(ConvertConfig, images="{field}.fits", out="records")


def test_no_two_options_have_one_name():
    @dataclasses.dataclass(frozen=True)
    class Doubled:
        stamps: module.StampOptions
        size: int = option(1, group="Stamps")

    with pytest.raises(TypeError, match="Doubled has two options called size"):
        option_fields(Doubled)
