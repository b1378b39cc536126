"""Tasks and targets by name, each known once its module is imported here."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from astrokeras.errors import UsageError
from astrokeras.pipeline.source import PARTNER, Source
from astrokeras.spec import Value, bind, parse_one
from astrokeras.tasks.base import TASKS, Task
from astrokeras.tasks.label_columns import Labels
from astrokeras.tasks.target import TARGETS, Target, check_whole

_OPTION = "--task"
_TARGET = "--target"


def get_task(name: str) -> type[Task]:
    """Return the task of this name.

    Raises:
        UsageError: there is none; the message lists the close ones.
    """
    return TASKS.get(name)


def parse_tasks(specs: Sequence[str]) -> dict[str, dict[str, Value]]:
    """Return the tasks that a user asks for, by name, with their options.

    Args:
        specs: as typed: ``rotation``, ``magnitudes(loss=huber)``.

    Raises:
        UsageError: a specification can't be read, there is no such task, or one is asked for twice.
    """
    calls = [parse_one(spec, _OPTION) for spec in specs]
    if not calls:
        raise UsageError(f"{_OPTION} is missing; there are: {', '.join(TASKS.names())}")
    parsed: dict[str, dict[str, Value]] = {}
    for call in calls:
        if call.name in parsed:
            raise UsageError(f"{_OPTION} {call.name} is given twice; give each task once")
        parsed[call.name] = bind(call, get_task(call.name).parameters, _OPTION)[0]
    return parsed


def fit_tasks(
    parsed: Mapping[str, Mapping[str, Value]], source: Source, report: Callable[[str], None] = lambda _: None
) -> dict[str, Task]:
    """Return the tasks, fitted to the training split; `report` gets a line now and then.

    Raises:
        AstrokerasError: the records lack what a task needs.
        UsageError: a task can't do with such records, or with such an option.
    """
    fitted = {}
    for name, options in parsed.items():
        task = get_task(name)
        task.make_fields(source, report, **options)
        # Stamps are no column.
        fields = [field for field in (*task.fields, *task.derived_fields) if field != PARTNER]
        columns = source.columns("train", fields) if fields else {}
        fitted[name] = task.fit(source.records, columns, source.size, **options)
    return fitted


def fields_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return what the tasks of these names read from a record beside the pixels; not what they make themselves."""
    return tuple(dict.fromkeys(field for name in names for field in get_task(name).fields))


def parse_targets(specs: Sequence[str]) -> dict[str, tuple[type[Target], dict[str, Value]]]:
    """Return the targets that a user asks for, with their options, by a name of their own.

    That is the name of the target; a second one of the same name, for other columns, is called ``NAME_2``.

    Args:
        specs: as typed: ``class``.

    Raises:
        UsageError: a specification can't be read, there is no such target, or one is asked for twice.
    """
    parsed: dict[str, tuple[type[Target], dict[str, Value]]] = {}
    for spec in specs:
        call = parse_one(spec, _TARGET)
        kind = TARGETS.get(call.name)
        entry = kind, bind(call, kind.parameters, _TARGET)[0]
        if entry in parsed.values():
            raise UsageError(f"{_TARGET} {call} is given twice; give each target once")
        number = 1 + sum(other is kind for other, _ in parsed.values())
        parsed[call.name if number == 1 else f"{call.name}_{number}"] = entry
    if not parsed:
        raise UsageError(f"{_TARGET} is missing; there are: {', '.join(TARGETS.names())}")
    return parsed


def fit_targets(
    parsed: Mapping[str, tuple[type[Target], Mapping[str, Value]]], source: Source, labels: Labels
) -> dict[str, Target]:
    """Return the targets, fitted to the labels of the training split; their fields are added to the source.

    Raises:
        AstrokerasError: the labels lack what a target needs, or it announces what it does not give.
        UsageError: a target can't do with such an option.
    """
    fitted = {}
    for name, (kind, options) in parsed.items():
        columns = {column: labels.split("train")[column] for column in kind.columns(**options)}
        target = fitted[name] = kind.fit(source.records, columns, source.size, names=labels, **options)
        check_whole(target)
        for split in labels.splits:
            for field, values in target.encode(labels.split(split)).items():
                source.add(field, {split: values})
    return fitted
