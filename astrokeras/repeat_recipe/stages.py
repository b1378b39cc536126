"""Which stages of a recipe need others."""

import os
import re
from collections.abc import Mapping

from astrokeras.repeat_recipe.recipe_file import out_of


def needs_of(stages: Mapping[str, list[str]]) -> dict[str, set[str]]:
    """Return for each stage those before it that it needs: one of its words names something within their ``--out``.

    Args:
        stages: by name the words of the commands, in their order.

    Example:
        >>> needs_of({"a": ["convert", "--out", "o/a"], "b": ["inspect", "o/ab"], "c": ["embed", "x|o/a/run"]})
        {'a': set(), 'b': set(), 'c': {'a'}}
    """
    needs: dict[str, set[str]] = {}
    for name, words in stages.items():
        needs[name] = {before for before in needs if _names_within(words, stages[before])}
    return needs


def _names_within(words: list[str], of: list[str]) -> bool:
    out = out_of(of)
    if not out:
        return False
    # A path ends where a character stands that is none of a name: o/a is in o/a/b and o/a|c, not in o/ab and o/a.csv.
    within = re.compile(re.escape(os.path.normpath(out)) + r"(?![\w.-])")
    return any(within.search(re.sub(r"/(\.?/)+", "/", word)) for word in words)


def needed_by(name: str, needs: Mapping[str, set[str]]) -> list[str]:
    """Return a stage and all that it needs, and they again, in the order of `needs`.

    Example:
        >>> needed_by("c", {"a": set(), "b": {"a"}, "c": {"b"}, "d": {"a"}})
        ['a', 'b', 'c']
    """
    wanted = {name}
    for stage in reversed(needs):  # a stage needs such as stand before it
        if stage in wanted:
            wanted |= needs[stage]
    return [stage for stage in needs if stage in wanted]
