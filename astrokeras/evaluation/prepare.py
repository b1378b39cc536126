"""Put together what is compared: read the labels, fit the targets, draw the labelled objects."""

from collections.abc import Callable, Sequence

import numpy as np

from astrokeras.config import FinetuneConfig
from astrokeras.errors import AstrokerasError, UsageError, unknown_name
from astrokeras.evaluation.budget import check_budget, draw, parse_budget
from astrokeras.evaluation.compare import ByTarget, Comparison, Draw, EvaluationSet, Targets, encoded
from astrokeras.pipeline.augment import SurveyInfo, augmentation
from astrokeras.pipeline.source import Source
from astrokeras.records.directory import Records
from astrokeras.records.objects import OWN
from astrokeras.tasks.model import check_weights
from astrokeras.tasks.registry import (
    fields_of,
    fit_targets,
    fit_tasks,
    get_task,
    label_columns,
    parse_targets,
    parse_tasks,
)  # fmt: skip
from astrokeras.tasks.target import LABEL, Labels, labels_of
from astrokeras.training.engines.base import Engine

TRAIN, TEST, VALIDATION = "train", "test", "val"


def prepare(
    config: FinetuneConfig, records: Records, engine: Engine, size: int | None, report: Callable[[str], None]
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
    source = engine.source(records, size, augment, (*fields_of(further), LABEL), (TRAIN, VALIDATION, TEST))
    labels = read_labels(records, source, label_columns(asked))
    targets = fit_targets(asked, source, labels)
    tasks = fit_tasks(further, source, report)
    for note in (note for task in (*targets.values(), *tasks.values()) for note in task.notes):
        report(note)
    draws = _draws(config, encoded(targets, source, TRAIN), targets)
    exams = _exams(records, targets, source, report)
    return Comparison(
        config, records, engine, source, targets, {**targets, **tasks}, weights, augment, draws, exams
    )  # fmt: skip


def read_labels(records: Records, source: Source, columns: Sequence[str] = (LABEL,)) -> Labels:
    """Return the labels that stood in the catalogue at conversion.

    Args:
        records: the survey.
        source: of its stamps.
        columns: `LABEL`, carried columns, ``magnitude_BAND``.

    Raises:
        AstrokerasError: a label is the number of no class.
        UsageError: there is no such column.
    """
    codes = {}
    for split in (TRAIN, VALIDATION, TEST):
        there = bool(records.counts.get(split, 0))
        codes[split] = source.columns(split, (LABEL,))[LABEL] if there else np.empty(0, np.int64)
        if (odd := codes[split][(codes[split] < -1) | (codes[split] >= len(records.classes))]).size:
            raise AstrokerasError(
                f"the {split} split of {records.path} has the label {odd[0]}, but {len(records.classes)} classes; "
                "convert the survey again"
            )
    labels = labels_of(records, codes)
    further = [name for name in dict.fromkeys(columns) if name != LABEL]
    if not further:
        return labels
    there = [name for name in records.splits if name in labels.splits]
    tables = {split: records.objects(split) for split in there}
    known = [LABEL, *(n for n in next(iter(tables.values())).colnames if n not in OWN)]
    if missing := [name for name in further if name not in known]:
        raise UsageError(
            f"--target: {unknown_name('label column', missing[0], known)}; carry it from the catalogue by "
            f"convert --columns {missing[0]}"
        )
    found = {}
    for split, own in labels.splits.items():
        values = {
            name: np.asarray(tables[split][name], np.float64) if split in there else np.empty(0) for name in further
        }
        found[split] = {**own, **{name: np.ma.masked_invalid(column) for name, column in values.items()}}
    return Labels(found, labels.names)


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


def _draws(config: FinetuneConfig, labels: ByTarget, targets: Targets) -> list[Draw]:
    strata = strata_of(targets, labels)
    budgets = {text: parse_budget(text) for text in dict.fromkeys(config.budget)}
    for budget in budgets.values():
        check_budget(budget, strata)
    return [
        Draw(text, repeat, draw(strata, budget, config.seed, repeat))
        for repeat in range(config.repeats)
        for text, budget in budgets.items()
    ]


def _exams(records: Records, targets: Targets, source: Source, report: Callable[[str], None]) -> list[EvaluationSet]:
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
                "convert with a larger share for it (--splits)"
            )
    return exams


def _present(targets: Targets, labels: ByTarget, name: str) -> tuple[str, ...]:
    """Return the classes that occur, of a target that has some."""
    target, fields = targets[name], labels[name]
    if not target.names:
        return ()
    codes = np.unique(target.strata(fields)[target.known(fields)])
    return tuple(target.names[code] for code in codes)
