import os

import pytest

from astrokeras.chatter import without_chatter
from astrokeras.errors import UsageError


def test_chatter_is_shown_only_where_the_work_fails(capfd):
    with without_chatter():
        os.write(2, b"oneDNN custom operations are on\n")
    os.write(2, b"heard again\n")
    assert capfd.readouterr().err == "heard again\n"
    with pytest.raises(ImportError), without_chatter():
        os.write(2, b"libcuda.so not found\n")
        raise ImportError
    os.write(2, b"heard again\n")
    assert capfd.readouterr().err == "libcuda.so not found\nheard again\n"


@pytest.mark.parametrize("ended", [KeyboardInterrupt, SystemExit, UsageError])
def test_chatter_is_not_shown_to_who_ends_the_work_or_is_told_in_a_line(capfd, ended):
    with pytest.raises(ended), without_chatter():
        os.write(2, b"oneDNN custom operations are on\n")
        raise ended
    os.write(2, b"heard again\n")
    assert capfd.readouterr().err == "heard again\n"
