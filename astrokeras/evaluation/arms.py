"""The initialisations that a fine-tuning call compares."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras

from astrokeras.config import FinetuneConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.words import plain_name, shortened
from astrokeras.models.applications import WeightsUnavailable
from astrokeras.models.encoder import build_encoder
from astrokeras.models.stretch import stretch_kind
from astrokeras.pipeline.dataset import read_columns
from astrokeras.records.directory import Records
from astrokeras.training.initial import (
    WORDS,
    ancestors,
    check_bands,
    check_finite,
    check_size_of,
    encoder_of,
    imagenet_record,
    lineage,
    run_record,
)
from astrokeras.training.run_directory import load_run


@dataclasses.dataclass(frozen=True)
class Arm:
    """One initialisation.

    Attributes:
        name: what tables and directories call it.
        init: what stood behind ``--init``.
        backbone: name of the network.
        start: what it goes back to, see `training.initial.Start.record`.
        build: gives the encoder as it is before fine-tuning, for a seed.
        random: whether the seed matters to `build`.
    """

    name: str
    init: str
    backbone: str
    start: dict
    build: Callable[[int], keras.Model]
    random: bool


def make_arms(config: FinetuneConfig, records: Records, report: Callable[[str], None]) -> list[Arm]:
    """Return the arms of `config`, in its order; an arm whose ImageNet weights cannot be had is left out, loudly.

    Raises:
        UsageError: an initialisation is named twice.
        AstrokerasError: a run directory is none, or was made for other bands; or no arm is left.
    """
    resolved = [init if init in WORDS else str(Path(init).resolve()) for init in config.init]
    if len(set(resolved)) < len(resolved):
        raise UsageError(f"--init {' --init '.join(config.init)}: each initialisation can stand there once")
    runs = {init: load_run(init, finished=True) for init in config.init if init not in WORDS}
    for init, run in runs.items():
        _check_run(init, run, records)
    starts = {init: run_record(init, run) for init, run in runs.items()}
    for init, start in starts.items():
        _warn_of_leak(init, start, records, report)
    options = _shared_options(config, runs, records)
    size = options["size"] or records.size
    first = next(iter(starts.values()), None)
    scratch_backbone = config.backbone or (first["backbone"] if first else "compact")
    arms: list[Arm] = []
    for init in config.init:
        if init == "scratch":
            arm = _scratch(records, scratch_backbone, options)
        elif init == "imagenet":
            arm = _imagenet(config, records, options, report)
        else:
            load = encoder_of(init, records, config.max_model_bytes)
            arm = _pretrained(init, starts[init], size, load, taken={arm.name for arm in arms})
        if arm:
            arms.append(arm)
    if not arms:
        raise AstrokerasError("no arm is left to train; give --imagenet-weights FILE or another --init")
    return arms


def _shared_options(config: FinetuneConfig, runs: dict[str, dict], records: Records) -> dict:
    """Size, resize and stretch, which all arms share: those of the pre-training runs, or as asked for without any.

    Raises:
        UsageError: the runs differ, or were made otherwise than asked for; an encoder brings its own.
    """
    stretch = config.stretch and stretch_kind(records.unit, config.stretch)
    asked = {"size": config.size, "resize": config.resize, "stretch": stretch}
    for name, value in asked.items():
        for init, run in runs.items():
            own = run["options"][name] or (run["records"]["size"] if name == "size" else None)
            if name == "stretch":
                own = stretch_kind(records.unit, own)
            if asked[name] is None:
                asked[name] = own
            elif asked[name] != own:
                there = f"was asked for with --{name}" if value is not None else f"is that of {next(iter(runs))}"
                raise UsageError(
                    f"--init {init} was pre-trained with {name} {own}, but {asked[name]} {there}; "
                    "arms are compared on the same input, so compare these in runs of their own"
                )
    return asked | {"stretch": asked["stretch"] or "auto"}


def _warn_of_leak(init: str, start: dict, records: Records, report: Callable[[str], None]) -> None:
    """Say so where a run, or one that it goes back to, has seen what it should not have.

    That is objects of the test or the validation split here, of other records, or labels, which no budget of this
    comparison counts.
    """
    for run in ancestors(start):
        who = init if run is start else f"{run['path']}, which {init} started from,"
        if run["command"] == "finetune" and run["mode"] != "frozen":
            report(f"WARNING: {who} was trained on labels; its arm has seen more of them than the budgets say")
        if run["records"]["fingerprint"] == records.fingerprint:
            continue
        try:
            others = Records.load(run["records"]["path"])
            seen = set(read_columns(others, "train", ("id",))["id"])
        except AstrokerasError:
            report(f"WARNING: {who} was trained on other records; make sure that none of its objects is tested on here")
            continue
        if others.fingerprint != run["records"]["fingerprint"]:
            report(
                f"WARNING: {others.path} no longer holds the records that {who} was trained on; make sure that none of "
                "its objects is tested on here"
            )
        _warn_of_seen(seen, who, records, report)


# What each split is for: the numbers, and the choice of the winner.
_JUDGED = {"test": "test", "val": "validation"}
_NAMED = 3


def _warn_of_seen(seen: set[str], who: str, records: Records, report: Callable[[str], None]) -> None:
    """Say how many objects that judge the arms an encoder was trained on, in which split, and some of them."""
    found = {}
    for split, name in _JUDGED.items():
        ids = read_columns(records, split, ("id",))["id"] if split in records.splits else []
        if both := [identifier for identifier in ids if identifier in seen]:
            found[name] = both
    if found:
        counts = " and ".join(f"{len(ids)} {name}" for name, ids in found.items())
        examples = ", ".join(shortened(identifier) for ids in found.values() for identifier in ids[:_NAMED])
        report(
            f"WARNING: {counts} objects were among those that {who} was trained on (by id, as {examples}); it has seen "
            "them" + (", and the validation split chooses the winner" if "validation" in found else "")
        )


def _check_run(init: str, run: dict, records: Records) -> None:
    if run["command"] != "pretrain":
        raise AstrokerasError(
            f"--init {init}: that is a {run['command']} run, expected scratch, imagenet or a pretrain run"
        )
    check_bands(init, run, records)


def _scratch(records: Records, backbone: str, options: dict) -> Arm:
    def build(seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        return build_encoder(records, backbone=backbone, **options)

    build(0)  # an unknown backbone, or one that needs larger stamps, is refused before any work is done
    return Arm("scratch", "scratch", backbone, {"kind": "scratch"}, build, random=True)


def _imagenet(config: FinetuneConfig, records: Records, options: dict, report: Callable[[str], None]) -> Arm | None:
    backbone = config.imagenet_backbone
    check_size_of(config.imagenet_weights, config.max_model_bytes)

    def build(_: int) -> keras.Model:
        return build_encoder(records, backbone=backbone, weights=config.imagenet_weights or "imagenet", **options)

    try:
        build(0)
    except WeightsUnavailable as error:
        report(f"WARNING: the imagenet arm is left out: {error}")
        return None
    start = imagenet_record(config.imagenet_weights, backbone)
    return Arm("imagenet", "imagenet", backbone, start, build, random=False)


def _pretrained(init: str, start: dict, size: int, load: Callable[[], keras.Model], taken: set[str]) -> Arm:
    encoder = load()
    check_finite(encoder, f"--init {init}")
    side = encoder.input_shape[1]
    if side != size:
        raise UsageError(
            f"--init {init} was pre-trained on stamps of {side} pixels, the arms use {size}; give --size {side}"
        )
    plain = name = plain_name("-from-".join(lineage(start)))
    number = 2
    # On some disks names that differ in capitals alone are one.
    while name.casefold() in {other.casefold() for other in taken | WORDS | {"tensorboard"}}:
        name, number = f"{plain}-{number}", number + 1
    return Arm(name, init, start["backbone"], start, lambda _: load(), random=False)
