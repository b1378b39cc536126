"""Options of ``astrokeras embed``."""

import dataclasses

from astrokeras.config.declare import option
from astrokeras.config.over_objects import OverObjectsConfig


@dataclasses.dataclass(frozen=True)
class _EmbedArguments:
    encoder: str = option(help="Run directory, or an encoder's file (.keras).", group="Input and output", argument=True)
    data: str = option(help="Records directory, or an image template.", group="Input and output", argument=True)
    out: str = option(help="Table to write, .parquet.", group="Input and output")


@dataclasses.dataclass(frozen=True)
class EmbedConfig(OverObjectsConfig, _EmbedArguments):
    """Options of ``astrokeras embed``."""
