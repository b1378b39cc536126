"""Look for objects that are trained on and judged by, before anything is trained."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.shared_objects import Whereabouts, shared_by_id, shared_by_place
from astrokeras.text import printable
from astrokeras.training.origins import ancestors, firsts

TRAIN = "train"
JUDGING = {"test": "test", "val": "validation"}
"""What each split that judges is called: the test split gives the scores, the other one chooses."""
_NAMED, _LONGEST = 3, 40


@dataclasses.dataclass(frozen=True)
class Sets:
    """Where the objects of each split are.

    Attributes:
        splits: by name.
        own: whether they are the splits of the records as they were converted.
    """

    splits: Mapping[str, Whereabouts]
    own: bool = True

    @classmethod
    def of(cls, records: RecordsDirectory) -> Self:
        """Return those of records as they were converted."""
        return cls({split: Whereabouts.of(records, split) for split in (TRAIN, *JUDGING)})


def check_leaks(
    records: RecordsDirectory, starts: Mapping[str, dict[str, Any]], report: Callable[[str], None], *, allow: bool,
    sets: Sets | None = None,
) -> None:  # fmt: skip
    """Look for the objects of the validation and the test split among all that was, or will be, trained on.

    That is the training split, and those of the runs that the network goes back to, labelled or not. Two records show
    one object if they have one id, or lie within an arcsecond of each other.

    Args:
        records: what is trained on.
        starts: by ``--init`` the record of the start, see `training.initial.Start`.
        report: is told what could not be looked at, and with `allow` what was found.
        allow: whether training may go on all the same.
        sets: where the objects are; None for the records' own splits.

    Raises:
        AstrokerasError: some were found, and `allow` is False.
    """
    sets = sets or Sets.of(records)
    found = list(_shared(sets, sets.splits[TRAIN], "in the training split too"))
    mend = ["convert with --split-by sky, or --object-column"] if found else []
    earlier = [line for init, start in starts.items() for line in _of_start(init, start, records, sets, report)]
    mend += ["pre-train on records whose splits these go on with (convert --splits-from)"] if earlier else []
    found += earlier
    if not found:
        return
    said = "; ".join(dict.fromkeys(found))
    if not allow:
        raise AstrokerasError(
            f"{said}: scores would be too good; {', '.join(mend)}, or train all the same with --allow-leaks"
        )
    report(f"WARNING: {said}: scores will be too good")


def _of_start(
    init: str, start: dict[str, Any], records: RecordsDirectory, sets: Sets, report: Callable[[str], None]
) -> Iterator[str]:
    """Yield what the runs have seen that a start goes back to."""
    for first in firsts(start):
        if first["kind"] == "encoder":
            report(
                f"WARNING: what the shipped encoder {first['name']} was trained on is not here to be compared; its "
                f"card (astrokeras encoders {first['name']}) says what it has seen"
            )
    for run in ancestors(start):
        who = init if run is start else f"{run['path']}, which {init} started from,"
        who = printable(who, keep="")[:200]
        same = run["records"]["fingerprint"] == records.fingerprint
        if same and sets.own and not run.get("split_column"):
            continue  # the same training split, which has been looked at
        try:
            others = records if same else RecordsDirectory.load(run["records"]["path"])
            if run.get("split_column"):
                raise AstrokerasError("its splits were those of a table")
            if others.fingerprint != run["records"]["fingerprint"]:
                raise AstrokerasError("they have changed since")
            seen = Whereabouts.of(others, TRAIN)
        except AstrokerasError:
            report(
                f"WARNING: what {who} was trained on cannot be compared with these records, as it is not there as it "
                "was; make sure that none of its objects is tested on here"
            )
            continue
        yield from _shared(sets, seen, f"among those that {who} was trained on")


def _shared(sets: Sets, seen: Whereabouts, where: str) -> Iterator[str]:
    """Yield a line if objects that judge are among those that were seen: how many, of which split, and some of them."""
    counts, examples, by_place = [], [], 0
    for split, name in JUDGING.items():
        judged = sets.splits[split]
        by_id = shared_by_id(judged, seen)
        both = by_id | shared_by_place(judged, seen)
        if both.any():
            counts.append(f"{int(both.sum())} {name}")
            examples += [printable(one, keep="")[:_LONGEST] for one in judged.ids[both][:_NAMED].tolist()]
            by_place += int(np.count_nonzero(both & ~by_id))
    if counts:
        how = "by id" if not by_place else f"{by_place} of them by place, within an arcsecond"
        yield f"{' and '.join(counts)} objects are {where} ({how}; as {', '.join(examples)})"
