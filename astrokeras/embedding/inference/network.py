"""A network applied to stamps in batches of one size, on all devices of this process."""

import abc
import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from astrokeras.config import MAX_MODEL_BYTES
from astrokeras.errors import AstrokerasError
from astrokeras.registration import plugins

Outputs = dict[str, np.ndarray]
_AHEAD = 2  # batches that are read before a device wants them


class Network(abc.ABC):
    """How to get a network, in whatever process: a frozen dataclass, which is sent to workers instead of the weights.

    Example:
        >>> import dataclasses
        >>> @dataclasses.dataclass(frozen=True)
        ... class Mean(Network):
        ...     side: int
        ...     def load(self):
        ...         flux = keras.Input((self.side, self.side, 3))
        ...         return keras.Model(flux, {"mean": keras.ops.mean(flux, axis=(1, 2))})
        >>> with Runner(Mean(8), 4) as runner:
        ...     found = list(runner.outputs([(np.ones((4, 8, 8, 3), np.float32), 2)]))
        >>> found[0]["mean"].shape
        (2, 3)
    """

    @abc.abstractmethod
    def load(self) -> keras.Model:
        """Return a model from flux [N, S, S, B] to a dictionary of outputs [N, ...].

        Raises:
            AstrokerasError: it cannot be read, or is another than it was.
        """


@dataclasses.dataclass(frozen=True)
class KeptNetwork(Network):
    """A network on the disk, which has to be the one that some work began with.

    Attributes:
        path: of its file, or of the directory of its run.
        sha256: its `checksum`.
        max_bytes: see `models.limits`.
    """

    path: str
    sha256: str
    max_bytes: int = MAX_MODEL_BYTES

    @classmethod
    @abc.abstractmethod
    def checksum(cls, path: Path) -> str:
        """Return one checksum of the files that hold the weights.

        Raises:
            AstrokerasError: there are none.
        """

    @abc.abstractmethod
    def read(self) -> keras.Model:
        """Return the model; see `load`."""

    def load(self) -> keras.Model:
        """See `Network.load`."""
        plugins()
        if self.checksum(Path(self.path)) != self.sha256:
            raise AstrokerasError(f"{self.path} is not what the work began with; begin again with --overwrite")
        return self.read()


@functools.lru_cache(maxsize=1)
def loaded(network: Network) -> keras.Model:
    """Return the model of a network, which is kept until that of another is asked for."""
    return network.load()


class Runner:
    """Gives the outputs of a network for batches of one size, which all devices take in turn.

    A batch is computed whole by one device, so that the outputs do not depend on the number of devices.

    Args:
        network: which.
        batch_size: N; a batch with fewer stamps is filled up.
        devices: names of TensorFlow's devices; the default one if empty, or with another backend of Keras.

    Attributes:
        side: of the stamps, in pixels.
        empty: the outputs for no stamps.
    """

    def __init__(self, network: Network, batch_size: int, devices: Sequence[str] = ()) -> None:
        self.batch_size = batch_size
        self._functions, self._threads = [], []
        for number, device in enumerate(devices or [""]):
            with _on(device):
                model = network.load() if number else loaded(network)
                self._functions.append(_compiled(model, batch_size, device))
        model = loaded(network)
        self.side = model.input_shape[1]
        self.empty = empty_outputs(model)

    def __enter__(self) -> "Runner":
        self._threads = [concurrent.futures.ThreadPoolExecutor(1) for _ in self._functions]
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.shutdown(cancel_futures=True)

    def outputs(self, batches: Iterable[tuple[np.ndarray, int]]) -> Iterator[Outputs]:
        """Give the outputs for each batch, in order; the next batches are read while a device is at work.

        Shapes:
            flux [batch_size, S, S, B] and how many of them are stamps, n -> outputs [n, ...]

        Raises:
            AstrokerasError: a device has not enough memory.
        """
        waiting: collections.deque[tuple[int, concurrent.futures.Future]] = collections.deque()
        count = len(self._functions)
        with contextlib.closing(read_ahead(batches, _AHEAD * count)) as read:
            for number, (flux, n) in enumerate(read):
                future = self._threads[number % count].submit(self._functions[number % count], flux)
                waiting.append((n, future))
                if len(waiting) > count:
                    yield self._finished(*waiting.popleft())
            while waiting:
                yield self._finished(*waiting.popleft())

    def _finished(self, n: int, future: concurrent.futures.Future) -> Outputs:
        try:
            return {name: values[:n] for name, values in future.result().items()}
        except Exception as error:
            if type(error).__name__ != "ResourceExhaustedError":  # TensorFlow's
                raise
            raise AstrokerasError(
                f"a batch of {self.batch_size} stamps does not fit into the memory of the device; "
                "use a smaller --batch-size"
            ) from None


def empty_outputs(model: keras.Model) -> Outputs:
    """Return the outputs of a `Network`'s model for no stamps."""
    symbolic = model(keras.KerasTensor(model.input_shape, "float32"))
    return {name: np.empty((0, *value.shape[1:]), np.float32) for name, value in symbolic.items()}


def in_batches(chunks: Iterable[np.ndarray], batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Gather stamps into batches of one size; the last one is filled up with zeros.

    Shapes:
        [any number, S, S, B] -> ([batch_size, S, S, B] float32, how many of them are stamps)
    """
    batch, filled = np.empty(0, np.float32), 0
    for chunk in chunks:
        start = 0
        while start < len(chunk):
            if not filled:
                batch = np.empty((batch_size, *chunk.shape[1:]), np.float32)
            taken = min(batch_size - filled, len(chunk) - start)
            batch[filled : filled + taken] = chunk[start : start + taken]
            start, filled = start + taken, filled + taken
            if filled == batch_size:
                yield batch, filled
                filled = 0
    if filled:
        batch[filled:] = 0
        yield batch, filled


def together(parts: Iterable[Outputs], empty: Outputs) -> Outputs:
    """Return the outputs of batches in one; `empty` if there are none."""
    parts = list(parts) or [empty]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def read_ahead(items: Iterable[Any], count: int) -> Iterator[Any]:
    """Give the items, `count` of which a thread takes before they are wanted."""
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(count)
    left = threading.Event()

    def put(*entry: Any) -> bool:
        while not left.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(entry, timeout=0.2)
                return True
        return False

    def take() -> None:
        try:
            for item in items:
                if not put("item", item):
                    return
            put("end", None)
        except BaseException as error:
            put("error", error)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    try:
        while (entry := ready.get())[0] == "item":
            yield entry[1]
        if entry[0] == "error":
            raise entry[1]
    finally:
        left.set()
        thread.join()


@contextlib.contextmanager
def _on(device: str) -> Iterator[None]:
    if not device or keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf  # noqa: PLC0415 - the other backends do without

    with tf.device(device):
        yield


def _compiled(model: keras.Model, batch_size: int, device: str) -> Callable[[np.ndarray], Outputs]:
    """Return the model as a function of a batch, which gives arrays."""
    if keras.backend.backend() != "tensorflow":
        return model.predict_on_batch
    import tensorflow as tf  # noqa: PLC0415

    spec = tf.TensorSpec((batch_size, *model.input_shape[1:]), tf.float32)
    function = tf.function(lambda flux: model(flux, training=False), input_signature=[spec], autograph=False)

    def run(flux: np.ndarray) -> Outputs:
        with _on(device):
            return {name: values.numpy() for name, values in function(tf.constant(flux)).items()}

    return run
