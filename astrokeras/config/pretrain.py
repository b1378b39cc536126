"""Options of ``astrokeras pretrain``."""

import dataclasses

from astrokeras.config.declare import MAX_MODEL_BYTES, MAX_SEED, option


@dataclasses.dataclass(frozen=True)
class PretrainConfig:
    """Options of ``astrokeras pretrain``."""

    records: str = option(help="Records directory.", group="Input and output", argument=True)
    out: str = option(help="Run directory to make.", group="Input and output")
    task: tuple[str, ...] = option(
        ("magnitudes",),
        "What the network learns to predict, as in rotation or 'magnitudes(loss=huber)'; once for each task.",
        group="Tasks",
        repeated=True,
    )
    task_weight: tuple[str, ...] = option(
        (), "Weights of the tasks' losses, as in 1,0.3.  [default: 1 each]", group="Tasks"
    )
    init: str = option(
        "scratch", "Weights to start from: scratch, imagenet, or the directory of an earlier run.", group="Network"
    )
    imagenet_weights: str | None = option(
        None, "With --init imagenet: file of the weights.  [default: Keras's own download]", group="Network"
    )
    backbone: str | None = option(
        None,
        "compact, or any network of keras.applications.  [default: compact, mobilenet_v2 or as --init RUN]",
        group="Network",
    )
    epochs: int = option(20, "Passes over the training records.", group="Training", minimum=1)
    batch_size: int = option(64, "Records a step, over all devices together.", group="Training", minimum=1)
    learning_rate: float = option(0.001, "Peak of the learning rate.", group="Training")
    optimizer: str = option(
        "adamw",
        "adamw, lamb (large batches) or sgd (Nesterov's momentum of 0.9).",
        group="Training",
        choices=("adamw", "lamb", "sgd"),
    )
    weight_decay: float = option(0.004, "Decoupled weight decay, times the learning rate a step.", group="Training")
    warm_up: float = option(
        0.05, "Rise of the learning rate: a share of the steps below 1, or their number.", group="Training"
    )
    schedule: str = option(
        "cosine",
        "What follows: half a cosine down to 0, or the same rate on.",
        group="Training",
        choices=("cosine", "constant"),
    )
    clip_norm: float | None = option(
        None, "Longest gradient, over all weights; longer ones are shortened.  [default: as they are]", group="Training"
    )
    average: float | None = option(
        None,
        "Use the weights' moving average over the steps, with this decay, as in 0.999.  [default: none]",
        group="Training",
    )
    patience: int | None = option(
        None,
        "Stop after this many epochs without a lower validation loss, and keep the best.  [default: never]",
        group="Training",
        minimum=1,
    )
    precision: str = option(
        "float32",
        "float32, bfloat16, float16, or what trains clearly faster here (auto).",
        group="Devices and running",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    size: int | None = option(
        None, "Crop the stamps to the middle SIZE pixels.  [default: as converted]", group="Input and output", minimum=1
    )
    resize: int | None = option(
        None, "Enlarge or shrink stamps to RESIZE pixels inside the encoder.", group="Input and output", minimum=1
    )
    stretch: str = option(
        "auto", "auto (asinh for fluxes, linear for JPEG and PNG levels), asinh or linear.", group="Input and output"
    )
    augment: str = option(
        "default",
        "default, none, or a chain as in 'dihedral|shift(2)|noise(0.5)': see the guide.",
        group="Input and output",
    )
    devices: str = option(
        "auto",
        "auto, cpu:N or gpu:N; multi-worker by TF_CONFIG or Slurm, once for each worker.",
        group="Devices and running",
    )
    worker_timeout: float = option(
        300.0, "Seconds that a worker waits for the others when it starts.", group="Devices and running"
    )
    deterministic: bool = option(
        False, "Use only operations that give the same bits every time (slower on GPUs).", group="Devices and running"
    )
    checkpoint_every: int | None = option(
        None,
        "Steps between checkpoints within an epoch.  [default: every 10 minutes]",
        group="Devices and running",
        minimum=1,
    )
    resume: bool = option(False, "Go on from the last whole checkpoint.", group="Input and output")
    overwrite: bool = option(
        False, "Replace an existing run directory, which stays until the new run is complete.", group="Input and output"
    )
    max_model_bytes: int = option(
        MAX_MODEL_BYTES, "Refuse models and files of weights that claim more bytes.", group="Network", minimum=1
    )
    seed: int = option(0, "Seed of everything random.", group="Devices and running", minimum=0, maximum=MAX_SEED)
