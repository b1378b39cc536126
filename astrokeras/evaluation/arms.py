"""The starts that a fine-tuning call compares."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from astrokeras.config import DEFAULT_IMAGENET_BACKBONE, FinetuneConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.schedule import UNTRAINED
from astrokeras.evaluation.words import plain_name
from astrokeras.models.applications import WeightsUnavailable
from astrokeras.models.backbone import needs_three_channels
from astrokeras.models.joined import joined
from astrokeras.records.directory import RecordsDirectory
from astrokeras.shipped_encoders.card import is_shipped
from astrokeras.training.imagenet import WORDS, is_imagenet
from astrokeras.training.initial import Asked, Start, find_start
from astrokeras.training.origins import SIGNS, ancestors, joined_record, lineage

# What arms have in common, or they would not see the same of a stamp.
_SHARED = ("size", "resize", "stretch")


@dataclasses.dataclass(frozen=True)
class Arm:
    """One start, or several together.

    Attributes:
        name: what tables and directories call it.
        init: what stood behind ``--init``.
        start: what it starts from.
        how: how it is made of its parts, one of the values of `origins.SIGNS`; empty of one start.
        parts: the arms that it is made of.
    """

    name: str
    init: str
    start: Start
    how: str = ""
    parts: tuple["Arm", ...] = ()

    @property
    def backbone(self) -> str:
        """Name of the network."""
        return self.start.network["backbone"]

    @property
    def random(self) -> bool:
        """Whether it starts from random weights, others for each repeat."""
        return self.start.random

    @property
    def members(self) -> tuple["Arm", ...]:
        """The arms whose fits it takes the mean of; none if it is fitted itself."""
        return self.parts if self.how == "mean" else ()

    @property
    def singles(self) -> dict[str, Start]:
        """The starts that it is made of, by what stood behind ``--init``."""
        return {init: s for part in self.parts for init, s in part.singles.items()} or {self.init: self.start}


def make_arms(config: FinetuneConfig, records: RecordsDirectory, report: Callable[[str], None]) -> list[Arm]:
    """Return the arms of `config`, in its order; an arm whose ImageNet weights cannot be had is left out, loudly.

    Raises:
        UsageError: a start is named twice, or starts see the stamps in different ways.
        AstrokerasError: a run directory is none, or was made for other bands; or no arm is left.
    """
    resolved = [_resolved(init) for init in config.init]
    if len(set(resolved)) < len(resolved):
        raise UsageError(f"--init {' --init '.join(config.init)}: each start can stand there once")
    _check_backbones(config)
    making = _Making(config, records, report)
    arms: list[Arm] = []
    for init in config.init:
        for backbone in config.backbone if len(config.backbone) > 1 and init in WORDS else (None,):
            try:
                arms.append(making.arm(init, backbone))
            except WeightsUnavailable as error:
                report(
                    f"WARNING: the {init} arm is left out: {error}"
                    if backbone is None
                    else f"WARNING: the {init} arm of {backbone} is left out: {error}"
                )
    if not arms:
        raise AstrokerasError("no arm is left to train; give --imagenet-weights FILE or another --init")
    return arms


def _check_backbones(config: FinetuneConfig) -> None:
    """Refuse several backbones where it is not clear what has them.

    Raises:
        UsageError: so it is.
    """
    backbones = config.backbone
    if len(set(backbones)) < len(backbones):
        raise UsageError(f"--backbone {' --backbone '.join(backbones)}: each network can stand there once")
    if len(backbones) < 2:
        return
    for name in backbones:
        needs_three_channels(name)  # raises where there is none of this name
    if config.imagenet_backbone != DEFAULT_IMAGENET_BACKBONE:
        raise UsageError("--imagenet-backbone was given, but several --backbone name the networks of ImageNet's arms")
    for init in config.init:
        if init not in WORDS and any(one in WORDS for one in singles_of(init)):
            raise UsageError(f"--init {init}: with several --backbone it is not clear which one it has; give one")


def split_init(init: str) -> tuple[str, list[str]]:
    """Return how an arm is made of which starts: empty, and itself, if it is one start.

    ``+`` binds less than ``|``. What is a directory is one, whatever its name.

    Raises:
        UsageError: a start is missing, or there twice.

    Example:
        >>> split_init("imagenet|scratch")
        ('beside', ['imagenet', 'scratch'])
    """
    if not Path(init).is_dir():
        for sign in ("+", "|"):
            names = init.split(sign)
            if len(names) == 1:
                continue
            if not all(names) or len({*map(_resolved, names)}) < len(names):
                raise UsageError(f"--init {init}: expected different starts around each {sign}, as in A{sign}B")
            return SIGNS[sign], names
    return "", [init]


def _resolved(init: str) -> tuple[str, ...]:
    how, names = split_init(init)
    if how:
        return (how, *(part for name in names for part in _resolved(name)))
    return (init if init in WORDS or is_shipped(init) else str(Path(init).resolve()),)


def singles_of(init: str) -> list[str]:
    """Return the starts that an arm is made of."""
    how, names = split_init(init)
    return [one for name in names for one in singles_of(name)] if how else names


class _Making:
    """Makes arms, each start once."""

    def __init__(self, config: FinetuneConfig, records: RecordsDirectory, report: Callable[[str], None]) -> None:
        self.config, self.records, self.report = config, records, report
        asked = {name: getattr(config, name) for name in (*_SHARED, "max_model_bytes")}
        singles = dict.fromkeys(one for init in config.init for one in singles_of(init))
        self.runs = {one: find_start(Asked(one, **asked), records, report) for one in singles if one not in WORDS}
        for init, start in self.runs.items():
            _warn_of_labels(init, start.record, report)
        self.asked = asked | _brought(self.runs)
        self.made: dict[tuple[str | None, ...], Arm] = {}

    def arm(self, init: str, backbone: str | None = None) -> Arm:
        """Return the arm of a start, or of several; of this backbone, where several are compared.

        Raises:
            WeightsUnavailable: there are no such weights of ImageNet.
        """
        key = (*_resolved(init), backbone)
        if key not in self.made:
            how, names = split_init(init)
            parts = tuple(self.arm(name) for name in names) if how else ()
            start = _joined(how, parts) if how else self._start(init, backbone)
            taken = {arm.name for arm in self.made.values()}
            self.made[key] = Arm(_name(init, start, taken, backbone), init, start, how, parts)
        return self.made[key]

    def _start(self, init: str, backbone: str | None) -> Start:
        if init in self.runs:
            return self.runs[init]
        if backbone is not None and is_imagenet(init) and not needs_three_channels(backbone):
            raise WeightsUnavailable("it has no ImageNet weights")
        start = find_start(self._asked_of(init, backbone), self.records, self.report)
        if start.random:
            start.build()  # a network that needs larger stamps is refused before any work is done
        return start

    def _asked_of(self, init: str, backbone: str | None) -> Asked:
        """Return what is asked of a start that is no run, of this backbone where several are compared."""
        config = self.config
        if not is_imagenet(init):
            first = next(iter(self.runs.values()), None)
            own = backbone or next(iter(config.backbone), None)
            return Asked(init, own or (first and first.network["backbone"]), **self.asked)
        return Asked(
            init, backbone or config.imagenet_backbone, imagenet_weights=config.imagenet_weights,
            imagenet_bands=config.imagenet_bands if init == "imagenet:rgb" else (), **self.asked,
        )  # fmt: skip


def _joined(how: str, parts: tuple[Arm, ...]) -> Start:
    """Return a start whose encoder is joined from those of its parts, see `models.joined`."""
    backbone = ("|" if how == "beside" else "+").join(part.backbone for part in parts)
    record = joined_record(how, [part.start.record for part in parts], backbone)
    network = {**parts[0].start.network, "backbone": backbone}
    return Start(network, record, lambda: joined([part.start.build() for part in parts]))


def _brought(runs: dict[str, Start]) -> dict[str, Any]:
    """Return what the encoders of runs have in common, for the arms that have none; nothing without runs.

    Raises:
        UsageError: they differ.
    """
    common: dict[str, Any] = {}
    for init, start in runs.items():
        for name in _SHARED:
            own = start.network[name]
            if common.setdefault(name, own) != own:
                raise UsageError(
                    f"--init {init} brings {name} {own or 'none'} in its encoder, {next(iter(runs))} brings "
                    f"{common[name] or 'none'}; arms are compared on the same input, so compare these in runs of their "
                    "own"
                )
    return common


def _name(init: str, start: Start, taken: set[str], backbone: str | None) -> str:
    """Return a name that no other arm has, and that no other directory of the run has either."""
    if init in WORDS:
        return plain_name(init if backbone is None else f"{init}-{backbone}")
    plain = name = plain_name("-from-".join(lineage(start.record)))
    number = 2
    # On some disks names that differ in capitals alone are one.
    while name.casefold() in {other.casefold() for other in taken | {*map(plain_name, WORDS), "tensorboard"}}:
        name, number = f"{plain}-{number}", number + 1
    return name


def _warn_of_labels(init: str, start: dict, report: Callable[[str], None]) -> None:
    """Say so where a run, or one that it goes back to, was trained on labels, which no budget here counts."""
    for run in ancestors(start):
        if run["command"] == "finetune" and run["mode"] not in UNTRAINED:
            who = init if run is start else f"{run['path']}, which {init} started from,"
            report(f"WARNING: {who} was trained on labels; its arm has seen more of them than the budgets say")
