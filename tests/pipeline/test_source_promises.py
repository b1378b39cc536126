"""Both sources of batches keep the same promises: what depends on what, order, padding, cropping."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.pipeline import arrays, dataset, held
from astrokeras.pipeline.arrays import Arrays
from astrokeras.pipeline.dataset import load_arrays, read_columns
from astrokeras.pipeline.parsing import Parser, parser
from astrokeras.pipeline.source import PARTNER, POSITION, Batch, Source
from astrokeras.pipeline.stream import Stream
from astrokeras.records.directory import RecordsDirectory
from tests.synthetic import write_records

FIELDS = ("magnitudes", "magnitude_errors")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": 50, "val": 21, "test": 3})


def open_arrays(records: RecordsDirectory, size: int | None = None) -> Source:
    return Arrays.load(records, ["train", "val"], (*FIELDS, "label", "redshift"), size)


@pytest.fixture(params=[Stream, open_arrays], ids=["stream", "arrays"])
def opened(request: pytest.FixtureRequest) -> Callable[..., Source]:
    return request.param


def batches_of(dataset: object) -> list[Batch]:
    """The batches as arrays."""
    return [
        {name: np.asarray(values) for name, values in (dataset[i] if hasattr(dataset, "make") else item)[0].items()}
        for i, item in enumerate(dataset if not hasattr(dataset, "make") else range(len(dataset)))
    ]


def equal(first: list[Batch], second: list[Batch]) -> bool:
    return all(
        np.array_equal(a[name], b[name], equal_nan=True) for a, b in zip(first, second, strict=True) for name in a
    )


def test_an_epoch_depends_on_seed_and_number_alone(opened: Callable[..., Source], records: RecordsDirectory):
    source = opened(records)
    epoch = batches_of(source.training(3, 16, FIELDS, 4, seed=7))
    assert len(epoch) == source.steps(16) == 3
    # As after a restart: another source, and no epochs before.
    assert equal(epoch, batches_of(opened(records).training(3, 16, FIELDS, 4, seed=7)))
    for other in (source.training(4, 16, FIELDS, 4, seed=7), source.training(3, 16, FIELDS, 4, seed=8)):
        for a, b in zip(epoch, batches_of(other), strict=True):
            assert not np.isclose(a["draws"], b["draws"]).any()
            assert not np.array_equal(a["magnitudes"], b["magnitudes"], equal_nan=True)


def test_an_epoch_can_be_entered_at_any_step(opened: Callable[..., Source], records: RecordsDirectory):
    fields = (*FIELDS, POSITION)
    epoch = batches_of(opened(records).training(3, 16, fields, 4, seed=7))
    places = np.concatenate([batch[POSITION] for batch in epoch])
    assert len(set(places)) == 48
    magnitudes = read_columns(records, "train")["magnitudes"]
    for step in (1, 2, 3):
        batches = opened(records).training(3, 16, fields, 4, seed=7, first_step=step)
        assert len(batches) == 3 - step
        assert equal(batches_of(batches), epoch[step:])
    np.testing.assert_array_equal(np.concatenate([batch["magnitudes"] for batch in epoch]), magnitudes[places])


def test_draws_are_uniform_and_differ_between_steps_and_examples(
    opened: Callable[..., Source], records: RecordsDirectory
):
    epochs = [batches_of(opened(records).training(e, 16, (), 50, seed=0)) for e in range(4)]
    draws = np.concatenate([batch["draws"] for epoch in epochs for batch in epoch])
    assert draws.dtype == np.float32
    assert draws.shape == (4 * 3 * 16, 50)
    assert 0 <= draws.min() < 0.01
    assert 0.99 < draws.max() < 1
    assert np.mean(draws < 0.25) == pytest.approx(0.25, abs=0.02)
    assert len(np.unique(draws[:, 0])) > 0.99 * len(draws)


def test_evaluation_is_in_order_and_padded_and_the_same_each_time(
    opened: Callable[..., Source], records: RecordsDirectory
):
    source = opened(records, size=10)
    batches = batches_of(source.evaluation("val", 8, FIELDS, 2, seed=0))
    weight = np.concatenate([batch["weight"] for batch in batches])
    np.testing.assert_array_equal(weight, np.arange(24) < 21)
    for name, expected in {"flux": load_arrays(records, "val", size=10)[0], **source.columns("val", FIELDS)}.items():
        together = np.concatenate([batch[name] for batch in batches])[:21]
        np.testing.assert_array_equal(together, expected)
    assert equal(batches, batches_of(source.evaluation("val", 8, FIELDS, 2, seed=0)))


def test_fields_stay_with_their_stamps(opened: Callable[..., Source], records: RecordsDirectory):
    flux, magnitudes = load_arrays(records, "train")[0], read_columns(records, "train")["magnitudes"]
    found = 0
    for batch in batches_of(opened(records).training(0, 16, FIELDS, 1, seed=0)):
        for stamp, values in zip(batch["flux"], batch["magnitudes"], strict=True):
            (row,) = np.flatnonzero([np.array_equal(stamp, other, equal_nan=True) for other in flux])
            np.testing.assert_array_equal(values, magnitudes[row])
            found += 1
    assert found == 48


def test_columns_and_stamps(opened: Callable[..., Source], records: RecordsDirectory):
    source = opened(records)
    fields = (*FIELDS, "label", "redshift")
    expected = read_columns(records, "train", fields)
    columns = source.columns("train", fields)
    assert tuple(columns) == fields
    for name, values in columns.items():
        np.testing.assert_array_equal(values, expected[name])
    select = np.arange(50) % 3 == 0
    parts = list(source.stamps("train", 8, ("magnitudes",), select))
    assert [len(flux) for flux, _ in parts] == [8, 8, 1]
    np.testing.assert_array_equal(np.concatenate([f for f, _ in parts]), load_arrays(records, "train")[0][select])
    np.testing.assert_array_equal(np.concatenate([m["magnitudes"] for _, m in parts]), expected["magnitudes"][select])


def test_a_stream_reads_no_column_but_those_asked_for(records: RecordsDirectory, monkeypatch: pytest.MonkeyPatch):
    every = read_columns(records, "val")
    asked = []

    def watched(records: RecordsDirectory, fields: tuple[str, ...]) -> Parser:
        asked.append(tuple(fields))
        return parser(records, fields)

    monkeypatch.setattr(dataset, "parser", watched)
    source = Stream(records)
    source.add("numbers", {"val": np.arange(21)})
    columns = source.columns("val", ("numbers", "redshift", "id"))
    assert asked == [("redshift", "id")]
    np.testing.assert_array_equal(columns["redshift"], every["redshift"])
    assert columns["id"].tolist() == every["id"].tolist()
    assert set(source.columns("val", ("numbers",))) == {"numbers"}
    assert source.columns("val", ()) == {}
    assert len(asked) == 1


def test_fewer_stamps_than_a_batch_are_repeated(opened: Callable[..., Source], tmp_path: Path):
    few = write_records(tmp_path / "records", counts={"train": 5, "val": 2})
    (batch,) = batches_of(opened(few).training(0, 16, FIELDS, 3, seed=0))
    assert batch["flux"].shape == (16, 16, 16, 3)
    assert len(np.unique(batch["flux"][:, 8, 8, 0])) == 5


def test_partners_are_drawn_from_the_group(opened: Callable[..., Source], records: RecordsDirectory):
    flux = {split: load_arrays(records, split, size=10)[0] for split in ("train", "val")}
    codes = {split: np.arange(len(stamps)) // 3 for split, stamps in flux.items()}

    def rows_of(split: str, stamps: np.ndarray) -> np.ndarray:
        return np.array(
            [np.flatnonzero([np.array_equal(s, o, equal_nan=True) for o in flux[split]])[0] for s in stamps]
        )

    def grouped() -> Source:
        source = opened(records, size=10)
        source.group(codes)
        return source

    epochs = [batches_of(grouped().training(epoch, 16, (PARTNER, "label"), 2, seed=7)) for epoch in (0, 1)]
    chosen = {}
    for epoch in epochs:
        for batch in epoch:
            own, others = rows_of("train", batch["flux"]), rows_of("train", batch[PARTNER])
            np.testing.assert_array_equal(own // 3, others // 3)
            assert not np.any(own == others)
            for row, other in zip(own, others, strict=True):
                chosen.setdefault(row, set()).add(other)
    assert any(len(others) == 2 for others in chosen.values())
    assert equal(epochs[1], batches_of(grouped().training(1, 16, (PARTNER, "label"), 2, seed=7)))
    validation = batches_of(grouped().evaluation("val", 8, (PARTNER,), 2, seed=7))
    assert equal(validation, batches_of(grouped().evaluation("val", 8, (PARTNER,), 2, seed=7)))
    others = rows_of("val", np.concatenate([batch[PARTNER] for batch in validation])[:21])
    np.testing.assert_array_equal(others // 3, codes["val"])
    # What else is in a batch does not depend on them.
    without = batches_of(grouped().training(0, 16, ("label",), 2, seed=7))
    assert equal(without, epochs[0])


def test_a_column_that_is_not_there_is_said(records: RecordsDirectory):
    mend = "no column 'object'; they have .*; convert with --object-column COLUMN to say"
    with pytest.raises(AstrokerasError, match=mend):
        Stream(records).columns("train", ("object",))
    with pytest.raises(AstrokerasError, match=mend):
        Arrays.load(records, ["train"], ("object",))


def test_nothing_to_train_on(opened: Callable[..., Source], tmp_path: Path):
    none = write_records(tmp_path / "records", counts={"train": 0, "val": 2}, shards=1)
    with pytest.raises(AstrokerasError, match=r"no records (to train on )?in the train"):
        opened(none).training(0, 16, (), 1, seed=0)


def test_too_large_a_crop(opened: Callable[..., Source], records: RecordsDirectory):
    with pytest.raises(UsageError, match="--size 17 cannot be cropped"):
        opened(records, size=17)


def test_what_does_not_fit_in_memory_is_said(records: RecordsDirectory, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(arrays, "_MOST_BYTES", 4 * 16 * 16 * 3 * 71 - 1)
    with pytest.raises(AstrokerasError, match="crop them with --size, or train with the TensorFlow backend"):
        open_arrays(records)
    assert open_arrays(records, size=15).size == 15


def test_chosen_records_alone_are_trained_on(opened: Callable[..., Source], records: RecordsDirectory):
    source = opened(records)
    select = np.zeros(50, bool)
    select[[3, 20, 21, 22, 48]] = True
    few = source.chosen(select, least_steps=4)
    source.add("number", {"train": np.arange(50)})
    assert (source.steps(4), few.steps(4), few.steps(1)) == (12, 4, 5)
    asked = (4, ("number", POSITION, "magnitudes"), 2)
    epoch = batches_of(few.training(2, *asked, seed=7))
    rows = np.concatenate([batch[POSITION] for batch in epoch])
    # 16 places for 5 records: each comes three times, one of them once more.
    assert sorted(np.unique(rows, return_counts=True)[1]) == [3, 3, 3, 3, 4]
    assert set(rows) == set(np.flatnonzero(select))
    np.testing.assert_array_equal(np.concatenate([batch["number"] for batch in epoch]), rows)
    known = source.columns("train", ("magnitudes",))["magnitudes"]
    np.testing.assert_array_equal(np.concatenate([batch["magnitudes"] for batch in epoch]), known[rows])
    assert len(batches_of(source.training(0, 4, (), 1, seed=7))) == 12


def test_records_that_are_not_held_are_chosen_too(records: RecordsDirectory, monkeypatch: pytest.MonkeyPatch):
    select = np.arange(50) % 7 == 0
    monkeypatch.setattr(held, "buffer_size", lambda *_: 4)
    monkeypatch.setattr(dataset, "buffer_size", lambda *_: 4)
    few = Stream(records).chosen(select, least_steps=3)
    assert few.held(4) is None
    rows = np.concatenate([batch[POSITION] for batch in batches_of(few.training(0, 4, (POSITION,), 0, seed=1))])
    assert len(rows) == 12 and set(rows) <= set(np.flatnonzero(select))
    assert np.unique(rows, return_counts=True)[1].max() <= 2


def test_several_epochs_at_once_are_those_one_by_one(opened: Callable[..., Source], records: RecordsDirectory):
    few = opened(records).chosen(np.arange(50) < 9, least_steps=2)
    asked = (8, ("magnitudes", POSITION), 3)
    together = batches_of(few.training(1, *asked, seed=5, epochs=3))
    alone = [batch for epoch in (1, 2, 3) for batch in batches_of(few.training(epoch, *asked, seed=5))]
    assert len(together) == 6
    assert equal(together, alone)
