"""Options of ``astrokeras finetune``."""

import dataclasses

from astrokeras.config.declare import MAX_MODEL_BYTES, MAX_SEED, option

DEFAULT_IMAGENET_BACKBONE = "mobilenet_v2"


@dataclasses.dataclass(frozen=True)
class FinetuneConfig:
    """Options of ``astrokeras finetune``."""

    records: str = option(help="Records directory.", group="Input and output", argument=True)
    out: str = option(help="Run directory to make.", group="Input and output")
    init: tuple[str, ...] = option(
        ("scratch",),
        "scratch, imagenet, or the directory of a pre-training run; once for each arm.",
        group="Comparison",
        repeated=True,
    )
    budget: tuple[str, ...] = option(
        ("all",),
        "Number of labelled training objects, or all; once for each budget.",
        group="Comparison",
        repeated=True,
        numbers=True,
    )
    repeats: int = option(3, "Draws of the labelled objects; all arms share each draw.", group="Comparison", minimum=1)
    mode: str = option(
        "two-phase",
        "frozen: only the classifier is fitted; full: everything is trained; two-phase: one, then the other.",
        group="Comparison",
        choices=("frozen", "full", "two-phase"),
    )
    backbone: str | None = option(
        None,
        "Network of the scratch arm.  [default: that of the first pre-training run, else compact]",
        group="Comparison",
    )
    imagenet_backbone: str = option("mobilenet_v2", "Network of the imagenet arm.", group="Comparison")
    imagenet_weights: str | None = option(
        None, "Weights file for the imagenet arm.  [default: Keras's own download]", group="Comparison"
    )
    epochs: int = option(30, "Passes over the labelled objects.", group="Training", minimum=1)
    min_steps: int = option(
        200, "Train for at least this many steps, however few the labels.", group="Training", minimum=1
    )
    batch_size: int = option(32, "Records a step, over all devices together.", group="Training", minimum=1)
    learning_rate: float = option(0.001, "Peak of the learning rate.", group="Training")
    size: int | None = option(
        None,
        "Crop the stamps to the middle SIZE pixels.  [default: as pre-trained, or as converted]",
        group="Input and output",
        minimum=1,
    )
    resize: int | None = option(
        None,
        "Enlarge or shrink stamps to RESIZE pixels inside the encoder.  [default: as pre-trained]",
        group="Input and output",
        minimum=1,
    )
    stretch: str | None = option(
        None, "auto, asinh or linear.  [default: as pre-trained, else auto]", group="Input and output"
    )
    augment: str = option(
        "default",
        "default, none, or a chain as in 'dihedral|shift(2)|noise(0.5)': see the guide.",
        group="Input and output",
    )
    devices: str = option(
        "auto", "auto, cpu:N or gpu:N; more than one trains with MirroredStrategy.", group="Devices and running"
    )
    overwrite: bool = option(
        False, "Replace an existing run directory, which stays until the new run is complete.", group="Input and output"
    )
    max_model_bytes: int = option(
        MAX_MODEL_BYTES, "Refuse models and files of weights that claim more bytes.", group="Comparison", minimum=1
    )
    seed: int = option(0, "Seed of everything random.", group="Devices and running", minimum=0, maximum=MAX_SEED)
