"""Groups of classes, which auxiliary classifiers learn to tell."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from astrokeras.errors import UsageError
from astrokeras.tasks.toml_files import names_in, once, read_toml
from astrokeras.tasks.written import places, text


@dataclasses.dataclass(frozen=True)
class ClassGroup:
    """One way to group classes.

    Attributes:
        name: of it.
        of: the number of the group of each class.
        count: of the groups.
    """

    name: str
    of: tuple[int, ...]
    count: int

    @property
    def config(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"name": self.name, "of": list(self.of), "count": self.count}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], classes: int) -> Self:
        """Return the groups of so many classes that `config` came from.

        Raises:
            ValueError: there are none.
        """
        count = places({"count": [config["count"]]}, "count", 1, 2, classes + 1)[0]
        return cls(text(config, "name"), places(config, "of", classes, 0, count), count)

    @property
    def matrix(self) -> np.ndarray:
        """What turns shares of the C classes into shares of the groups, [C, count] float32."""
        return np.eye(self.count, dtype=np.float32)[list(self.of)]


def read_groups(name: str, classes: Sequence[str], option: str) -> tuple[ClassGroup, ...]:
    """Return the groups of a TOML file.

    A table for each way to group all classes::

        [shape]
        round = ["star", "elliptical"]
        flat = ["spiral", "edge_on"]

    Args:
        name: of the file.
        classes: that are grouped.
        option: where it was named, for messages.

    Raises:
        UsageError: a table does not have each class once, or has one group.
    """
    where, found = f"{option}: {name}", []
    for key, table in read_toml(name, option).items():
        if not isinstance(table, Mapping) or len(table) < 2:
            raise UsageError(f"{where}: [{key}] has to have at least two groups, as in round = [...]")
        members = [names_in(value, f"{where}: {label} of [{key}]") for label, value in table.items()]
        once((member for names in members for member in names), f"{where}: [{key}]")
        numbers = {member: number for number, names in enumerate(members) for member in names}
        if set(numbers) != set(classes):
            lacking, other = sorted(set(classes) - set(numbers)), sorted(set(numbers) - set(classes))
            said = [f"lacks {', '.join(lacking[:10])}"] if lacking else []
            said += [f"has {', '.join(other[:10])}, which is no class"] if other else []
            raise UsageError(f"{where}: [{key}] {' and '.join(said)}; expected each class once")
        found.append(ClassGroup(key, tuple(numbers[one] for one in classes), len(members)))
    if not found:
        raise UsageError(f"{where}: expected a table of groups, as in [shape]")
    return tuple(found)
