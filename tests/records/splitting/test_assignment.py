import json
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.config import ConvertConfig, configure, replaced
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.conversion.convert import convert
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.splitting.assignment import SPLITS_JSON, Group, Splitting, choose_splitting, load_splitting
from astrokeras.records.splitting.shares import parse_splits
from astrokeras.records.verify import verify
from tests.sky import SCALE, config_for, examples_of, noise_image, run, tan_header, write_image

SHARES = parse_splits("train=0.6,val=0.2,test=0.2")
CLASSES = ("galaxy", "star")
ROWS = st.lists(st.tuples(st.integers(0, 12), st.integers(-1, 1)), min_size=3, max_size=120)


def split_rows(splitting: Splitting, rows: list[tuple[int, int]]) -> dict[str, int]:
    groups, labels = np.array(rows).T
    names, member_of = np.unique([f"f{g}" for g in groups], return_inverse=True)
    return dict(zip(names.tolist(), splitting.split_groups(names, member_of, labels, CLASSES).tolist(), strict=True))


def fresh(by: str = "field", seed: int = 0) -> Splitting:
    return Splitting(by, seed, SHARES)


def config(**options) -> ConvertConfig:
    return configure(ConvertConfig, images="{band}.fits", bands=("g",), out="out", **options)


@given(ROWS, ROWS, st.randoms(use_true_random=False))
def test_continued_groups_never_move_whatever_rows_come(rows: list, more: list, random):
    first = fresh()
    if len({group for group, _ in rows}) < len(SHARES):
        with pytest.raises(UsageError, match="cannot fill 3 splits"):
            split_rows(first, rows)
        return
    before = split_rows(first, rows)
    assert set(before.values()) == {0, 1, 2}
    later = Splitting("field", 0, SHARES, groups=dict(first.groups), source="earlier")
    after = split_rows(later, rows + more)
    assert {name: after[name] for name in before} == before
    # Neither order nor the absence of the old rows matters to them; nothing that was known is forgotten.
    alone = Splitting("field", 0, SHARES, groups=dict(first.groups), source="earlier")
    split_rows(alone, more)
    assert {name: group.split for name, group in alone.groups.items() if name in before} == {
        name: group.split for name, group in first.groups.items()
    }
    shuffled = Splitting("field", 0, SHARES, groups=dict(first.groups), source="earlier")
    assert split_rows(shuffled, random.sample(rows + more, len(rows + more))) == after


def test_one_new_field_after_the_other_ends_near_the_shares():
    splitting = fresh()
    split_rows(splitting, [(g, 0) for g in range(3)])
    for g in range(3, 60):
        splitting = Splitting("field", 0, SHARES, groups=splitting.groups, source="earlier")
        split_rows(splitting, [(g, 0)] * 10)
    counts = [sum(group.split == name for group in splitting.groups.values()) for name in SHARES]
    np.testing.assert_allclose(counts, [36, 12, 12], atol=2)


def test_what_is_saved_is_loaded(tmp_path: Path):
    splitting = Splitting("sky", 3, SHARES, cells={"nside": 512})
    split_rows(splitting, [(g, label) for g in range(5) for label in (-1, 0, 0, 1)])
    assert splitting.groups["f0"].objects == {"": 1, "galaxy": 2, "star": 1}
    splitting.save(tmp_path)
    loaded = load_splitting(str(tmp_path))
    assert loaded == Splitting("sky", 3, SHARES, {"nside": 512}, splitting.groups, str(tmp_path))
    assert all(isinstance(group, Group) for group in loaded.groups.values())


def edit(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


DAMAGE = {
    "cut": lambda path: path.write_text(path.read_text()[:-20]),
    "no object": lambda path: path.write_text("[1]"),
    "empty": lambda path: path.write_text(""),
    "binary": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "deep": lambda path: path.write_text("[" * 100_000),
    "moved": lambda path: edit(path, lambda c: c["groups"]["f0"].update(split="train", objects={})),
    "other seed": lambda path: edit(path, lambda c: c.update(seed=1)),
    "no checksum": lambda path: edit(path, lambda c: c.pop("sha256")),
    "no format": lambda path: edit(path, lambda c: c.pop("splits_format")),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_told(tmp_path: Path, damage):
    splitting = fresh()
    split_rows(splitting, [(g, 0) for g in range(5)])
    splitting.save(tmp_path)
    damage(tmp_path / SPLITS_JSON)
    with pytest.raises(AstrokerasError, match=r"splits.json is damaged"):
        load_splitting(str(tmp_path))


def test_another_format_or_no_file_is_told(tmp_path: Path):
    with pytest.raises(AstrokerasError, match="--splits-from"):
        load_splitting(str(tmp_path))
    fresh().save(tmp_path)
    edit(tmp_path / SPLITS_JSON, lambda c: c.update(splits_format=2))
    with pytest.raises(AstrokerasError, match="format 2, expected 1"):
        load_splitting(str(tmp_path))


def test_options_left_out_are_taken_over(tmp_path: Path):
    Splitting("field", 5, SHARES).save(tmp_path)
    splitting, resolved = choose_splitting(config(splits_from=str(tmp_path)))
    assert (splitting.by, splitting.seed, splitting.shares) == ("field", 5, SHARES)
    assert (resolved.splits.split_by, resolved.running.seed, parse_splits(resolved.splits.splits)) == (
        "field",
        5,
        SHARES,
    )
    again, _ = choose_splitting(resolved)
    assert again == splitting
    agreed = config(splits_from=str(tmp_path), splits="train=3,val=1,test=1", split_by="field", seed=5)
    assert choose_splitting(agreed)[0] == splitting


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("splits", "train=1"),
        ("splits", "train=0.6,val=0.1,test=0.3"),
        ("split_by", "id"),
        ("seed", 4),
        ("cell_size", 9.0),
    ],
)
def test_options_that_contradict_earlier_splits_are_usage_errors(tmp_path: Path, option: str, value: str | float):
    Splitting("sky", 5, SHARES, {"nside": 64}).save(tmp_path)
    with pytest.raises(UsageError, match=f"--{option.replace('_', '-')} .*leave"):
        choose_splitting(config(splits_from=str(tmp_path), **{option: value}))


