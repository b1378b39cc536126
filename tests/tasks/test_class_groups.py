from pathlib import Path

import numpy as np
import pytest

from astrokeras.errors import UsageError
from astrokeras.tasks.class_groups import read_groups

CLASSES = ("star", "spiral", "elliptical")


def test_groups_of_classes(tmp_path: Path):
    file = tmp_path / "groups.toml"
    file.write_text('[shape]\nround = ["elliptical", "star"]\nflat = ["spiral"]\n')
    (group,) = read_groups(str(file), CLASSES, "--target class")
    assert (group.name, group.of, group.count) == ("shape", (0, 1, 0), 2)
    np.testing.assert_array_equal(np.array([[0.2, 0.3, 0.5]]) @ group.matrix, [[0.7, 0.3]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a table of groups"),
        ('[shape]\nround = ["star", "spiral", "elliptical"]', "at least two groups"),
        ('[shape]\na = ["star"]\nb = ["spiral"]', "lacks elliptical; expected each class once"),
        ('[shape]\na = ["star", "comet"]\nb = ["spiral", "elliptical"]', "has comet, which is no class"),
        ('[shape]\na = ["star", "spiral"]\nb = ["spiral", "elliptical"]', "spiral stands there twice"),
    ],
)
def test_what_are_no_groups_is_refused(text: str, message: str, tmp_path: Path):
    file = tmp_path / "groups.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_groups(str(file), CLASSES, "--target class")
