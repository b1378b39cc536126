import dataclasses
import pickle

import numpy as np
import pytest

from astrokeras.config import ConvertConfig, configure, replaced, values_of
from astrokeras.embedding.inference import piece
from astrokeras.embedding.inference.piece import ObjectsRead, images_pieces, records_pieces
from astrokeras.pipeline.dataset import load_arrays
from astrokeras.records.conversion.convert import task_input_of
from astrokeras.records.conversion.plan import make_plan
from astrokeras.records.conversion.resolve import resolve
from astrokeras.records.directory import RecordsDirectory
from tests.synthetic import write_records


def everything(pieces, side):
    founds = [ObjectsRead() for _ in pieces]
    stamps = [
        np.concatenate([np.array(chunk) for chunk in one.stamps(side, found)])
        for one, found in zip(pieces, founds, strict=True)
    ]
    return stamps, founds


def test_pieces_of_records_are_whole_shards_in_their_order(tmp_path, monkeypatch):
    records = write_records(tmp_path / "records", counts={"train": 30, "val": 7, "test": 0}, shards=4)
    monkeypatch.setattr(piece, "OBJECTS_A_PIECE", 15)
    pieces = records_pieces(records, ("train", "val", "test"))
    assert [[count for _, count, _ in one.shards] for one in pieces] == [[10, 10], [10, 0, 3, 2], [2, 0, 0, 0, 0, 0]]
    assert [one.index for one in pieces] == [0, 1, 2]
    assert len({one.fingerprint for one in pieces}) == 3
    stamps, founds = everything(pieces, 12)
    flux, ids = (
        np.concatenate(both) for both in zip(*(_flux_and_ids(records, s) for s in ("train", "val")), strict=True)
    )
    np.testing.assert_array_equal(np.concatenate(stamps), flux[:, 2:-2, 2:-2])
    assert np.concatenate([found.arrays["ids"] for found in founds]).tolist() == ids.tolist()


def _flux_and_ids(records, split):
    flux, _, ids = load_arrays(records, split)
    return flux, ids


def test_what_goes_to_a_worker_is_small(tmp_path):
    """A survey of a million shards says so in `convert.json`; a worker needs its own."""
    records = write_records(tmp_path / "records", counts={"train": 30, "val": 0, "test": 0}, shards=29)
    content = {**records.content, "inputs": ["x" * 1000] * 1000}
    (one,) = records_pieces(dataclasses.replace(records, content=content), ("train",))
    assert len(pickle.dumps(one)) < 10_000


@pytest.mark.parametrize("edge", ["reject", "pad"])
def test_stamps_from_images_are_those_of_a_conversion(sample_config, sample_records, edge):
    """To the bit, each once, and what is left out has the conversion's reasons."""
    plan = make_plan(resolve(replaced(sample_config, edge=edge), lambda line: None), lambda line: None)
    pieces = images_pieces(task_input_of(plan, task) for task in plan.tasks)
    stamps, founds = everything(pieces, 32)
    rows = np.concatenate([found.arrays["rows"] for found in founds])
    left_out = np.concatenate([found.arrays["rejected"] for found in founds])
    assert sorted([*rows, *left_out, *np.flatnonzero(plan.rejects.mask)]) == list(range(len(plan.catalog)))
    by_id = dict(zip(plan.catalog.ids[rows].tolist(), np.concatenate(stamps), strict=True))
    records = RecordsDirectory.load(sample_records)
    for split in records.splits:
        flux, _, ids = load_arrays(records, split)
        np.testing.assert_array_equal(flux, np.stack([by_id[name] for name in ids.tolist()]))
    assert (len(by_id) > sum(records.counts.values())) == (edge == "pad")
    assert all(found.seen for found in founds)


def test_what_is_measured_stands_beside(sample_config):
    options = {name: None for name in ("label", "zero_point")}
    config = configure(ConvertConfig, **{**values_of(sample_config), **options, "measure": True, "columns": ()})
    plan = make_plan(resolve(config, lambda line: None), lambda line: None)
    pieces = images_pieces(task_input_of(plan, task) for task in plan.tasks)
    _, (found,) = everything(pieces, 16)
    measured = found.arrays["measured"]
    assert measured.shape == (len(found.arrays["rows"]), 3 + 4)
    assert np.isfinite(measured[:, :3]).mean() > 0.5
