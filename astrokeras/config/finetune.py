"""Options of ``astrokeras finetune``."""

import dataclasses

from astrokeras.config.declare import option
from astrokeras.config.training import TrainingOptions, changed

DEFAULT_IMAGENET_BACKBONE = "mobilenet_v2"


@dataclasses.dataclass(frozen=True)
class _Comparison:
    """What is compared."""

    records: str = option(help="Records directory.", group="Input and output", argument=True)
    out: str = option(help="Run directory to make.", group="Input and output")
    target: tuple[str, ...] = option(
        ("class",), "What is learned from labels; once for each target.", group="Comparison", repeated=True
    )
    target_weight: tuple[str, ...] = option(
        (), "Weights of the targets' losses, as in 1,0.3.  [default: 1 each]", group="Comparison"
    )
    labels: str | None = option(
        None,
        "Table of labels, joined by id.  [default: what stood in the catalogue at conversion]",
        group="Labels",
        metavar="TABLE",
    )
    id_column: str | None = option(
        None, "With --labels: column of the ids.  [default: id, objid, source_id, …]", group="Labels"
    )
    split_column: str | None = option(
        None, "With --labels: column that says of each object whether it is in train, val or test.", group="Labels"
    )
    label_names: tuple[str, ...] = option((), "Names of classes, as in 0=star,1=galaxy.", group="Labels")
    class_weights: str = option(
        "none",
        "balanced: each class of the first target counts alike, however many objects it has.",
        group="Labels",
        choices=("none", "balanced"),
    )
    init: tuple[str, ...] = option(
        ("scratch",),
        "scratch, imagenet (three bands as they are, others mixed), imagenet:rgb (three bands chosen), "
        "imagenet:inflate (all bands in the first convolution), imagenet:adapter (a mixture that is learned), an "
        "encoder that comes with the package (see encoders), or the directory of an earlier run; A+B for the mean of "
        "two arms' predictions, 'A|B' for two encoders side by side; once for each arm.",
        group="Comparison",
        repeated=True,
    )
    budget: tuple[str, ...] = option(
        ("all",),
        "Number of labelled training objects, or of each class (25/class), or all; once for each budget.",
        group="Comparison",
        repeated=True,
        numbers=True,
    )
    repeats: int = option(3, "Draws of the labelled objects; all arms share each draw.", group="Comparison", minimum=1)
    mode: str = option(
        "search",
        "search: each fit chooses, by trials within its labels; frozen: only the classifier is fitted; full: all is "
        "trained; two-phase: one, then the other; side: a small network beside the encoder is trained; fewshot: "
        "features of all objects are interpolated among neighbours, which answers for these objects only.",
        group="Comparison",
        choices=("search", "frozen", "full", "two-phase", "side", "fewshot"),
    )
    slice_by: tuple[str, ...] = option(
        (),
        "Column by whose quantiles scores are told too: a carried one, or a band for its magnitude; once for each.  "
        "[default: a magnitude and a radius, where there are any]",
        group="Comparison",
        repeated=True,
        metavar="COLUMN",
    )
    trials: int = option(
        6, "With --mode search: what every fit chooses from.", group="Comparison", minimum=2, maximum=10
    )
    tune: int = option(
        0,
        "Further trials of every fit by Optuna: rate, decay, augmentation, layers that are trained.",
        group="Comparison",
    )
    turns: bool = option(
        False,
        "Embed each stamp as the mean over its eight flips and turns, in the saved model too (eight times the work).",
        group="Comparison",
    )
    backbone: tuple[str, ...] = option(
        (),
        "Network of the scratch arm; several for an arm of each, from scratch and ImageNet.  [default: that of the "
        "first run, else compact]",
        group="Comparison",
        repeated=True,
    )
    imagenet_backbone: str = option("mobilenet_v2", "Network of the imagenet arms.", group="Comparison")
    imagenet_weights: str | None = option(
        None, "Weights file for the imagenet arms.  [default: Keras's own download]", group="Comparison"
    )
    imagenet_bands: tuple[str, ...] = option(
        (),
        "With --init imagenet:rgb: bands for red, green and blue, as in i,r,g.  [default: the middle ones of thirds]",
        group="Comparison",
    )


@dataclasses.dataclass(frozen=True)
class FinetuneConfig(TrainingOptions, _Comparison):
    """Options of ``astrokeras finetune``."""

    task: tuple[str, ...] = changed(
        "task", (), "Pretext tasks to go on with beside the targets, as in rotation; once for each."
    )
    epochs: int = changed("epochs", 30, "Passes over the labelled objects.")
    batch_size: int = changed("batch_size", 32)
    weight_decay: float = changed("weight_decay", 1e-4)
    warm_up: float = changed("warm_up", 0.1)
    size: int | None = changed(
        "size", None, "Crop the stamps to the middle SIZE pixels.  [default: as pre-trained, or as converted]"
    )
    resize: int | None = changed(
        "resize", None, "Enlarge or shrink stamps to RESIZE pixels inside the encoder.  [default: as pre-trained]"
    )
    stretch: str | None = changed("stretch", None, "auto, asinh or linear.  [default: as pre-trained, else auto]")
    devices: str = changed("devices", "auto", "auto, cpu:N or gpu:N; more than one trains with MirroredStrategy.")
    resume: bool = changed(
        "resume", False, "Finish what is missing of a comparison that was stopped, or partly failed."
    )
    min_steps: int = option(
        200, "Train for at least this many steps, however few the labels.", group="Training", minimum=1
    )
