"""What a worker does: a piece through a network. It knows no Keras before it is at work, so that it stays quiet."""

import dataclasses
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from astrokeras import __version__
from astrokeras.chatter import without_chatter
from astrokeras.errors import AstrokerasError
from astrokeras.records.fingerprint import fingerprint

if TYPE_CHECKING:
    from astrokeras.embedding.inference.network import Network, Runner
    from astrokeras.embedding.inference.piece import Piece


@dataclasses.dataclass(frozen=True)
class Job:
    """A piece, the network, and where the result is kept.

    Attributes:
        piece: the objects.
        network: what is applied to them.
        batch_size: stamps a step.
        devices: of TensorFlow; the default one if empty.
        directory: of the results.
    """

    piece: "Piece"
    network: "Network"
    batch_size: int
    devices: tuple[str, ...]
    directory: str
    version: str = __version__

    @property
    def fingerprint(self) -> str:
        """The same for the same work, wherever its result goes and on how many devices it is done."""
        return fingerprint([self.piece.fingerprint, self.network, self.batch_size, self.version])

    @property
    def path(self) -> Path:
        """The file that keeps the result."""
        return Path(self.directory) / f"{self.piece.index:06d}.npz"


def run_and_keep(job: Job) -> int:
    """Do a job and keep its result; return the number of objects.

    Raises:
        AstrokerasError: this process runs another version, records are damaged, or the network is another.
        OSError: the result cannot be written.
    """
    if job.version != __version__:
        raise AstrokerasError(f"a worker runs astrokeras {__version__}, expected {job.version} as here")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with without_chatter():
        from astrokeras.embedding.inference import network, piece_result  # noqa: PLC0415

        runner = _runner(job.network, job.batch_size, job.devices)
    from astrokeras.embedding.inference.piece import ObjectsRead  # noqa: PLC0415

    found = ObjectsRead()
    batches = network.in_batches(job.piece.stamps(runner.side, found), job.batch_size)
    with runner:
        outputs = network.together(runner.outputs(batches), runner.empty)
    piece_result.save(piece_result.Result(outputs, found), job.path, job.fingerprint)
    return len(next(iter(outputs.values())))


@functools.lru_cache(maxsize=1)
def _runner(network: "Network", batch_size: int, devices: tuple[str, ...]) -> "Runner":
    """Return what runs the network in this process, which the next job of the kind takes again."""
    from astrokeras.embedding.inference.network import Runner  # noqa: PLC0415

    return Runner(network, batch_size, devices)
