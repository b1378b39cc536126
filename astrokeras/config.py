"""One frozen dataclass a command: every option with its default, written to the output as it was used.

The field names are the names of the options with ``-`` written ``_``; `cli.py` reads its defaults from
here, so that a default stands in one place.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

DEFAULT_SPLITS = "train=0.8,val=0.1,test=0.1"
DEFAULT_SPLIT_BY = "id"
DEFAULT_SIZE = 64
DEFAULT_IMAGENET_BACKBONE = "mobilenet_v2"
MAX_MODEL_BYTES = 2 << 30
MAX_CATALOG_BYTES = 4 << 30


@dataclasses.dataclass(frozen=True)
class SimulateConfig:
    """Options of ``astrokeras simulate``."""

    out: str
    fields: int = 4
    bands: tuple[str, ...] = ("u", "g", "r", "i", "z")
    size: int = 1024
    objects: int = 2000
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class ConvertConfig:
    """Options of ``astrokeras convert``."""

    images: str
    bands: tuple[str, ...]
    out: str
    survey: str | None = None
    name: str = "survey"
    catalog: str | None = None
    max_catalog_bytes: int = MAX_CATALOG_BYTES
    detect: str | None = None
    detect_threshold: float = 1.5
    detect_min_area: int = 5
    ext: str | None = None
    weight: str | None = None
    weight_ext: str | None = None
    mask: str | None = None
    mask_ext: str | None = None
    mask_bits: str | None = None
    valid: bool = False
    resample: bool = False
    hcompress: bool = False
    max_image_bytes: int = 4 << 30
    id_column: str | None = None
    ra_column: str | None = None
    dec_column: str | None = None
    x_column: str | None = None
    y_column: str | None = None
    origin: int | None = None
    field_column: str | None = None
    object_column: str | None = None
    magnitudes: str | None = None
    magnitude_errors: str | None = None
    measure: bool = False
    fluxes: str | None = None
    flux_errors: str | None = None
    flux_ivars: str | None = None
    flux_zero_point: float | None = None
    catalog_bands: tuple[str, ...] = ()
    zero_point: str | None = None
    pixel_scale: float | None = None
    label: str | None = None
    label_names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    where: str | None = None
    size: int | None = None
    splits: str | None = None
    split_by: str | None = None
    cell_size: float | None = None
    splits_from: str | None = None
    edge: str = "reject"
    max_bad_fraction: float = 0.1
    max_reject_fraction: float = 1.0
    workers: int | None = None
    scheduler: str | None = None
    resume: bool = False
    overwrite: bool = False
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class PretrainConfig:
    """Options of ``astrokeras pretrain``."""

    records: str
    out: str
    task: tuple[str, ...] = ("magnitudes",)
    task_weight: tuple[str, ...] = ()
    init: str = "scratch"
    imagenet_weights: str | None = None
    backbone: str | None = None
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 1e-3
    optimizer: str = "adamw"
    weight_decay: float = 0.004
    warm_up: float = 0.05
    schedule: str = "cosine"
    clip_norm: float | None = None
    average: float | None = None
    patience: int | None = None
    precision: str = "float32"
    size: int | None = None
    resize: int | None = None
    stretch: str = "auto"
    augment: str = "default"
    devices: str = "auto"
    worker_timeout: float = 300.0
    deterministic: bool = False
    checkpoint_every: int | None = None
    resume: bool = False
    overwrite: bool = False
    max_model_bytes: int = MAX_MODEL_BYTES
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class FinetuneConfig:
    """Options of ``astrokeras finetune``."""

    records: str
    out: str
    init: tuple[str, ...] = ("scratch",)
    budget: tuple[str, ...] = ("all",)
    repeats: int = 3
    mode: str = "two-phase"
    backbone: str | None = None
    imagenet_backbone: str = DEFAULT_IMAGENET_BACKBONE
    imagenet_weights: str | None = None
    epochs: int = 30
    min_steps: int = 200
    batch_size: int = 32
    learning_rate: float = 1e-3
    size: int | None = None
    resize: int | None = None
    stretch: str | None = None
    augment: str = "default"
    devices: str = "auto"
    overwrite: bool = False
    max_model_bytes: int = MAX_MODEL_BYTES
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """Options of ``astrokeras predict``."""

    run: str
    data: str
    out: str
    catalog: str | None = None
    split: str = "all"
    batch_size: int = 256
    zero_point: str | None = None
    weight: str | None = None
    weight_ext: str | None = None
    mask: str | None = None
    mask_ext: str | None = None
    mask_bits: str | None = None
    hcompress: bool = False
    edge: str | None = None
    max_image_bytes: int | None = None
    max_catalog_bytes: int = MAX_CATALOG_BYTES
    workers: int | None = None
    overwrite: bool = False
    max_model_bytes: int = MAX_MODEL_BYTES
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """Options of ``astrokeras export``."""

    run: str
    out: str
    version: int | None = None
    check: bool = False
    max_model_bytes: int = MAX_MODEL_BYTES
    seed: int = 0


def as_dict(config: Any) -> dict[str, Any]:
    """The options of a configuration, ready for JSON (tuples become lists)."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(config).items()}


def describe_changes(before: Mapping[str, Any], now: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """In words, which of the named options of `as_dict` are not as they were."""
    options = [(name, before.get(name), now.get(name)) for name in names]
    return [
        f"--{name.replace('_', '-')} was {_typed(was)} and is {_typed(is_)}"
        for name, was, is_ in options
        if was != is_ and _typed(was) != _typed(is_)
    ]


def _typed(value: Any) -> str:
    if value in (None, [], ""):
        return "not given"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def from_dict(kind: type, options: Mapping[str, Any]) -> Any:
    """A configuration from `as_dict`'s dictionary; lists become tuples again, unknown names are an error."""
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in options.items()})
