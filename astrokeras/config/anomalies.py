"""Options of ``astrokeras anomalies``."""

import dataclasses

from astrokeras.config.declare import MAX_CATALOG_BYTES, MAX_SEED, option


@dataclasses.dataclass(frozen=True)
class AnomaliesConfig:
    """Options of ``astrokeras anomalies``."""

    embeddings: str = option(
        help="Embeddings, as embed writes them.", group="Input and output", argument=True, metavar="FILE.parquet"
    )
    out: str = option(help="Table to write: .parquet, .fits, .ecsv or .csv.", group="Input and output", metavar="TABLE")
    method: str = option(
        "gaussian",
        "Mahalanobis distance from a Gaussian, isolation forest, or local outlier factor.",
        group="Method",
        choices=("gaussian", "forest", "lof"),
    )
    normal: tuple[str, ...] = option(
        (), "Labels of the objects that are normal.  [default: all objects are taken for normal]", group="Method"
    )
    normal_split: str | None = option(None, "Take the objects of this split alone for normal.", group="Method")
    low_variance: float | None = option(
        None,
        "Of gaussian: only the directions that hold this share of the variance, the narrowest ones.",
        group="Method",
        minimum=1e-6,
        maximum=1.0,
    )
    false_alarms: float = option(
        0.01, "Share of normal objects that may be called anomalous.", group="Method", minimum=1e-9, maximum=0.5
    )
    threshold: str = option(
        "chi",
        "What gives that share: the chi distribution (of gaussian alone), or the scores of the normal objects.",
        group="Method",
        choices=("chi", "scores"),
    )
    neighbours: int = option(20, "Of lof: neighbours whose density is compared.", group="Method", minimum=1)
    feedback: str | None = option(
        None, "A table with id and label, by which objects are ranked anew.", group="Feedback", metavar="TABLE"
    )
    interesting: tuple[str, ...] = option(
        ("interesting",), "Labels in it that mean interesting; all others mean that it is not.", group="Feedback"
    )
    sheet: str | None = option(
        None, "Contact sheet of the most anomalous.", group="Input and output", metavar="FILE.png"
    )
    records: str | None = option(
        None, "Records with the stamps, for --sheet.  [default: those that were embedded]", group="Input and output"
    )
    overwrite: bool = option(False, "Replace existing files.", group="Input and output")
    max_catalog_bytes: int = option(
        MAX_CATALOG_BYTES, "Refuse tables that unpack to more bytes.", group="Running", minimum=1
    )
    seed: int = option(0, "Seed of everything random.", group="Running", maximum=MAX_SEED)
