"""Options of ``astrokeras suggest``."""

import dataclasses

from astrokeras.config.declare import MAX_CATALOG_BYTES, MAX_SEED, option


@dataclasses.dataclass(frozen=True)
class SuggestConfig:
    """Options of ``astrokeras suggest``."""

    embeddings: str = option(
        help="Embeddings, as embed writes them.", group="Input and output", argument=True, metavar="FILE.parquet"
    )
    out: str = option(help="Table to write: .parquet, .fits, .ecsv or .csv.", group="Input and output", metavar="TABLE")
    labels: str | None = option(
        None,
        "Labels so far, a table with id and label, beside those that the embeddings have.",
        group="Input and output",
        metavar="TABLE",
    )
    predictions: str | None = option(
        None,
        "Probabilities p_CLASS, as predict writes them.  [default: of a linear classifier on the embeddings]",
        group="Input and output",
        metavar="TABLE",
    )
    by: tuple[str, ...] = option(
        (),
        "Ways that choose in turn: margin, entropy, coverage.  [default: margin,coverage; without labels coverage]",
        group="Suggestions",
    )
    count: int = option(100, "How many objects to suggest.", group="Suggestions", minimum=1)
    split: str | None = option(
        None, "Suggest objects of this split, or of all.  [default: train, where it is known]", group="Suggestions"
    )
    overwrite: bool = option(False, "Replace an existing table.", group="Input and output")
    max_bytes: int = option(8 << 30, "Refuse embeddings that claim more bytes.", group="Running", minimum=1)
    max_catalog_bytes: int = option(
        MAX_CATALOG_BYTES, "Refuse tables that unpack to more bytes.", group="Running", minimum=1
    )
    seed: int = option(0, "Seed of everything random.", group="Running", maximum=MAX_SEED)
