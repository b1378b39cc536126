"""Records whose train, val and test splits are those of a table, not those of their conversion."""

import dataclasses

import numpy as np

from astrokeras.evaluation.label_table import LabelTable
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.shared_objects import Whereabouts
from astrokeras.training.leaks import Sets


def regrouped(records: RecordsDirectory) -> RecordsDirectory:
    """Return records of which each split holds all objects, in their order.

    Which of them belong to it say the labels, which only those have.
    """
    whole = {
        "count": sum(records.counts.values()),
        "shards": [shard for split in records.splits for shard in records.content["splits"][split]["shards"]],
    }
    first = records.content["splits"][records.splits[0]]
    splits = {name: {**first, **whole} for name in ("train", "val", "test")}
    return dataclasses.replace(records, content={**records.content, "splits": splits, "regrouped": True})


def sets_of(records: RecordsDirectory, table: LabelTable) -> Sets:
    """Return where the objects are that a table puts into each split.

    Args:
        records: as they were converted.
        table: whose rows are those of `regrouped` records.
    """
    parts = [Whereabouts.of(records, split) for split in records.splits]
    whole = Whereabouts(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "ra", "dec")))
    return Sets({split: whole[rows >= 0] for split, rows in table.rows.items()}, own=False)
