"""Options of ``astrokeras fewshot``."""

import dataclasses

from astrokeras.config.declare import MAX_CATALOG_BYTES, MAX_SEED, option


@dataclasses.dataclass(frozen=True)
class FewshotConfig:
    """Options of ``astrokeras fewshot``."""

    embeddings: str = option(
        help="Embeddings, as embed writes them.", group="Input and output", argument=True, metavar="FILE.parquet"
    )
    out: str = option(help="Table to write: .parquet, .fits, .ecsv or .csv.", group="Input and output", metavar="TABLE")
    labels: str | None = option(
        None,
        "Labels to learn from, a table with id and label, beside those that the embeddings have.",
        group="Input and output",
        metavar="TABLE",
    )
    held_out: str | None = option(
        None,
        "Labels to score by and not to learn from, beside those of the test split.",
        group="Input and output",
        metavar="TABLE",
    )
    method: str = option(
        "interpolated",
        "Whose predictions are written; scores are those of all.",
        group="Method",
        choices=("interpolated", "directions", "linear", "mean"),
    )
    neighbours: int = option(10, "Nearest objects that an embedding is mixed with.", group="Method", minimum=1)
    alpha: float = option(0.5, "Weight of an object's own embedding in each step.", group="Method", minimum=0)
    steps: int = option(3, "Steps over which embeddings are mixed.", group="Method", minimum=0, maximum=100)
    overwrite: bool = option(False, "Replace an existing table.", group="Input and output")
    max_bytes: int = option(8 << 30, "Refuse embeddings that claim more bytes.", group="Running", minimum=1)
    max_catalog_bytes: int = option(
        MAX_CATALOG_BYTES, "Refuse tables that unpack to more bytes.", group="Running", minimum=1
    )
    seed: int = option(0, "Seed of everything random.", group="Running", maximum=MAX_SEED)
