"""Run a network over the pieces of objects, here, in processes or on a cluster, and keep what is done."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from astrokeras import __version__
from astrokeras.config import as_dict
from astrokeras.config.over_objects import OverObjectsConfig
from astrokeras.embedding.inference.images_subject import ImagesSubject, rejects_beside
from astrokeras.embedding.inference.job import Job, run_and_keep
from astrokeras.embedding.inference.network import Network
from astrokeras.embedding.inference.piece import Piece
from astrokeras.embedding.inference.piece_result import Result, is_whole, load
from astrokeras.embedding.inference.subject import RecordsSubject, Report, Subject, Takes, is_template
from astrokeras.embedding.inference.table_workspace import TableWorkspace
from astrokeras.errors import AstrokerasError
from astrokeras.parallel.dask_cluster import DaskCluster
from astrokeras.parallel.processes import ATTEMPTS, Executor, Pool, SerialExecutor, WorkersLost
from astrokeras.progress import Progress, followed
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training.distribution.strategy import make_strategy

# They say where and how, not what comes of it.
_NOT_RECORDED = (
    "run", "encoder", "data", "out", "devices", "workers", "scheduler", "resume", "overwrite", "max_model_bytes",
    "max_image_bytes", "max_catalog_bytes",
)  # fmt: skip


def recorded_options(config: OverObjectsConfig) -> dict[str, Any]:
    """Return the options that decide what stands in the table."""
    return {name: value for name, value in as_dict(config).items() if name not in _NOT_RECORDED}


def describe_work(
    kind: str, config: OverObjectsConfig, about_network: dict[str, Any], subject: Subject
) -> dict[str, Any]:
    """Return what decides what comes of the work, as it stands in the table's metadata."""
    return {
        "format": 1,
        "kind": kind,
        "encoder": about_network,
        **subject.about,
        "options": recorded_options(config),
        "version": __version__,
    }


def find_subject(takes: Takes, config: OverObjectsConfig, data: str, report: Report) -> Subject:
    """Return what a user names: records, or objects on images.

    Raises:
        AstrokerasError: they do not fit the network, or are damaged.
    """
    if is_template(data):
        return ImagesSubject(takes, config, data, report)
    return RecordsSubject(takes, RecordsDirectory.load(data), config.split, report)


def check_place(out: Path, config: OverObjectsConfig, data: str) -> None:
    """Refuse a table that exists, before any work is done.

    Raises:
        AstrokerasError: it exists, and nobody said that it may be replaced or be complete already.
    """
    unfinished = TableWorkspace(out).path.is_dir()  # a run may have been killed right after it was done
    for file in (out, rejects_beside(out)) if is_template(data) else (out,):
        if file.is_dir() or (file.exists() and not (config.overwrite or config.resume or unfinished)):
            raise AstrokerasError(f"{file} already exists; use --overwrite (for a file) or another --out")


def run_pieces(
    pieces: Sequence[Piece], network: Network, config: OverObjectsConfig, workspace: TableWorkspace, report: Report,
    progress: Progress, executor: Executor | None = None,
) -> Iterator[Result]:  # fmt: skip
    """Do what is not done yet, and give the results in the order of the pieces.

    Args:
        pieces: the objects.
        network: what is applied to them.
        config: how.
        workspace: where the results are kept; `TableWorkspace.begin` has been called.
        report: receives a line at a time.
        progress: shows how many pieces are done.
        executor: where to work; it stays open. None: as `config` says.

    Raises:
        AstrokerasError: the work failed; what is done is kept.
    """
    devices = _devices(config)
    jobs = [Job(piece, network, config.batch_size, devices, str(workspace.results.absolute())) for piece in pieces]
    try:
        _work_through(jobs, config, workspace, report, progress, executor)
    except KeyboardInterrupt:
        if workspace.kept:
            report(f"stopped{_kept(workspace, jobs)}")
        raise
    except WorkersLost:
        raise AstrokerasError(
            f"a process died {ATTEMPTS} times over the same objects (out of memory?); try again with fewer --workers "
            f"or a smaller --batch-size{_kept(workspace, jobs)}"
        ) from None
    except MemoryError:
        raise AstrokerasError(
            f"not enough memory; try again with fewer --workers or a smaller --batch-size{_kept(workspace, jobs)}"
        ) from None
    except OSError as error:
        raise AstrokerasError(
            f"cannot write {workspace.path}: {error.strerror or error}{_kept(workspace, jobs)}"
        ) from None
    return (load(job.path) for job in jobs)


def _work_through(
    jobs: Sequence[Job], config: OverObjectsConfig, workspace: TableWorkspace, report: Report, progress: Progress,
    executor: Executor | None,
) -> None:  # fmt: skip
    missing = [job for job in jobs if not is_whole(job.path, job.fingerprint)]
    if done := len(jobs) - len(missing):
        report(f"going on: {done} of {len(jobs)} pieces are done already")
    if not missing:
        return
    chosen = executor or _executor(config, len(missing))
    try:
        for _ in followed(_all(chosen, missing, done), progress, "pieces", len(jobs)):
            pass
    finally:
        if executor is None:
            chosen.close()


def _all(executor: Executor, missing: Sequence[Job], done: int) -> Iterator[object]:
    yield from range(done)
    yield from executor.map(run_and_keep, missing)


def _executor(config: OverObjectsConfig, count: int) -> Executor:
    if config.scheduler:
        return DaskCluster(config.scheduler)
    workers = min(config.workers or 1, count)
    return SerialExecutor() if workers == 1 else Pool(workers)


def _devices(config: OverObjectsConfig) -> tuple[str, ...]:
    """Return the devices of this process; those of a cluster's workers are their own matter."""
    if config.scheduler or (config.workers or 1) > 1:
        return ()
    strategy = make_strategy(config.devices)
    return strategy.extended.worker_devices if strategy.num_replicas_in_sync > 1 else ()


def _kept(workspace: TableWorkspace, jobs: Sequence[Job]) -> str:
    """Return what to add to a message when a rerun has something to go on from."""
    if not workspace.kept:
        return ""
    return f"; {workspace.kept} of {len(jobs)} pieces are kept, and the same command goes on from there"
