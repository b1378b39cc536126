"""Training on several processes, of one machine or many, with `tf.distribute.MultiWorkerMirroredStrategy`.

Every worker runs the same program and gets its part of every batch. TensorFlow's collectives go in the order in which a
program starts them, so that whatever a worker decides by itself (its clock, a signal, a file) has to be agreed on
before the workers' ways could part: `ClusterWorkers`. What TensorFlow does when a worker is lost: the others miss its
heartbeats, within seconds all collectives are aborted, and the operation that waits for one raises.
"""

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.stream import Stream
from astrokeras.training.distribution import watchdog
from astrokeras.training.distribution.rendezvous import meet
from astrokeras.training.distribution.worker_cluster import Cluster
from astrokeras.training.distribution.workers import Workers

T = TypeVar("T")

# Seconds that TensorFlow may take to start at least.
_STARTING = 60.0
# Bytes that are sent at a time; each size is a graph of its own.
_HEADER, _SHORT, _LONG = 8, 2**12, 2**20


def start(
    cluster: Cluster, facts: Mapping[str, Any], patience: float
) -> tuple[tf.distribute.Strategy, "ClusterWorkers"]:
    """Join the other workers.

    Call it before anything else uses TensorFlow. Where several workers are on one machine that has GPUs, each takes its
    share of those that it sees, unless they were given out already (Slurm's --gpus-per-task, CUDA_VISIBLE_DEVICES).

    Args:
        cluster: the workers.
        facts: what all must have alike (of what JSON knows).
        patience: seconds to wait for the others.

    Raises:
        AstrokerasError: some did not come in time, this worker can't have its address, or there are not enough GPUs.
            Where one is lost after all came, the process ends by itself, see `watchdog.patience`.
        UsageError: the workers are not alike.
    """
    gpus = _own_gpus(cluster)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.workers)}),
        task_type="worker",
        task_id=cluster.index,
        num_accelerators={"GPU": gpus},
        rpc_layer="grpc",
    )
    meet(cluster, {**facts, "GPUs": gpus}, patience)
    others = {cluster.name(index): address for index, address in enumerate(cluster.workers) if index != cluster.index}
    # A worker that is lost within the seconds from here on would be waited for without end.
    with watchdog.patience(max(patience, _STARTING), others):
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
        except (tf.errors.OpError, RuntimeError) as error:
            raise AstrokerasError(f"{cluster.name(cluster.index)} can't start: {_one_line(error)}") from error
        # Every worker has equally many batches, all of them whole: it need not be agreed on at each step.
        strategy.extended.experimental_enable_get_next_as_optional = False
        workers = ClusterWorkers(strategy, cluster)
        with workers.guard():
            workers.any(False)
    return strategy, workers


def _one_line(error: Exception) -> str:
    return " ".join(str(getattr(error, "message", error)).split())[:300]


def _own_gpus(cluster: Cluster) -> int:
    """Return how many GPUs this worker uses; from here on it sees no others."""
    gpus = tf.config.list_physical_devices("GPU")
    place, count = cluster.on_this_host
    on_node = os.environ.get("SLURM_GPUS_ON_NODE", "")
    shared = "CUDA_VISIBLE_DEVICES" not in os.environ or on_node == str(len(gpus))
    if not gpus or count == 1 or not shared:
        return len(gpus)
    if len(gpus) % count:
        raise AstrokerasError(
            f"--devices multi-worker: {count} workers on one machine can't share its {len(gpus)} GPUs evenly; start "
            "fewer, or give each its own by CUDA_VISIBLE_DEVICES"
        )
    each = len(gpus) // count
    tf.config.set_visible_devices(gpus[place * each : (place + 1) * each], "GPU")
    return each


