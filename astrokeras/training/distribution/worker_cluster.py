"""Which workers train together and which of them this process is: from ``TF_CONFIG``, or from Slurm's environment.

``TF_CONFIG`` is TensorFlow's: ``{"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}``.
Of Slurm the variables that `srun` sets for each task of a step are read (its manual, "Output environment variables").
TensorFlow's own `SlurmClusterResolver` is not used: it sorts the hosts, whose order is that of the ranks, asks
`nvidia-smi`, which machines without GPUs lack, and shares out GPUs that Slurm may have bound to tasks already.
"""

import dataclasses
import itertools
import json
import re
from collections.abc import Iterator, Mapping

from astrokeras.errors import UsageError

MULTI_WORKER = "multi-worker"
_OPTION = f"--devices {MULTI_WORKER}"
_MOST_IN_A_RANGE = 10_000
# Of a list of hosts; commas within brackets are part of a host.
_HOST = r"(?:[^,\[\]\s]|\[[^\[\]]*\])+"
# Ports for Slurm's steps, below those that systems give to outgoing connections (from 32768 on Linux): so many first
# ones, and so many tasks of a step on one machine before they reach those of another step.
_FIRST_PORT, _STEPS, _TASKS = 12_000, 1_000, 16


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes that train together.

    Attributes:
        workers: ``host:port`` of each; the first one writes the run directory.
        index: of this process among them.
    """

    workers: tuple[str, ...]
    index: int

    @property
    def on_this_host(self) -> tuple[int, int]:
        """The place of this process among those on its machine, and how many they are."""
        host = _host(self.workers[self.index])
        here = [index for index, address in enumerate(self.workers) if _host(address) == host]
        return here.index(self.index), len(here)

    def name(self, index: int) -> str:
        """Return a worker for messages."""
        return f"worker {index} ({self.workers[index]})"


def find_cluster(environment: Mapping[str, str]) -> Cluster:
    """Return the cluster that the environment variables describe; ``TF_CONFIG`` comes before Slurm.

    Raises:
        UsageError: neither is there, or it can't be.
    """
    if "TF_CONFIG" in environment:
        return _from_tf_config(environment["TF_CONFIG"])
    if "SLURM_STEP_NODELIST" in environment:
        return _from_slurm(environment)
    if "SLURM_JOB_ID" in environment:
        raise UsageError(f"{_OPTION} within a Slurm job: start the command by srun, once for each worker")
    raise UsageError(
        f"{_OPTION}: there is neither TF_CONFIG in the environment, as in "
        '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}, nor Slurm'
    )


def _host(address: str) -> str:
    return address.rpartition(":")[0]


def _wrong(what: str) -> UsageError:
    return UsageError(f"{_OPTION}: TF_CONFIG {what}")


def _from_tf_config(text: str) -> Cluster:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise _wrong(f"is no JSON ({error})") from None
    if not isinstance(content, dict) or not isinstance(content.get("cluster"), dict):
        raise _wrong('has no "cluster", as in {"cluster": {"worker": ["host:port", …]}}')
    jobs, task = content["cluster"], content.get("task")
    unknown = sorted(set(jobs) - {"chief", "worker"})
    if unknown:
        raise _wrong(f'names {", ".join(unknown)} in "cluster"; expected "worker" and at most "chief" beside it')
    # The chief of older conventions is the first worker of ours.
    lists = {job: jobs[job] for job in ("chief", "worker") if job in jobs}
    for job, addresses in lists.items():
        if not isinstance(addresses, list) or not all(_is_address(address) for address in addresses):
            raise _wrong(f'needs a list of "host:port" for "{job}"')
    workers = tuple(itertools.chain(*lists.values()))
    if not workers:
        raise _wrong("names no workers")
    if len(set(workers)) < len(workers):
        raise _wrong("names an address twice")
    kind, index = _task(task, lists)
    return Cluster(workers, index + (len(lists.get("chief", [])) if kind == "worker" else 0))


def _task(task: object, lists: Mapping[str, list[str]]) -> tuple[str, int]:
    """Return the job that this process is of and its number within it."""
    kind, index = (task.get("type"), task.get("index")) if isinstance(task, dict) else (None, None)
    if isinstance(index, str) and index.isdecimal():
        index = int(index)
    if kind not in lists or type(index) is not int:
        raise _wrong('needs "task", as in {"type": "worker", "index": 0}, of a type that "cluster" has')
    if not 0 <= index < len(lists[kind]):
        raise _wrong(f'says that this is {kind} {index}, but "cluster" has {len(lists[kind])}, from 0')
    return kind, index


def _is_address(address: object) -> bool:
    found = re.fullmatch(r"[^\s/]+:(\d{1,5})", address) if isinstance(address, str) else None
    return found is not None and 0 < int(found[1]) < 2**16


def _from_slurm(environment: Mapping[str, str]) -> Cluster:
    def number(name: str) -> int:
        value = environment.get(name, "")
        if not value.isdecimal():
            raise UsageError(f"{_OPTION}: Slurm's {name} is {value or 'missing'}; start the command by srun")
        return int(value)

    hosts = expand_hosts(environment["SLURM_STEP_NODELIST"])
    tasks = _expand_tasks(environment.get("SLURM_STEP_TASKS_PER_NODE", ""))
    if len(tasks) != len(hosts):
        raise UsageError(
            f"{_OPTION}: Slurm names {len(hosts)} hosts (SLURM_STEP_NODELIST) but tasks on {len(tasks)} "
            "(SLURM_STEP_TASKS_PER_NODE)"
        )
    index, node, local = (number(f"SLURM_{name}") for name in ("PROCID", "NODEID", "LOCALID"))
    if node >= len(hosts) or local >= tasks[node] or index != sum(tasks[:node]) + local:
        raise UsageError(
            f"{_OPTION}: Slurm's task {index} is not where it would be if the nodes were filled one after the other; "
            "start it by srun --distribution=block"
        )
    step = number("SLURM_STEP_ID") if "SLURM_STEP_ID" in environment else 0
    port = _FIRST_PORT + (number("SLURM_JOB_ID") * 7 + step) % _STEPS * _TASKS
    workers = (f"{host}:{port + task}" for host, count in zip(hosts, tasks, strict=True) for task in range(count))
    return Cluster(tuple(workers), index)


def expand_hosts(text: str) -> list[str]:
    """Return the hosts of a list as Slurm writes it: ``gpu[01-03,7],login`` is gpu01, gpu02, gpu03, gpu7, login.

    Raises:
        UsageError: it is no such list.
    """
    if not re.fullmatch(f"{_HOST}(?:,{_HOST})*", text):
        raise _no_host_list(text)
    hosts: list[str] = []
    for part in re.findall(_HOST, text):
        pieces = re.split(r"\[([^\[\]]*)\]", part)
        choices = [list(_expand_ranges(piece, text)) if i % 2 else [piece] for i, piece in enumerate(pieces)]
        hosts.extend(map("".join, itertools.product(*choices)))
    return hosts


def _no_host_list(text: str) -> UsageError:
    return UsageError(f"{_OPTION}: Slurm's list of hosts can't be read: {text!r}; expected one like gpu[01-03,7]")


def _expand_ranges(text: str, whole: str) -> Iterator[str]:
    """Yield what stands in brackets: numbers and ranges, whose width is that of their first."""
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if found is None:
            raise _no_host_list(whole)
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last < first + _MOST_IN_A_RANGE:
            raise _no_host_list(whole)
        yield from (str(value).zfill(len(found[1])) for value in range(first, last + 1))


def _expand_tasks(text: str) -> list[int]:
    """Return the numbers of tasks on each node: ``2(x3),1`` is 2, 2, 2, 1."""
    counts: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d{1,5})(?:\(x(\d{1,5})\))?", part)
        if found is None:
            raise UsageError(f"{_OPTION}: Slurm's SLURM_STEP_TASKS_PER_NODE can't be read: {text!r}; use srun")
        counts.extend([int(found[1])] * int(found[2] or 1))
    return counts
