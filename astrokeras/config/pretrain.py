"""Options of ``astrokeras pretrain``."""

import dataclasses

from astrokeras.config.declare import option
from astrokeras.config.training import TrainingOptions, changed


@dataclasses.dataclass(frozen=True)
class _Start:
    """Where it reads, writes and starts."""

    records: str = option(help="Records directory.", group="Input and output", argument=True)
    out: str = option(help="Run directory to make.", group="Input and output")
    init: str = option(
        "scratch",
        "Weights to start from: scratch, imagenet (three bands as they are, others mixed), imagenet:rgb, "
        "imagenet:inflate, imagenet:adapter, an encoder that comes with the package (see encoders), or the directory "
        "of an earlier run.",
        group="Network",
    )
    imagenet_weights: str | None = option(
        None, "With --init imagenet: file of the weights.  [default: Keras's own download]", group="Network"
    )
    imagenet_bands: tuple[str, ...] = option(
        (),
        "With --init imagenet:rgb: bands for red, green and blue, as in i,r,g.  [default: the middle ones of thirds]",
        group="Network",
    )
    backbone: str | None = option(
        None,
        "compact, or any network of keras.applications.  [default: compact, mobilenet_v2 or as --init RUN]",
        group="Network",
    )


@dataclasses.dataclass(frozen=True)
class PretrainConfig(TrainingOptions, _Start):
    """Options of ``astrokeras pretrain``."""

    task: tuple[str, ...] = changed(
        "task",
        ("magnitudes",),
        "What the network learns to predict, as in rotation or 'magnitudes(loss=huber)'; once for each task.",
    )
    patience: int | None = option(
        None,
        "Stop after this many epochs without a lower validation loss, and keep the best.  [default: never]",
        group="Training",
        minimum=1,
    )
    checkpoint_every: int | None = option(
        None,
        "Steps between checkpoints within an epoch.  [default: every 10 minutes]",
        group="Devices and running",
        minimum=1,
    )
    worker_timeout: float = option(
        300.0, "Seconds that a worker waits for the others when it starts.", group="Devices and running"
    )