class ClusterWorkers(Workers):
    """See `Workers`; for outside the strategy's `run` alone.

    Args:
        strategy: of the workers.
        cluster: their addresses.
    """

    def __init__(self, strategy: tf.distribute.Strategy, cluster: Cluster) -> None:
        self.cluster = cluster
        self.count = len(cluster.workers)
        self.first = cluster.index == 0
        local = len(strategy.extended.worker_devices)

        def total(values: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # One replica speaks for the worker.
            speaks = context.replica_id_in_sync_group % local == 0
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(speaks, values, 0.0))

        self._total = tf.function(
            lambda values: strategy.experimental_local_results(strategy.run(total, args=(values,)))[0], autograph=False
        )

    def _sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sums over all workers; whole numbers below 2**24 are exact."""
        return self._total(tf.constant(values, tf.float32)).numpy()

    def any(self, flag: bool) -> bool:
        """See `Workers.any`."""
        return bool(self._sum(np.full(_HEADER, flag))[0] > 0)

    def most(self, value: float) -> float:
        """See `Workers.most`."""
        mine = np.arange(self.count) == self.cluster.index
        return float(self._sum(np.where(mine, value, 0.0)).max())

    def _bytes(self, content: bytes) -> bytes:
        """Return the first worker's bytes, on all."""
        content = content if self.first else b""
        header = len(content).to_bytes(_HEADER, "little") if self.first else bytes(_HEADER)
        length = int.from_bytes(self._sum(np.frombuffer(header, np.uint8)).astype(np.uint8).tobytes(), "little")
        parts = []
        size = _SHORT if length <= _SHORT else _LONG
        for begin in range(0, length, size):
            part = content[begin : begin + size].ljust(size, b"\0")
            parts.append(self._sum(np.frombuffer(part, np.uint8)).astype(np.uint8).tobytes())
        return b"".join(parts)[:length]

    def share(self, make: Callable[[], T]) -> T:
        """See `Workers.share`."""
        message, failed = {}, None
        if self.first:
            try:
                message = {"value": make()}
            except AstrokerasError as error:
                failed = error
                message = {"error": str(error), "exit_code": error.exit_code}
        message = json.loads(self._bytes(json.dumps(message).encode()))
        if failed is not None:
            raise failed
        if "error" in message:
            raise _Elsewhere(message["error"], message["exit_code"])
        return message["value"]

    def same(self, values: np.ndarray) -> np.ndarray:
        """See `Workers.same`."""
        return np.frombuffer(self._bytes(values.tobytes()), values.dtype).reshape(values.shape).copy()

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """See `Workers.guard`."""
        try:
            yield
        except tf.errors.OpError as error:
            if not re.search(r"ollective|/job:worker|heartbeat", error.message):
                raise
            raise AstrokerasError(
                f"{self._lost(error.message)} was lost: it ended, was killed, or can't be reached (its own log may say "
                "why); when all are back, the same command with --resume goes on"
            ) from error

    def _lost(self, message: str) -> str:
        """Return who it was, as far as the message says."""
        named = {int(index) for index in re.findall(r"/task:(\d+)", message)} - {self.cluster.index}
        known = sorted(index for index in named if index < len(self.cluster.workers))
        return self.cluster.name(known[0]) if len(known) == 1 else "another worker"


class _Elsewhere(AstrokerasError):
    """What the first worker failed with."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class WorkerStream(Stream):
    """A stream of which every worker has its part of each batch, in the order of their numbers.

    Each reads all records, since the shuffle is that of one device, but parses and augments its part alone.

    Args:
        whole: the stream of which this is a part; they share the fields that are added.
        strategy: of the workers.
        cluster: the workers.
    """

    def __init__(self, whole: Stream, strategy: tf.distribute.Strategy, cluster: Cluster) -> None:
        vars(self).update(vars(whole))
        self.part = (cluster.index, len(cluster.workers))
        self.strategy = strategy

    def training(self, epoch: int, batch_size: int, *asked: Any, **options: Any) -> tf.distribute.DistributedDataset:
        """See `Source.training`."""
        return self._distributed(super().training(epoch, batch_size, *asked, **options), batch_size)

    def evaluation(self, split: str, batch_size: int, *asked: Any) -> tf.distribute.DistributedDataset:
        """See `Source.evaluation`."""
        return self._distributed(super().evaluation(split, batch_size, *asked), batch_size)

    def _distributed(self, batches: tf.data.Dataset, batch_size: int) -> tf.distribute.DistributedDataset:
        # What is distributed is one device's after the other's.
        if len(self.strategy.extended.worker_devices) > 1:
            batches = batches.rebatch(batch_size // self.strategy.num_replicas_in_sync, drop_remainder=True)
        return self.strategy.distribute_datasets_from_function(lambda _: batches)
