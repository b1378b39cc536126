import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.tfrecord import read


@pytest.fixture
def copy(sample_records: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample_records, tmp_path / "records"))


def edit(path: Path, change: Callable[[dict], object]) -> None:
    content = json.loads((path / "convert.json").read_text())
    change(content)
    (path / "convert.json").write_text(json.dumps(content))


def test_it_tells_what_is_in_the_shards(sample_records: Path):
    records = RecordsDirectory.load(sample_records)
    assert records.splits == ("train", "val", "test")
    assert (records.bands, records.size, records.unit) == (("g", "r", "i"), 32, "nJy")
    assert records.classes == ("elliptical", "irregular", "spiral", "star")
    for split in records.splits:
        lengths = [len(list(read(Path(shard)))) for shard in records.shards(split)]
        assert records.shard_lengths(split) == lengths
        assert records.count(split) == records.counts[split] == sum(lengths) > 0
        assert 0 < sum(records.labels(split).values()) < records.count(split)
        assert set(records.magnitudes(split)) == set(records.bands)
    assert len(records.noise) == len(records.sky) == 3
    assert min(records.noise) > 0
    assert records.conversion["zero_point"] == "header:MAGZPT"
    assert "out" not in records.conversion


def test_an_unknown_split_names_those_there_are(sample_records: Path):
    with pytest.raises(AstrokerasError, match="train, val, test"):
        RecordsDirectory.load(sample_records).count("dev")


def cut_shard(path: Path) -> None:
    shard = next(path.glob("*train*"))
    shard.write_bytes(shard.read_bytes()[:-1])


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing shard": (lambda path: next(path.glob("*val*")).unlink(), "is missing"),
    "cut shard": (cut_shard, "bytes, expected"),
    "other format": (lambda path: edit(path, lambda c: c.update(records_format=99)), "records format 99"),
    "no format": (lambda path: edit(path, lambda c: c.pop("records_format")), "damaged"),
    "no splits": (lambda path: edit(path, lambda c: c.pop("splits")), "damaged"),
    "no noise": (lambda path: edit(path, lambda c: c.pop("noise")), "damaged"),
    "a list": (lambda path: (path / "convert.json").write_text("[1]"), "damaged"),
    "cut JSON": (lambda path: (path / "convert.json").write_text('{"records_format": 1'), "damaged"),
    "no text": (lambda path: (path / "convert.json").write_bytes(b"\xff\xfe"), "damaged"),
    "no convert.json": (lambda path: (path / "convert.json").unlink(), "no records directory"),
    "no directory": (shutil.rmtree, "no records directory"),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_what_is_not_whole_is_refused_in_one_line(copy: Path, damage: Callable[[Path], object], said: str):
    RecordsDirectory.load(copy)
    damage(copy)
    with pytest.raises(AstrokerasError, match=said) as caught:
        RecordsDirectory.load(copy)
    assert "\n" not in str(caught.value)
    assert str(copy) in str(caught.value)
