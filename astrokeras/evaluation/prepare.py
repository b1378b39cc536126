"""Put together what is compared: read the labels, fit the targets, draw the labelled objects."""

from collections.abc import Callable

import numpy as np

from astrokeras.config import FinetuneConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.budget import check_budget, draw, parse_budget
from astrokeras.evaluation.compare import WEIGHT, ByTarget, Comparison, Draw, EvaluationSet, Targets, encoded
from astrokeras.evaluation.labels import gather_labels
from astrokeras.evaluation.regrouping import regrouped
from astrokeras.pipeline.augment import SurveyInfo, augmentation
from astrokeras.pipeline.source import Source
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.label_columns import LABEL
from astrokeras.tasks.model import check_weights
from astrokeras.tasks.registry import fields_of, fit_targets, fit_tasks, get_task, parse_targets, parse_tasks
from astrokeras.tasks.target import Encoded, Target
from astrokeras.training.engines.base import Engine

TRAIN, TEST, VALIDATION = "train", "test", "val"
_FEW = 20  # labelled test objects of a class below which its scores say little


def prepare(
    config: FinetuneConfig, records: RecordsDirectory, engine: Engine, size: int | None, report: Callable[[str], None]
) -> Comparison:
    """Return what the arms share.

    Args:
        config: the options.
        records: the survey.
        engine: the way to train.
        size: side of the stamps that the arms see.
        report: gets a line now and then.

    Raises:
        UsageError: options that cannot be meant.
        AstrokerasError: too few labels.
    """
    asked, further = parse_targets(config.target), parse_tasks(config.task) if config.task else {}
    weights = dict(zip(asked, check_weights(list(asked), config.target_weight, "--target-weight"), strict=True))
    weights |= dict(zip(further, check_weights(list(further), config.task_weight), strict=True))
    broken_by = {name: get_task(name).broken_by for name in further}
    augment = augmentation(config.augment, SurveyInfo.of(records), broken_by)
    converted, records = records, regrouped(records) if config.split_column else records
    source = engine.source(records, size, augment, (*fields_of(further), LABEL), (TRAIN, VALIDATION, TEST))
    labels, table = gather_labels(config, converted, source, asked, (TRAIN, VALIDATION, TEST), report)
    targets = fit_targets(asked, source, labels)
    tasks = fit_tasks(further, source, report)
    for note in (note for task in (*targets.values(), *tasks.values()) for note in task.notes):
        report(note)
    _balance(config, targets, source)
    draws = _draws(config, encoded(targets, source, TRAIN), targets)
    exams = _exams(records, targets, source, report)
    return Comparison(
        config, records, engine, source, targets, {**targets, **tasks}, weights, augment, draws, exams, table,
    )  # fmt: skip


def strata_of(targets: Targets, labels: ByTarget) -> np.ndarray:
    """Return by what draws are stratified: [N] integers, -1 for what has no label of any target.

    That are the strata of the first target; an object that only a later one has a label for is in one of that.
    """
    strata = None
    for name, target in targets.items():
        own = np.where(target.known(labels[name]), target.strata(labels[name]), -1)
        if strata is None:
            strata = own
        else:
            strata = np.where((strata < 0) & (own >= 0), own + strata.max(initial=-1) + 1, strata)
    return strata


def _balance(config: FinetuneConfig, targets: Targets, source: Source) -> None:
    """Prepare what lets the classes of the first target count alike, if that is asked for.

    Raises:
        UsageError: it has none.
    """
    if config.class_weights == "none":
        return
    name, first = next(iter(targets.items()))
    if not first.of_classes:
        raise UsageError(f"--class-weights {config.class_weights}: --target {name} has no classes; leave it out")
    first.balanced = True
    count = len(next(iter(source.columns(TRAIN, first.derived_fields).values())))
    source.add(WEIGHT, {TRAIN: np.ones(count, np.float32)})


def _draws(config: FinetuneConfig, labels: ByTarget, targets: Targets) -> list[Draw]:
    strata = strata_of(targets, labels)
    budgets = {text: parse_budget(text) for text in dict.fromkeys(config.budget)}
    names = next(iter(targets.values())).names
    for budget in budgets.values():
        check_budget(budget, strata, names)
    return [
        Draw(text, repeat, draw(strata, budget, config.seed, repeat))
        for repeat in range(config.repeats)
        for text, budget in budgets.items()
    ]


def _exams(
    records: RecordsDirectory, targets: Targets, source: Source, report: Callable[[str], None]
) -> list[EvaluationSet]:
    """Return the test split and, for choosing the winner, the validation split where its labels differ.

    Raises:
        AstrokerasError: the test split has no labels, or those of one class only.
    """
    exams, first = [], next(iter(targets))
    for split in (TEST, VALIDATION):
        there = bool(records.counts.get(split, 0))
        labels = encoded(targets, source, split) if there else {}
        known = strata_of(targets, labels) >= 0 if there else np.empty(0, bool)
        present = _present(targets, labels, first) if known.any() else ()
        if len(present) == 1:
            what = f"the labelled objects of the {split} split of {records.path} are all {present[0]!r}"
            if split == TEST:
                raise AstrokerasError(
                    f"{what}, which any classifier can get right; convert with a larger share for it (--splits)"
                )
            report(f"WARNING: {what}: not fit to choose the winner by")
        elif known.any():
            exams.append(EvaluationSet(split, known, encoded(targets, source, split, known)))
        elif split == TEST:
            raise AstrokerasError(
                f"the test split of {records.path} has no labelled object to measure on; "
                "convert with a larger share for it (--splits), or give labels of it (--labels)"
            )
    _warn_of_few(targets[first], exams[0].fields[first], report)
    return exams


def _warn_of_few(target: Target, fields: Encoded, report: Callable[[str], None]) -> None:
    """Say which classes have too few test objects, or that there are too few of all, for scores that mean something."""
    known = target.known(fields)
    codes = target.strata(fields)[known] if target.names else np.zeros(int(known.sum()), int)
    counts = np.bincount(codes, minlength=len(target.names) or 1)
    named = [f"{count} of {name}" for name, count in zip(target.names or ("objects",), counts, strict=False)]
    few = [text for text, count in zip(named, counts, strict=False) if count < _FEW]
    if few:
        report(
            f"WARNING: the test split has only {', '.join(few[:10])}{', …' if len(few) > 10 else ''} with a label, "
            f"fewer than {_FEW}: chance moves the scores; label more of them (--labels), or convert with a larger "
            "share for it (--splits)"
        )


def _present(targets: Targets, labels: ByTarget, name: str) -> tuple[str, ...]:
    """Return the classes that occur, of a target that has some."""
    target, fields = targets[name], labels[name]
    if not target.names:
        return ()
    codes = np.unique(target.strata(fields)[target.known(fields)])
    return tuple(target.names[code] for code in codes)
