from pathlib import Path

import numpy as np
import pytest

from astrokeras.errors import UsageError
from astrokeras.models.outputs import paths
from astrokeras.tasks.trees import Tree


def test_a_tree_is_in_the_order_of_its_levels():
    tree = Tree.of({"late": ["Sa", "Sc"], "galaxy": ["early", "late"], "star": []}, "x")
    assert tree.names == ("galaxy", "star", "early", "late", "Sa", "Sc")
    assert tree.parents == (-1, -1, 0, 0, 3, 3)
    assert tree.leaves.tolist() == [1, 2, 4, 5]
    assert tree.depths.tolist() == [1, 1, 2, 2, 3, 3]
    assert tree.ancestors[5].tolist() == [0, 3, 5] and tree.ancestors[1].tolist() == [1, -1, -1]
    assert {parent: nodes.tolist() for parent, nodes in tree.families.items()} == {-1: [0, 1], 0: [2, 3], 3: [4, 5]}
    np.testing.assert_array_equal(paths(tree.parents)[5], [1, 0, 0, 1, 0, 1])


def test_paths_are_a_tree():
    tree = Tree.of_paths(["a/b", "c", "a/d/e"], "x")
    assert dict(zip(tree.names, tree.parents, strict=True)) == {"a": -1, "c": -1, "a/b": 0, "a/d": 0, "a/d/e": 3}
    with pytest.raises(UsageError, match="a//b is no path"):
        Tree.of_paths(["a//b"], "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a = ["b"]\nb = ["a"]', "a lies below itself"),
        ('a = ["b"]\nc = ["b"]', "b stands there twice"),
        ("", "expected lines such as"),
        ("a = 3", "expected a list of names"),
        ('a = ["b", 3]', "expected a list of names"),
        ("a = [", "cannot be read as TOML"),
        ("\n".join(f'n{i} = ["n{i + 1}"]' for i in range(60)), "more than 50 levels deep"),
        ("a = [" + ",".join(f'"{i}"' for i in range(2100)) + "]", "it has 2101 nodes, expected at most 2000"),
    ],
)
def test_what_is_no_tree_is_refused(text: str, message: str, tmp_path: Path):
    file = tmp_path / "tree.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        Tree.read(str(file), "--target hierarchy")
    assert str(caught.value).startswith("--target hierarchy") and "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(UsageError, match=r"cannot be read as TOML: .*No such file"):
        Tree.read(str(tmp_path / "none.toml"), "--target hierarchy")
