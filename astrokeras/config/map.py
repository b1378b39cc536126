"""Options of ``astrokeras map``."""

import dataclasses

from astrokeras.config.declare import MAX_SEED, option


@dataclasses.dataclass(frozen=True)
class MapConfig:
    """Options of ``astrokeras map``."""

    embeddings: str = option(help="Embeddings file.", group="Input and output", argument=True)
    out: str = option(help="Table to write: .parquet, .fits, .ecsv or .csv.", group="Input and output")
    page: str | None = option(
        None, "Page to write.  [default: the table's name with .html]", group="Input and output", metavar="FILE.html"
    )
    figure: tuple[str, ...] = option(
        (), "Figure for a paper; repeat it for both.", group="Input and output", repeated=True, metavar="FILE.png|.svg"
    )
    method: str = option("pca", "How two dimensions are made.", group="Map", choices=("pca", "tsne", "umap"))
    colour: tuple[str, ...] = option(
        (), "Columns that colour the points, the first at first.  [default: label]", group="Map"
    )
    sample: int | None = option(
        None, "Lay out so many objects, chosen at random.  [default: all]", group="Map", minimum=3
    )
    perplexity: float = option(30.0, "Of t-SNE: about how many neighbours an object heeds.", group="Map", minimum=1)
    neighbours: int = option(15, "Of UMAP: the same.", group="Map", minimum=2)
    points: int = option(
        100_000, "Most points of the page; of more a sample, over the density of all.", group="Page", minimum=1,
        maximum=1_000_000,
    )  # fmt: skip
    stamps: int = option(2500, "Most stamps of the page, spread over the map.", group="Page", maximum=20_000)
    stamp_size: int = option(48, "Their side in pixels.", group="Page", minimum=8, maximum=128)
    records: str | None = option(None, "Records with the stamps.  [default: those that were embedded]", group="Page")
    viewer: str = option(
        "aladin", "Viewer of the sky that links lead to.", group="Page", choices=("aladin", "legacysurvey", "sdss")
    )
    overwrite: bool = option(False, "Replace existing files.", group="Input and output")
    seed: int = option(0, "Seed of everything random.", group="Running", maximum=MAX_SEED)
