"""Options of ``astrokeras cluster``."""

import dataclasses

from astrokeras.config.declare import MAX_CATALOG_BYTES, MAX_SEED, option


@dataclasses.dataclass(frozen=True)
class ClusterConfig:
    """Options of ``astrokeras cluster``."""

    embeddings: str = option(
        help="Embeddings, as embed writes them.", group="Input and output", argument=True, metavar="FILE.parquet"
    )
    out: str = option(help="Table to write: .parquet, .fits, .ecsv or .csv.", group="Input and output", metavar="TABLE")
    page: str | None = option(
        None, "Page to write.  [default: the table's name with .html]", group="Input and output", metavar="FILE.html"
    )
    method: str = option("kmeans", "How groups are found.", group="Method", choices=("kmeans", "gmm", "hdbscan"))
    groups: int | None = option(
        None, "Of kmeans and gmm: how many.  [default: the number with the best silhouette]", group="Method", minimum=2
    )
    most_groups: int = option(12, "The most that are tried where --groups is not given.", group="Method", minimum=2)
    smallest: int = option(20, "Of hdbscan: objects of the smallest group.", group="Method", minimum=2)
    labels: str | None = option(
        None,
        "Labels to compare with, a table with id and label, beside the embeddings' own.",
        group="Input and output",
        metavar="TABLE",
    )
    examples: int = option(
        12, "Typical stamps of a group on the page, and as many at random.", group="Page", maximum=50
    )
    records: str | None = option(
        None, "Records with the stamps.  [default: those that were embedded]", group="Page", metavar="DIR"
    )
    viewer: str = option(
        "aladin", "Viewer of the sky that links lead to.", group="Page", choices=("aladin", "legacysurvey", "sdss")
    )
    overwrite: bool = option(False, "Replace existing files.", group="Input and output")
    max_catalog_bytes: int = option(
        MAX_CATALOG_BYTES, "Refuse tables that unpack to more bytes.", group="Running", minimum=1
    )
    seed: int = option(0, "Seed of everything random.", group="Running", maximum=MAX_SEED)