def test_without_earlier_splits_the_defaults_hold():
    splitting, resolved = choose_splitting(config())
    assert splitting == Splitting("sky", 0, parse_splits("train=0.8,val=0.1,test=0.1"))
    assert (resolved.splits.split_by, resolved.splits.splits) == ("sky", "train=0.8,val=0.1,test=0.1")
    of_files = replaced(config(), images="{id}.jpg")
    assert choose_splitting(of_files)[1].splits.split_by == "id"


def test_a_split_that_chance_leaves_empty_is_a_usage_error_unless_earlier_records_fill_it():
    ids = np.array(["a", "b"])
    with pytest.raises(UsageError, match=r"none of the 2 objects falls into"):
        fresh("id").split_objects(ids)
    assert len(Splitting("id", 0, SHARES, source="earlier").split_objects(ids)) == 2


def survey(directory: Path, fields: str, count: int) -> None:
    """Tiles side by side, with `count` objects on each."""
    shape = (200, 200)
    tables = []
    for index, field in enumerate(fields):
        header = tan_header(shape, ra=150 + 180 * SCALE * index)
        for band in "gr":
            if not (directory / f"{field}_{band}.fits").exists():
                write_image(directory / f"{field}_{band}.fits", noise_image(index, shape), header)
        x, y = np.random.default_rng(index).uniform(10, 190, (2, 60))[:, :count]
        ids = [f"{field}{i}" for i in range(count)]
        tables.append(Table({"id": ids, "field": [field] * count, "x": x, "y": y, "night": np.arange(count) % 12}))
    rows = np.concatenate([table.as_array() for table in tables])
    Table(np.random.default_rng(0).permutation(rows)).write(directory / "catalog.fits", overwrite=True)


@pytest.mark.parametrize("by", ["id", "field", "sky", "night"])
def test_records_that_go_on_with_the_splits_of_others_keep_every_object_where_it_was(tmp_path: Path, by: str):
    survey(tmp_path, "ABC", 40)
    _, before, _ = run(config_for(tmp_path, splits="train=0.6,val=0.2,test=0.2", split_by=by, size=8, seed=3))
    survey(tmp_path, "ABCDE", 60)
    lines: list[str] = []
    later = config_for(tmp_path, splits_from=str(tmp_path / "records"), out=str(tmp_path / "later"), size=8)
    content = convert(later, report=lines.append)
    records = RecordsDirectory.load(later.running.out)
    after = examples_of(records)
    # Objects of the margin may find a place once their neighbours have one.
    kept = [name for name, example in before.items() if example["split"] != "margin"]
    assert {name: after[name]["split"] for name in kept} == {name: before[name]["split"] for name in kept}
    assert len(after) > len(before)
    assert any(line.startswith("splits go on from") and "seed 3" in line for line in lines)
    assert content["options"]["seed"] == 3
    # Those records can be gone on with, too, and nothing known is forgotten.
    then, now = (
        {name: group.split for name, group in load_splitting(path).groups.items()}
        for path in (str(tmp_path / "records"), later.running.out)
    )
    assert then.items() <= now.items()
    assert bool(then) == (by != "id")


def test_a_rerun_notices_that_the_splits_it_goes_on_with_have_changed(tmp_path: Path):
    survey(tmp_path, "ABC", 40)
    first = config_for(tmp_path, splits="train=0.6,val=0.2,test=0.2", split_by="night", size=8)
    convert(first, report=lambda line: None)
    later = config_for(tmp_path, splits_from=first.running.out, out=str(tmp_path / "later"), size=8, resume=True)
    content = convert(later, report=lambda line: None)
    assert [Path(entry["path"]).name for entry in content["inputs"][:2]] == ["catalog.fits", SPLITS_JSON]
    assert convert(later, report=lambda line: None) == content
    convert(replaced(first, seed=1, overwrite=True), report=lambda line: None)
    with pytest.raises(AstrokerasError, match="is complete, but"):
        convert(later, report=lambda line: None)


def test_verification_covers_the_splits(tmp_path: Path):
    survey(tmp_path, "ABC", 40)
    records, _, _ = run(config_for(tmp_path, splits="train=0.6,val=0.2,test=0.2", split_by="night", size=8))
    verify(records)
    path = records.path / SPLITS_JSON
    path.write_text(path.read_text().replace('"val"', '"vam"', 1))
    with pytest.raises(AstrokerasError, match=r"splits\.json is damaged"):
        verify(records)
