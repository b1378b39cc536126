import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.records.conversion.rejects import Rejects

CALLS = st.lists(st.tuples(st.lists(st.integers(0, 9)), st.sampled_from("abc"), st.sampled_from("xy")), max_size=12)


@given(CALLS)
def test_the_first_reason_of_a_row_stays(calls: list[tuple[list[int], str, str]]):
    rejects, expected = Rejects(10), {}
    for rows, reason, detail in calls:
        rejects.add(rows, reason, detail)
        for row in rows:
            expected.setdefault(row, (reason, detail))
    assert dict(rejects.items()) == expected
    assert list(dict(rejects.items())) == sorted(expected)
    assert len(rejects) == len(expected) == np.count_nonzero(rejects.mask)
    found = [reason for reason, _ in expected.values()]
    assert rejects.counts() == {reason: found.count(reason) for reason in sorted(set(found))}
    rows, codes, why = rejects.coded()
    assert {int(row): why[code] for row, code in zip(rows, codes, strict=True)} == expected
    table = rejects.table(np.array([f"id {row}" for row in range(10)]))
    told = {str(row["id"]): (str(row["reason"]), str(row["detail"])) for row in table}
    assert told == {f"id {row}": why for row, why in expected.items()}


def test_the_summary_begins_with_the_most_frequent_reason_and_gives_an_example():
    rejects = Rejects(9)
    rejects.add([0], "edge", "over the edge")
    rejects.add([1, 2], "bad_pixels", "12% are NaN")
    rejects.add([3], "bad_pixels", "80% are NaN")
    assert rejects.summary() == "3 bad_pixels (12% are NaN); 1 edge (over the edge)"
