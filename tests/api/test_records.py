import numpy as np
import pytest

import astrokeras as ak
from astrokeras.pipeline.dataset import load_arrays


@pytest.fixture(scope="module")
def records(sample_records):
    return ak.open_records(sample_records)


def test_arrays_are_the_records(records):
    flux, label, ids = load_arrays(records, "train")
    arrays = records.arrays("train", ("flux", "label", "id", "magnitudes"))
    np.testing.assert_array_equal(arrays["flux"], flux)
    np.testing.assert_array_equal(arrays["label"], label)
    assert arrays["id"].tolist() == ids.tolist()
    assert arrays["magnitudes"].shape == (len(ids), len(records.bands))
    chosen = records.arrays("train", ("id", "flux"), select=[5, 2], size=16)
    assert chosen["id"].tolist() == ids[[2, 5]].tolist()
    np.testing.assert_array_equal(chosen["flux"], flux[[2, 5], 8:24, 8:24])
    assert records.arrays("train", ("flux",), select=[])["flux"].shape == (0, *flux.shape[1:])


@pytest.mark.parametrize("select", [[10**9], [-1], [0.5], [[1]], np.ones(3, bool)])
def test_a_selection_that_is_none(records, select):
    with pytest.raises(ak.UsageError, match="select: expected"):
        records.arrays("train", ("label",), select=select)


def test_a_field_or_a_split_that_is_not_there(records):
    with pytest.raises(ak.AstrokerasError, match="has no split 'trian'"):
        records.arrays("trian")
    with pytest.raises(ak.AstrokerasError, match="redshift"):
        records.arrays("train", ("redshift",))
    with pytest.raises(ak.AstrokerasError, match="redshift"):
        records.dataset("train", 8, ("redshift",))


def test_a_dataset_is_one_pass_in_order(records):
    arrays = records.arrays("train", ("flux", "label", "id"))
    batches = list(records.dataset("train", 50, ("label", "id")).as_numpy_iterator())
    assert len(batches) == len(records.dataset("train", 50)) == -(-len(arrays["id"]) // 50)
    np.testing.assert_array_equal(np.concatenate([flux for flux, _ in batches]), arrays["flux"])
    assert [one.decode() for _, fields in batches for one in fields["id"]] == arrays["id"].tolist()


def test_a_shuffled_dataset_has_every_record_once_and_another_order_each_pass(records):
    dataset = records.dataset("train", 50, ("id",), shuffle=True, seed=3)
    passes = [[one for _, fields in dataset.as_numpy_iterator() for one in fields["id"]] for _ in range(2)]
    ordered = records.arrays("train", ("id",))["id"].tolist()
    assert passes[0] != passes[1]
    assert sorted(one.decode() for one in passes[0]) == sorted(ordered)
    again = records.dataset("train", 50, ("id",), shuffle=True, seed=3)
    assert [one for _, fields in again.as_numpy_iterator() for one in fields["id"]] == passes[0]


def test_augmentation_is_drawn_anew_in_every_pass(records):
    arrays = records.arrays("train", ("flux",))["flux"]
    dataset = records.dataset("train", 50, (), augment="dihedral", seed=1)
    first, second = (np.concatenate([flux for flux, _ in dataset.as_numpy_iterator()]) for _ in range(2))
    assert (first != second).any() and (first != arrays).any()
    # Flips and turns move pixels and change none.
    np.testing.assert_array_equal(np.sort(first.reshape(len(first), -1)), np.sort(arrays.reshape(len(arrays), -1)))
