import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from astrokeras.config import FinetuneConfig, PretrainConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.models.applications import WeightsUnavailable
from astrokeras.models.encoder import build_encoder
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training.initial import (
    Asked,
    Start,
    find_start,
    run_record,
)
from astrokeras.training.origins import ancestors, check_same_start, lineage
from astrokeras.training.run_directory import load_run, write_run
from tests.synthetic import write_records


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": 8}, size=20)


@pytest.fixture(scope="module")
def runs(records: RecordsDirectory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs as the commands leave them: ``first``, ``second`` that went on from it, ``classes`` that fine-tuned that."""
    path = tmp_path_factory.mktemp("runs")
    result = {"rows": [{"arm": "second", "backbone": "compact", "init": "second"}], "winner": {"arm": "second"}}
    for number, name in enumerate(("first", "second", "classes")):
        out = path / name
        out.mkdir()
        keras.utils.set_random_seed(number)
        build_encoder(records, backbone="compact", size=16, resize=18, stretch="linear").save(out / "encoder.keras")
        if name == "classes":
            starts = {"second": run_record(path / "second", load_run(path / "second"))}
            write_run(out, "finetune", FinetuneConfig("", ""), records, result, starts=starts)
            continue
        config = PretrainConfig("", "", backbone="compact", size=16, resize=18, stretch="linear")
        start = {"kind": "imagenet"} if number == 0 else run_record(path / "first", load_run(path / "first"))
        write_run(out, "pretrain", config, records, {"epochs": 1}, init=start)
    return path


def found(records: RecordsDirectory, lines: list[str] | None = None, **options: object) -> Start:
    return find_start(Asked(**{"init": "scratch", **options}), records, (lines or []).append)


def test_random_weights_and_those_of_imagenet(records: RecordsDirectory, tmp_path: Path):
    start = found(records)
    assert (start.network["backbone"], start.record) == ("compact", {"kind": "scratch"})
    assert start.build().input_shape == (None, 20, 20, 3)
    file = tmp_path / "mobilenet.weights.h5"
    original = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    original.save_weights(file)
    start = found(records, init="imagenet", imagenet_weights=str(file), resize=32)
    assert start.network["backbone"] == start.record["backbone"] == "mobilenet_v2"
    network = start.build().get_layer("mobilenet_v2_backbone").get_layer("mobilenet_v2")
    for ours, theirs in zip(network.get_weights(), original.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    original.set_weights([np.full_like(one, np.inf) for one in original.get_weights()])
    original.save_weights(file)
    with pytest.raises(AstrokerasError, match=r"^--imagenet-weights .*h5: the weights to start from are not finite"):
        found(records, init="imagenet", imagenet_weights=str(file), resize=32)
    with pytest.raises(WeightsUnavailable, match="there is no weights file"):
        found(records, init="imagenet", imagenet_weights=str(tmp_path / "none.h5"), resize=32)
    with pytest.raises(UsageError, match="'compact' has no ImageNet weights"):
        found(records, init="imagenet", backbone="compact")
    with pytest.raises(UsageError, match="backbone 'compacr' is unknown; did you mean compact"):
        found(records, backbone="compacr")
    with pytest.raises(UsageError, match="--imagenet-weights was given, but --init is scratch"):
        found(records, imagenet_weights=str(file))


def test_weights_of_imagenet_for_other_bands(records: RecordsDirectory, tmp_path: Path):
    """How they get the bands stands in the start and in its name; what nothing looks at is refused."""
    file = tmp_path / "mobilenet.weights.h5"
    keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3)).save_weights(file)
    network = {"backbone": "mobilenet", "imagenet_weights": str(file), "resize": 32}
    start = found(records, init="imagenet:rgb", imagenet_bands=("r", "i", "g"), **network)
    assert start.record["channels"] == "rgb"
    assert lineage(start.record) == ["imagenet:rgb"]
    assert start.build().get_layer("band_order").order == [1, 2, 0]
    with pytest.raises(UsageError, match="--imagenet-bands was given, but --init is imagenet:inflate; say"):
        found(records, init="imagenet:inflate", imagenet_bands=("r", "i", "g"), **network)
    with pytest.raises(UsageError, match="--init imagenet:inflate: backbone 'compact' has no ImageNet weights"):
        found(records, init="imagenet:inflate", backbone="compact")
    with pytest.raises(AstrokerasError, match=r"imagenet:x is not a run directory; expected scratch, imagenet, imagen"):
        found(records, init="imagenet:x")


def test_a_run_brings_its_network_and_what_it_goes_back_to(records: RecordsDirectory, runs: Path):
    start = found(records, init=str(runs / "classes"))
    assert start.network == {"backbone": "compact", "size": 16, "resize": 18, "stretch": "linear"}
    assert not start.random
    keras.utils.set_random_seed(2)
    original = build_encoder(records, backbone="compact", size=16, resize=18, stretch="linear")
    for ours, theirs in zip(start.build().get_weights(), original.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert lineage(start.record) == ["classes", "second", "first", "imagenet"]
    assert [run["command"] for run in ancestors(start.record)] == ["finetune", "pretrain", "pretrain"]
    assert lineage(found(records).record) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "vgg16"}, "brings backbone compact in its encoder"),
        ({"size": 20}, "brings size 16"),
        ({"resize": 32}, "brings resize 18"),
        ({"stretch": "asinh"}, "brings stretch linear"),
    ],
)
def test_what_a_run_brings_cannot_be_asked_for_otherwise(
    records: RecordsDirectory, runs: Path, options: dict, message: str
):
    with pytest.raises(UsageError, match=message):
        found(records, init=str(runs / "first"), **options)
    same = {"backbone": "compact", "size": 16, "resize": 18, "stretch": "linear"}
    assert found(records, init=str(runs / "first"), **same).network["resize"] == 18


def test_runs_for_other_records_are_no_start(records: RecordsDirectory, runs: Path, tmp_path: Path):
    other = write_records(tmp_path / "bands", counts={"train": 4}, size=20, bands=("J", "H"))
    with pytest.raises(AstrokerasError, match=r"was pre-trained on bands g, r, i, these records have J, H$"):
        found(other, init=str(runs / "first"))
    small = write_records(tmp_path / "small", counts={"train": 4}, size=12)
    with pytest.raises(UsageError, match=r"sees stamps of 16 px, those in .* have 12"):
        found(small, init=str(runs / "first"))
    with pytest.raises(AstrokerasError, match=r"nowhere is not a run directory; expected .* sdss-gri-mobilenet\)"):
        found(records, init="nowhere")


def test_weights_that_are_not_finite_are_no_start(records: RecordsDirectory, runs: Path, tmp_path: Path):
    run = shutil.copytree(runs / "first", tmp_path / "ruined")
    encoder = build_encoder(records, backbone="compact", size=16, resize=18, stretch="linear")
    encoder.set_weights([np.full_like(encoder.get_weights()[0], np.nan), *encoder.get_weights()[1:]])
    encoder.save(run / "encoder.keras")
    with pytest.raises(AstrokerasError, match=f"^--init {run}: the weights to start from are not finite"):
        found(records, init=str(run))


def test_another_sky_is_told(records: RecordsDirectory, runs: Path):
    lines: list[str] = []
    report = lines.append
    asked = Asked(str(runs / "first"))
    find_start(asked, records, report)
    assert lines == []
    noisy = RecordsDirectory(records.path, {**records.content, "noise": [10.0, 30.0, 10.0]})
    find_start(asked, noisy, report)
    assert len(lines) == 1
    assert "is 50 ± 30 in r, that of" in lines[0]
    lines.clear()
    find_start(asked, RecordsDirectory(records.path, {**records.content, "sky": [50.0, 50.0, 0.0]}), report)
    assert "is 0 ± 10 in i" in lines[0]


def test_a_start_that_has_changed_cannot_be_resumed(records: RecordsDirectory, runs: Path):
    record = found(records, init=str(runs / "first")).record
    check_same_start("run", record, dict(record))
    check_same_start("run", {"kind": "scratch"}, {"kind": "scratch"})
    with pytest.raises(AstrokerasError, match=r"cannot resume run: .*first has changed since it was started"):
        check_same_start("run", {**record, "sha256": "0"}, record)


def test_an_encoder_that_comes_with_the_package(records: RecordsDirectory, tmp_path: Path):
    content = {**records.content, "unit": "display", "bands": ["g", "r", "i"], "size": 40}
    colours = RecordsDirectory(records.path, content)
    start = found(colours, init="sdss-gri-compact")
    assert start.network == {"backbone": "compact", "size": 40, "resize": 96, "stretch": "display"}
    assert start.record["kind"] == "encoder"
    assert lineage(start.record) == ["sdss-gri-compact"]
    assert not start.random
    assert start.build().input_shape == (None, 40, 40, 3)
    with pytest.raises(UsageError, match="--resize 64: --init sdss-gri-compact brings resize 96"):
        found(colours, init="sdss-gri-compact", resize=64)
    with pytest.raises(UsageError, match=r"those of .* are in nJy"):
        found(RecordsDirectory(records.path, {**content, "unit": "nJy"}), init="sdss-gri-compact")
