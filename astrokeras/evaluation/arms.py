"""The starts that a fine-tuning call compares."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from astrokeras.config import FinetuneConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.words import plain_name
from astrokeras.models.applications import WeightsUnavailable
from astrokeras.records.directory import Records
from astrokeras.training.imagenet import WORDS, is_imagenet
from astrokeras.training.initial import Asked, Start, ancestors, find_start, lineage

# What arms have in common, or they would not see the same of a stamp.
_SHARED = ("size", "resize", "stretch")


@dataclasses.dataclass(frozen=True)
class Arm:
    """One start.

    Attributes:
        name: what tables and directories call it.
        init: what stood behind ``--init``.
        start: what it starts from.
    """

    name: str
    init: str
    start: Start

    @property
    def backbone(self) -> str:
        """Name of the network."""
        return self.start.network["backbone"]

    @property
    def random(self) -> bool:
        """Whether it starts from random weights, others for each repeat."""
        return self.start.random


def make_arms(config: FinetuneConfig, records: Records, report: Callable[[str], None]) -> list[Arm]:
    """Return the arms of `config`, in its order; an arm whose ImageNet weights cannot be had is left out, loudly.

    Raises:
        UsageError: a start is named twice, or starts see the stamps in different ways.
        AstrokerasError: a run directory is none, or was made for other bands; or no arm is left.
    """
    resolved = [init if init in WORDS else str(Path(init).resolve()) for init in config.init]
    if len(set(resolved)) < len(resolved):
        raise UsageError(f"--init {' --init '.join(config.init)}: each start can stand there once")
    asked = {name: getattr(config, name) for name in (*_SHARED, "max_model_bytes")}
    runs = {init: find_start(Asked(init, **asked), records, report) for init in config.init if init not in WORDS}
    for init, start in runs.items():
        _warn_of_labels(init, start.record, report)
    asked |= _brought(runs)
    first = next(iter(runs.values()), None)

    def wanted(init: str) -> Asked:
        if not is_imagenet(init):
            return Asked(init, config.backbone or (first and first.network["backbone"]), **asked)
        bands = config.imagenet_bands if init == "imagenet:rgb" else ()
        weights = config.imagenet_weights
        return Asked(init, config.imagenet_backbone, imagenet_weights=weights, imagenet_bands=bands, **asked)

    arms: list[Arm] = []
    for init in config.init:
        try:
            start = runs[init] if init in runs else find_start(wanted(init), records, report)
        except WeightsUnavailable as error:
            report(f"WARNING: the {init} arm is left out: {error}")
            continue
        if start.random:
            start.build()  # a network that needs larger stamps is refused before any work is done
        arms.append(Arm(_name(init, start, {arm.name for arm in arms}), init, start))
    if not arms:
        raise AstrokerasError("no arm is left to train; give --imagenet-weights FILE or another --init")
    return arms


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


def _name(init: str, start: Start, taken: set[str]) -> str:
    """Return a name that no other arm has, and that no other directory of the run has either."""
    if init in WORDS:
        return plain_name(init)
    plain = name = plain_name("-from-".join(lineage(start.record)))
    number = 2
    # On some disks names that differ in capitals alone are one.
    while name.casefold() in {other.casefold() for other in taken | {*map(plain_name, WORDS), "tensorboard"}}:
        name, number = f"{plain}-{number}", number + 1
    return name


def _warn_of_labels(init: str, start: dict, report: Callable[[str], None]) -> None:
    """Say so where a run, or one that it goes back to, was trained on labels, which no budget here counts."""
    for run in ancestors(start):
        if run["command"] == "finetune" and run["mode"] != "frozen":
            who = init if run is start else f"{run['path']}, which {init} started from,"
            report(f"WARNING: {who} was trained on labels; its arm has seen more of them than the budgets say")
