import contextlib

import pytest

from astrokeras.progress import followed, not_shown


def test_every_item_is_counted_when_it_is_done():
    told = []

    @contextlib.contextmanager
    def watch(label, total):
        told.append((label, total))
        yield told.append
        told.append("end")

    for item in followed("ab", watch, "letters", 2):
        told.append(item)
    assert told == [("letters", 2), "a", 1, "b", 1, "end"]


def test_what_fails_is_not_counted():
    counted = []

    def broken():
        yield "a"
        raise OSError("no more")

    @contextlib.contextmanager
    def watch(label, total):
        yield counted.append

    with pytest.raises(OSError, match="no more"):
        list(followed(broken(), watch, "letters", 2))
    assert counted == [1]
    assert list(followed("ab", not_shown, "letters", 2)) == ["a", "b"]
