"""Objects that two sets share, against astropy's separations."""

from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.shared_objects import Whereabouts, shared_by_id, shared_by_place


def at(ids: list[str], ra: list[float], dec: list[float]) -> Whereabouts:
    return Whereabouts(np.array(ids, dtype=str), np.array(ra, float), np.array(dec, float))


@pytest.mark.parametrize("pole", [0.0, 45.0, 89.9995])
def test_places_agree_with_astropy(pole: float):
    rng = np.random.default_rng(int(pole))
    ra = 360 + rng.normal(0, 1e-3 if pole < 89 else 90, (2, 200))  # around 0, where right ascensions begin anew
    dec = np.minimum(pole + rng.normal(0, 5e-4, (2, 200)), 90)
    some, others = (at([str(n) for n in range(200)], ra[i] % 360, dec[i]) for i in (0, 1))
    one, other = (SkyCoord(each.ra * u.deg, each.dec * u.deg) for each in (some, others))
    expected = (one[:, None].separation(other[None]) <= 1 * u.arcsec).any(axis=1)
    assert 0 < expected.sum() < 200
    np.testing.assert_array_equal(shared_by_place(some, others), expected)


def test_what_has_no_place_is_nowhere():
    some, others = at(["a", "b"], [np.nan, 10], [0, 0]), at(["c", "d"], [np.nan, 10], [0, np.nan])
    assert not shared_by_place(some, others).any()
    assert not shared_by_place(some, at([], [], [])).any()
    assert not shared_by_place(at([], [], []), some).size


def test_ids_are_text_and_the_same_id_far_away_is_another_object():
    some = at(["01", "1", "2", "3"], [10, 10, 10, np.nan], [0, 0, 0, 0])
    others = at(["3", "2", "1"], [200, 10 + 59 / 3600, 10 + 61 / 3600], [0, 0, 0])
    assert shared_by_id(some, others).tolist() == [False, False, True, True]
    assert not shared_by_id(some, at([], [], [])).any()
    assert not shared_by_id(at([], [], []), some).size


def test_those_of_records(sample_records: Path):
    records = RecordsDirectory.load(sample_records)
    train, test = (Whereabouts.of(records, split) for split in ("train", "test"))
    assert len(train) == records.count("train")
    assert train.ids.tolist() == [str(name) for name in records.objects("train")["id"]]
    assert shared_by_id(test, train).sum() == 0
    assert shared_by_place(train, train).all()
    assert len(Whereabouts.of(records, "nothing")) == 0
