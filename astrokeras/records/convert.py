"""Convert a survey's images and catalogue to TFRecords: plan, work in parallel, and put the result in place at once."""

import contextlib
import dataclasses
import multiprocessing
import os
import re
import shutil
import signal
import threading
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
from astropy.table import Table

from astrokeras import __version__
from astrokeras.config import ConvertConfig, as_dict
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.metadata import (
    CONVERT_JSON,
    RECORDS_FORMAT,
    REJECTS,
    fingerprint,
    write_json,
    write_tfds_files,
)
from astrokeras.records.plan import Plan, Task, count_reasons, make_plan
from astrokeras.records.work import Done, Work, describe_file, run
from astrokeras.survey.tables import write_table

Report = Callable[[str], None]
Progress = Callable[[Iterable, int], Iterable]

# Options that say how the work is done, not what comes of it.
_NOT_RECORDED = ("out", "workers", "overwrite")


def convert(config: ConvertConfig, report: Report = print, progress: Progress = lambda items, _: items) -> dict:
    """Convert the survey that `config` describes.

    Args:
        config: the options.
        report: receives one line at a time about what is found.
        progress: wraps the stream of finished tasks, given their number.

    Returns:
        The content of ``convert.json``.

    Raises:
        AstrokerasError: nothing could be converted, or `config.out` is taken. Nothing is left behind.
    """
    out = Path(config.out)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", config.name):
        raise UsageError(
            f"--name {config.name}: expected lower-case letters, digits and _, as TensorFlow Datasets does"
        )
    if out.exists() and not (config.overwrite and _is_ours(out)):
        hint = (
            "use --overwrite or another --out" if _is_ours(out) else "it is no records directory; choose another --out"
        )
        raise AstrokerasError(f"{out} already exists; {hint}")
    plan = make_plan(config, report)
    unique = uuid.uuid4().hex[:8]  # process numbers repeat from container to container
    working, old = (out.with_name(f".{out.name}.{what}-{unique}") for what in ("part", "old"))
    try:
        working.mkdir(parents=True)
    except OSError as error:
        raise AstrokerasError(f"cannot write beside {out}: {error.strerror}") from None
    try:
        content = _fill(plan, working, report, progress)
        if out.exists():
            out.rename(old)
        working.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise AstrokerasError(f"cannot write {out}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(working, ignore_errors=True)
        if old.exists() and not out.exists():
            old.rename(out)
    return content


def _is_ours(out: Path) -> bool:
    return (out / CONVERT_JSON).is_file() or (out.is_dir() and not any(out.iterdir()))


def _fill(plan: Plan, working: Path, report: Report, progress: Progress) -> dict:
    done = list(progress(_run_all(plan, working), len(plan.tasks)))
    for result in done:
        for row, reason, detail in result.rejects:
            plan.reject([row], reason, detail)
    kept = np.concatenate([result.kept for result in done])
    if len(kept) + len(plan.rejects) != len(plan.catalog):
        raise AstrokerasError(
            f"{len(plan.catalog)} rows went in, {len(kept)} came out and {len(plan.rejects)} were rejected: "
            "this is a defect of astrokeras"
        )
    if plan.rejects:
        report(f"{len(plan.rejects)} of {len(plan.catalog)} rows rejected: {count_reasons(plan.rejects)}")
    if not len(kept):
        raise AstrokerasError(f"no catalogue row could be converted: {count_reasons(plan.rejects)}")
    if not np.any(plan.split[kept] == 0):
        raise AstrokerasError("no row is left for the train split; give it a larger share (--splits)")
    content = _content(plan, working, done, kept)
    write_tfds_files(
        working, plan.config.name, plan.config.size, len(plan.config.bands), plan.catalog.classes,
        plan.config.columns, content["splits"],
    )  # fmt: skip
    write_table(_reject_table(plan), working / REJECTS)
    write_json(working / CONVERT_JSON, content)
    return content


def _run_all(plan: Plan, working: Path) -> Iterator[Done]:
    """Run the tasks, in their order, on as many processes as there is work for."""
    works = (_work(plan, task, working) for task in plan.tasks)
    workers = min(plan.config.workers or os.cpu_count() or 1, len(plan.tasks))
    if workers <= 1:
        yield from map(run, works)
        return
    # Spawned, not forked: a fork copies whatever threads and locks the caller happens to hold.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, context) as pool:
            try:
                with _interrupts_ignored():
                    results = pool.map(run, works)
                yield from results
            except BaseException:  # an interrupt too: what has not begun is not begun, or leaving would wait for it
                pool.shutdown(cancel_futures=True)
                raise
    except BrokenProcessPool:
        raise AstrokerasError("a worker process died (out of memory?); try again with fewer --workers") from None


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Start processes that leave an interrupt to this one, which they would answer with a traceback each."""
    if threading.current_thread() is not threading.main_thread():  # where signals cannot be set, nor do they arrive
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(plan: Plan, task: Task, working: Path) -> Work:
    catalog, rows, config = plan.catalog, task.rows, plan.config
    return Work(
        task=task,
        cutting=plan.cutting,
        max_bad_fraction=config.max_bad_fraction,
        split_names=tuple(plan.shares),
        ids=catalog.ids[rows],
        split=plan.split[rows],
        labels=catalog.labels[rows],
        magnitudes=catalog.magnitudes[rows],
        magnitude_errors=catalog.magnitude_errors[rows],
        columns={name: values[rows] for name, values in catalog.columns.items()},
        directory=str(working),
    )


def _content(plan: Plan, working: Path, done: list[Done], kept: np.ndarray) -> dict:
    splits = {name: _split_content(plan, working, done, kept, index) for index, name in enumerate(plan.shares)}
    checksums = [shard["sha256"] for split in splits.values() for shard in split["shards"]]
    sky, noise = _survey_sky(done)
    reasons = [reason for reason, _ in plan.rejects.values()]
    return {
        "records_format": RECORDS_FORMAT,
        "astrokeras": __version__,
        "name": plan.config.name,
        "bands": list(plan.config.bands),
        "size": plan.config.size,
        "unit": plan.cutting.unit,
        "classes": list(plan.catalog.classes),
        "columns": list(plan.config.columns),
        "sky": sky,
        "noise": noise,
        "rows": len(plan.catalog),
        "rejects": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
        "split_by": plan.split_description,
        "splits": splits,
        "fingerprint": fingerprint(checksums),
        "catalog_columns": plan.catalog.used,
        "options": {k: v for k, v in as_dict(plan.config).items() if k not in _NOT_RECORDED},
        "inputs": [
            *([describe_file(Path(plan.config.catalog))] if plan.config.catalog else []),
            *(entry for result in done for entry in result.inputs),
        ],
    }


def _split_content(plan: Plan, working: Path, done: list[Done], kept: np.ndarray, index: int) -> dict:
    """Give a split's shards their final names and count what is in them."""
    name = list(plan.shares)[index]
    parts = [result.shards[name] for result in done if name in result.shards]
    shards = []
    for number, (temporary, shard) in enumerate(parts):
        file = f"{plan.config.name}-{name}.tfrecord-{number:05d}-of-{len(parts):05d}"
        (working / temporary).rename(working / file)
        shards.append({"file": file, **dataclasses.asdict(shard)})
    rows = kept[plan.split[kept] == index]
    labels = plan.catalog.labels[rows]
    magnitudes = np.isfinite(plan.catalog.magnitudes[rows]).sum(axis=0)
    return {
        "count": len(rows),
        "labels": {c: int(np.sum(labels == i)) for i, c in enumerate(plan.catalog.classes)},
        "unlabelled": int(np.sum(labels < 0)),
        "magnitudes": dict(zip(plan.config.bands, magnitudes.tolist(), strict=True)),
        "shards": shards,
    }


def _survey_sky(done: list[Done]) -> tuple[list[float], list[float]]:
    """Median sky level and noise of each band over all training stamps; 1 for a noise that cannot be measured."""
    levels = np.concatenate([result.sky for result in done])
    noises = np.concatenate([result.noise for result in done])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        level, noise = np.nanmedian(levels, axis=0), np.nanmedian(noises, axis=0)
    usable = np.isfinite(noise) & (noise > 0)
    return np.nan_to_num(level).tolist(), np.where(usable, noise, 1.0).tolist()


def _reject_table(plan: Plan) -> Table:
    rows = sorted(plan.rejects)
    ids = [str(plan.catalog.ids[row]) for row in rows]
    reasons = [plan.rejects[row][0] for row in rows]
    details = [plan.rejects[row][1] for row in rows]
    return Table({"id": ids, "reason": reasons, "detail": details}, dtype=[str, str, str])
