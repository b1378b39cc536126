"""What commands that train have in common."""

import dataclasses
from typing import Any

from astrokeras.config.declare import MAX_MODEL_BYTES, MAX_SEED, declared, option


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """Options of every training."""

    task: tuple[str, ...] = option(
        (),
        "Pretext tasks, as in rotation or 'magnitudes(loss=huber)'; once for each.",
        group="Tasks",
        repeated=True,
    )
    task_weight: tuple[str, ...] = option(
        (), "Weights of the tasks' losses, as in 1,0.3.  [default: 1 each]", group="Tasks"
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
    deterministic: bool = option(
        False, "Use only operations that give the same bits every time (slower on GPUs).", group="Devices and running"
    )
    resume: bool = option(False, "Go on with a run that was stopped.", group="Input and output")
    overwrite: bool = option(
        False, "Replace an existing run directory, which stays until the new run is complete.", group="Input and output"
    )
    allow_leaks: bool = option(
        False,
        "Train even if objects of the test or validation split are, or were, trained on too.",
        group="Input and output",
    )
    max_model_bytes: int = option(
        MAX_MODEL_BYTES, "Refuse models and files of weights that claim more bytes.", group="Network", minimum=1
    )
    seed: int = option(0, "Seed of everything random.", group="Devices and running", minimum=0, maximum=MAX_SEED)


def changed(name: str, default: Any, help: str | None = None) -> Any:
    """Return the field of a training option for a command in which its default, or its help too, is another."""
    (field,) = (field for field in dataclasses.fields(TrainingOptions) if field.name == name)
    settings = dataclasses.asdict(declared(field))
    return option(default, **(settings if help is None else {**settings, "help": help}))
