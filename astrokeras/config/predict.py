"""Options of ``astrokeras predict``."""

import dataclasses

from astrokeras.config.declare import option
from astrokeras.config.over_objects import OverObjectsConfig


@dataclasses.dataclass(frozen=True)
class _PredictArguments:
    run: str = option(help="Run directory.", group="Input and output", argument=True)
    data: str = option(help="Records directory, or an image template.", group="Input and output", argument=True)
    out: str = option(help="Table to write: .parquet, .fits, .ecsv or .csv.", group="Input and output")


@dataclasses.dataclass(frozen=True)
class PredictConfig(OverObjectsConfig, _PredictArguments):
    """Options of ``astrokeras predict``."""

    novelty: str | None = option(
        None,
        "Embeddings by the run's encoder: say how unlike its objects (labelled ones, if any) each one is.",
        group="Input and output",
        metavar="EMBEDDINGS",
    )
