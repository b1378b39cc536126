import numpy as np

from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.label_columns import Labels, in_text, labels_of
from tests.tasks.harness import make_source


def test_names_are_those_of_all_splits():
    labels = Labels(
        {
            "train": {"kind": np.ma.masked_array(["spiral", "", "disk"], mask=[False, True, False])},
            "test": {"kind": np.ma.masked_array(["bulge", "disk"])},
        }
    )
    assert labels.distinct("kind") == ("bulge", "disk", "spiral")
    assert labels.split("test")["kind"].tolist() == ["bulge", "disk"]


def test_numbers_are_in_their_order_and_without_a_point():
    labels = Labels({"train": {"t": np.ma.masked_array([10.0, 9.0, -5.0, np.nan], mask=[0, 0, 0, 1])}})
    assert labels.distinct("t") == ("-5", "9", "10")
    assert in_text(np.array([3, 4])).tolist() == ["3", "4"]


def test_labels_of_records_have_the_names_and_the_order_of_their_classes():
    source = make_source()
    records = RecordsDirectory(source.records.path, {**source.records.content, "classes": ["star", "galaxy"]})
    labels = labels_of(records, {"train": np.array([1, -1, 0]), "test": np.array([], int)})
    assert labels.distinct("label") == ("star", "galaxy")
    assert labels.split("train")["label"].tolist() == ["galaxy", None, "star"]
    assert len(labels.split("test")["label"]) == 0
