"""Trees of classes: which class is a kind of which."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np

from astrokeras.errors import UsageError
from astrokeras.models.outputs import MOST_NODES
from astrokeras.tasks.toml_files import names_in, once, read_toml
from astrokeras.tasks.written import places, texts
from astrokeras.text import printable

_DEEPEST = 50


@dataclasses.dataclass(frozen=True)
class Tree:
    """Nodes, each behind its parent.

    Attributes:
        names: of the V nodes.
        parents: of each the number of its parent, -1 at the top.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]

    @classmethod
    def of(cls, children: Mapping[str, Iterable[str]], where: str) -> Self:
        """Return the tree of these children by the name of their parent; what is nobody's child is at the top.

        Raises:
            UsageError: a node has two parents, or lies below itself; there are too many.
        """
        below = {parent: tuple(names) for parent, names in children.items()}
        once((child for names in below.values() for child in names), where)
        everyone = dict.fromkeys(name for parent, names in below.items() for name in (parent, *names))
        born = {child for names in below.values() for child in names}
        level, order, parents = [(name, -1) for name in everyone if name not in born], [], []
        for _ in range(_DEEPEST):
            deeper = []
            for name, parent in level:
                deeper += [(child, len(order)) for child in below.get(name, ())]
                order.append(name)
                parents.append(parent)
            level = deeper
        if left := [name for name in everyone if name not in set(order)]:
            raise UsageError(f"{where}: {printable(left[0])} lies below itself, or more than {_DEEPEST} levels deep")
        if len(order) > MOST_NODES:
            raise UsageError(f"{where}: it has {len(order)} nodes, expected at most {MOST_NODES}")
        return cls(tuple(order), tuple(parents))

    @classmethod
    def read(cls, name: str, option: str) -> Self:
        """Return the tree of a TOML file, a line for each node with children: ``galaxy = ["spiral", "elliptical"]``.

        Raises:
            UsageError: the file describes no tree.
        """
        where = f"{option}: {name}"
        content = read_toml(name, option)
        if not content:
            raise UsageError(f'{where}: expected lines such as galaxy = ["spiral", "elliptical"]')
        return cls.of({parent: names_in(value, f"{where}: {parent}") for parent, value in content.items()}, where)

    @classmethod
    def of_paths(cls, paths: Iterable[str], option: str) -> Self:
        """Return the tree of names that are paths, ``galaxy/spiral/Sb``; a node is called by its whole path."""
        children: dict[str, dict[str, None]] = {}
        for path in paths:
            parts = path.split("/")
            if not all(parts):
                raise UsageError(f"{option}: {printable(path)} is no path, expected names between the signs /")
            for depth in range(len(parts)):
                node, parent = "/".join(parts[: depth + 1]), "/".join(parts[:depth])
                children.setdefault(parent, {})[node] = None
                children.setdefault(node, {})
        top = children.pop("", {})
        return cls.of({node: children[node] for node in (*top, *children)}, option)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the tree that `config` came from.

        Raises:
            ValueError: there is none.
        """
        names = texts(config, "names")
        parents = places(config, "parents", len(names), -1, len(names))
        if not names or len(names) > MOST_NODES or any(parent >= node for node, parent in enumerate(parents)):
            raise ValueError("it is no tree")
        return cls(names, parents)

    @property
    def config(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"names": list(self.names), "parents": list(self.parents)}

    @property
    def leaves(self) -> np.ndarray:
        """The nodes without children, in their order."""
        return np.setdiff1d(np.arange(len(self.names)), self.parents)

    @property
    def paths(self) -> tuple[str, ...]:
        """The path to each node from the top, as in ``galaxy/spiral/Sb``; the name of a node that is called by it."""
        paths: list[str] = []
        for name, parent in zip(self.names, self.parents, strict=True):
            above = f"{paths[parent]}/" if parent >= 0 else ""
            paths.append(name if name.startswith(above) else above + name)
        return tuple(paths)

    @property
    def depths(self) -> np.ndarray:
        """How many steps each node lies below the top, [V]; those at the top 1."""
        depths: list[int] = []
        for parent in self.parents:
            depths.append(1 if parent < 0 else depths[parent] + 1)
        return np.array(depths)

    @property
    def families(self) -> dict[int, np.ndarray]:
        """By the number of their parent, those of its children."""
        parents = np.array(self.parents)
        return {int(parent): np.flatnonzero(parents == parent) for parent in np.unique(parents)}

    @property
    def ancestors(self) -> np.ndarray:
        """The node at each depth on the path to each node, itself last and then -1, [V, depth]."""
        depths = self.depths
        found = np.full((len(self.names), depths.max()), -1)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                found[node] = found[parent]
            found[node, depths[node] - 1] = node
        return found
