"""Convert a survey's images and catalogue to TFRecords: plan, work in parallel, and put the result in place at once."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from astrokeras.config import ConvertConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.files import CannotWrite
from astrokeras.parallel.dask_cluster import DaskCluster
from astrokeras.parallel.processes import ATTEMPTS, Executor, Pool, SerialExecutor, WorkersLost
from astrokeras.progress import Progress, followed, not_shown
from astrokeras.records.conversion.assemble import Tally, assemble, write_rejects
from astrokeras.records.conversion.detected_catalog import Found, Search, detect, search_and_keep
from astrokeras.records.conversion.display_levels import warn_of_sky
from astrokeras.records.conversion.plan import Plan, make_plan
from astrokeras.records.conversion.rejects import FILTERED
from astrokeras.records.conversion.resolve import Conversion, resolve
from astrokeras.records.conversion.result import TaskResult
from astrokeras.records.conversion.resume import already_complete, check_unfinished, what_is_asked
from astrokeras.records.conversion.run_task import describe_input, inputs_of, run_and_keep
from astrokeras.records.conversion.task import ConversionTask, TaskInput
from astrokeras.records.conversion.workspace import Workspace
from astrokeras.records.metadata import CONVERT_JSON, REJECTS
from astrokeras.survey.out import check_out_is_not_here

Report = Callable[[str], None]


def convert(
    config: ConvertConfig,
    report: Report = print,
    progress: Progress = not_shown,
    executor: Executor | None = None,
) -> dict[str, Any]:
    """Convert the survey that `config` describes, or go on with a conversion of it that was cut short.

    Args:
        config: the options.
        report: receives one line at a time about what is found.
        progress: shows how many tasks are done.
        executor: where the tasks run; it stays open. None: as `config` says.

    Returns:
        The content of ``convert.json``.

    Raises:
        AstrokerasError: nothing could be converted, the place is taken, or the work failed. What is finished is kept
            beside it, and the same call goes on from there.
    """
    out = Path(config.running.out)
    _check_options(config)
    check_out_is_not_here(out)
    conversion = resolve(config, report)
    config, asked = conversion.config, what_is_asked(conversion.config)
    with Workspace.opened(out) as workspace:
        if out.exists() and not _is_ours(out):
            raise AstrokerasError(f"{out} already exists; it is no records directory; choose another --out")
        if out.exists() and not config.running.overwrite:
            content = already_complete(asked, workspace, resume=config.running.resume)
            _compare_inputs(conversion, content, workspace, report, progress)
            workspace.clean_up()
            report(f"{out} is complete already")
            return content
        if not config.running.overwrite:
            check_unfinished(asked, workspace)
        if conversion.detection:
            workspace.begin(asked)
            found = find_objects(conversion, workspace.detected, report, progress, executor)
            conversion = conversion.with_detected(found)
        plan = make_plan(conversion, report)
        try:
            workspace.begin(asked)
            tally = _work_through(plan, workspace, report, progress, executor)
            _check_outcome(plan, tally, workspace, report)
            content = assemble(plan, tally, workspace, asked)
            workspace.publish()
            warn_of_sky(content, report)
        except KeyboardInterrupt:
            if workspace.kept:
                report(f"stopped{_kept(workspace, plan)}")
            raise
        except WorkersLost as lost:
            titles = ", ".join(task_input.task.title for task_input in lost.works)
            raise AstrokerasError(
                f"{titles}: the process working on it died {ATTEMPTS} times (out of memory?); "
                f"try again with fewer --workers{_kept(workspace, plan)}"
            ) from None
        except MemoryError:
            raise AstrokerasError(
                f"not enough memory; try again with fewer --workers{_kept(workspace, plan)}"
            ) from None
        except (OSError, CannotWrite) as error:
            raise AstrokerasError(f"cannot write {out}: {error.strerror or error}{_kept(workspace, plan)}") from None
    return content


def _compare_inputs(
    conversion: Conversion, content: dict[str, Any], workspace: Workspace, report: Report, progress: Progress
) -> None:
    """Read the images of a finished conversion again, with ``--resume``.

    Raises:
        AstrokerasError: one has changed, is gone or has come.
    """
    config = conversion.config
    if not config.running.resume:
        return
    images = [entry for entry in content["inputs"] if "crc32c" in entry or "files" in entry]
    total = sum(entry["bytes"] for entry in images)
    report(f"comparing the images ({total / 1e6:,.1f} MB) with their checksums")
    if any("files" in entry for entry in images):  # many small ones, of which only a task's together have a checksum
        plan = make_plan(conversion, lambda line: None)
        tasks = followed(plan.tasks, progress, "tasks", len(plan.tasks))
        now = [entry for task in tasks for entry in inputs_of(task_input_of(plan, task, workspace.path))]
        changed = "" if now == images else f"a file of {config.images.images}"
    else:
        entries = followed(images, progress, "images", len(images))
        wrong = (entry["path"] for entry in entries if describe_input(entry["path"]) != entry)
        changed = next(wrong, "")
    if changed:
        raise AstrokerasError(
            f"{config.running.out} is complete, but {changed} has changed since; use --overwrite to convert again"
        )


def find_objects(
    conversion: Conversion, kept: Path, report: Report, progress: Progress, executor: Executor | None
) -> Path:
    """Find the objects, and keep what is found in a directory where the work is stopped; return their catalogue."""

    def run(searches: list[Search]) -> Iterator[Found]:
        chosen = executor or _executor(conversion.config, len(searches), alone=not _searched(kept))
        try:
            yield from chosen.map(search_and_keep, searches)
        finally:
            if executor is None:
                chosen.close()

    try:
        return detect(conversion.cutting, conversion.detection, kept, run, report, progress)
    except KeyboardInterrupt:
        report(f"stopped; the objects of {_searched(kept)} fields are kept, and the same command goes on from there")
        raise
    except (WorkersLost, MemoryError) as error:
        fields = ", ".join(repr(search.field) for search in getattr(error, "works", ())) or "the fields"
        raise AstrokerasError(
            f"{fields}: not enough memory to find the objects, it seems; try again with fewer --workers"
        ) from None
    except (OSError, CannotWrite) as error:
        out = conversion.config.running.out
        raise AstrokerasError(f"cannot write beside {out}: {error.strerror or error}") from None


def _searched(kept: Path) -> int:
    return sum(1 for _ in kept.glob("*.npz"))


def _check_options(config: ConvertConfig) -> None:
    running = config.running
    if not re.fullmatch(r"[a-z][a-z0-9_]*", running.name):
        raise UsageError(
            f"--name {running.name}: expected lower-case letters, digits and _, as TensorFlow Datasets does"
        )
    if running.resume and running.overwrite:
        raise UsageError("--resume keeps what is there and --overwrite replaces it; use one of them")
    if not 0 <= running.max_reject_fraction <= 1:
        raise UsageError(f"--max-reject-fraction {running.max_reject_fraction}: expected a number from 0 to 1")
    if running.scheduler and running.workers:
        raise UsageError("--workers: with --scheduler the cluster decides how many there are")
    for option in ("images", "weight", "mask"):
        template = getattr(config.images, option)
        if running.scheduler and template and not Path(template).is_absolute():
            raise UsageError(f"--{option} {template}: with --scheduler an absolute path is needed, the same everywhere")


def _is_ours(out: Path) -> bool:
    return (out / CONVERT_JSON).is_file() or (out.is_dir() and not any(out.iterdir()))


def _kept(workspace: Workspace, plan: Plan) -> str:
    """Return what to add to a message when a rerun has something to go on from."""
    if not workspace.kept:
        return ""
    return f"; {workspace.kept} of {len(plan.tasks)} tasks are kept, and the same command goes on from there"


def _work_through(
    plan: Plan, workspace: Workspace, report: Report, progress: Progress, executor: Executor | None
) -> Tally:
    """Take what earlier runs have finished, and run the other tasks."""
    works = (task_input_of(plan, task, workspace.path) for task in plan.tasks)
    if workspace.kept:
        report(f"comparing what {workspace.kept} tasks have left with its checksums")
    finished = (
        {task_input.task.index: done for task_input in works if (done := workspace.finished(task_input))}
        if workspace.kept
        else {}
    )
    workspace.drop_strays({part.file for done in finished.values() for part in done.parts.values()}, len(plan.tasks))
    if finished:
        report(f"going on: {len(finished)} of {len(plan.tasks)} tasks are done already")
    missing = [task for task in plan.tasks if task.index not in finished]
    tally, own = Tally(plan), executor is None and missing
    if own:
        executor = _executor(plan.config, len(missing), alone=not finished)

    def stream() -> Iterator[TaskResult]:
        yield from finished.values()
        if missing:
            yield from executor.map(run_and_keep, (task_input_of(plan, task, workspace.path) for task in missing))

    try:
        for done in followed(stream(), progress, "tasks", len(plan.tasks)):
            tally.add(done)
    finally:
        if own:
            executor.close()
    return tally


def _executor(config: ConvertConfig, n_works: int, *, alone: bool) -> Executor:
    """Return where to run works.

    A single one is not worth a process, unless it is what is left of a run that may have been killed by it.
    """
    if config.running.scheduler:
        return DaskCluster(config.running.scheduler)
    workers = config.running.workers or os.cpu_count() or 1
    return SerialExecutor() if workers == 1 or (n_works == 1 and alone) else Pool(min(workers, n_works))


def task_input_of(plan: Plan, task: ConversionTask, directory: Path | None = None) -> TaskInput:
    """Return a task with its part of the catalogue; `directory` is where its results go, if anywhere."""
    catalog, rows = plan.catalog, task.rows
    return TaskInput(
        task=task,
        cutting=plan.cutting,
        max_bad_fraction=plan.config.stamps.max_bad_fraction,
        split_names=plan.split_names,
        ids=catalog.ids[rows],
        split=plan.split[rows],
        labels=catalog.labels[rows],
        magnitudes=catalog.magnitudes[rows],
        magnitude_errors=catalog.magnitude_errors[rows],
        columns={name: values[rows] for name, values in catalog.columns.items()},
        n_classes=len(catalog.classes),
        directory=str(directory.absolute()) if directory else "",
        measure=plan.config.photometry.measure,
        sky_stride=plan.sky_stride,
        seed=plan.config.running.seed,
    )


def _check_outcome(plan: Plan, tally: Tally, workspace: Workspace, report: Report) -> None:
    """Make sure that every row has come out once, and enough of them in the shards."""
    tally.check()
    counts = plan.rejects.counts()
    filtered = counts.pop(FILTERED, 0)
    failed, rows = sum(counts.values()), len(plan.catalog) - filtered
    if failed or filtered:
        report(f"{failed + filtered} of {len(plan.catalog)} rows rejected: {plan.rejects.summary()}")
    if not tally.parts["train"]:  # only other options can mend that, for which nothing that is done is of use
        workspace.clear()
        if not tally.kept:
            raise AstrokerasError(f"no catalogue row could be converted: {plan.rejects.summary()}")
        raise AstrokerasError("no row is left for the train split; give it a larger share (--splits)")
    share = plan.config.running.max_reject_fraction
    if failed > share * rows:
        table = workspace.path / REJECTS
        write_rejects(plan, table)
        raise AstrokerasError(
            f"{failed} of {rows} rows were rejected, more than --max-reject-fraction {share:g} allows: "
            f"{plan.rejects.summary()}; all of them stand in {table}; "
            "with a larger fraction the same command is done at once"
        )
