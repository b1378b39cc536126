"""Options of ``astrokeras export``."""

import dataclasses

from astrokeras.config.declare import MAX_MODEL_BYTES, MAX_SEED, option


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """Options of ``astrokeras export``."""

    run: str = option(help="Run directory.", group="Input and output", argument=True)
    out: str = option(help="Model directory, as TensorFlow Serving watches it: MODELS/NAME.", group="Input and output")
    version: int | None = option(
        None, "Version folder.  [default: one more than the last]", group="Input and output", minimum=1
    )
    check: bool = option(
        False,
        "Serve it in a fresh process and compare with the run's model, before it is put in place.",
        group="Input and output",
    )
    max_model_bytes: int = option(
        MAX_MODEL_BYTES, "Refuse models and files of weights that claim more bytes.", group="Running", minimum=1
    )
    seed: int = option(0, "Seed of everything random.", group="Running", minimum=0, maximum=MAX_SEED)
