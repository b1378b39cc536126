"""Options of ``astrokeras search``."""

import dataclasses

from astrokeras.config.declare import MAX_MODEL_BYTES, MAX_SEED, option


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """Options of ``astrokeras search``."""

    embeddings: str = option(help="Embeddings file.", group="Input and output", argument=True)
    out: str = option(help="Table to write: .parquet, .fits, .ecsv or .csv.", group="Input and output")
    id: tuple[str, ...] = option(
        (), "An object to find the like of; repeat it for several.", group="Queries", repeated=True
    )
    position: tuple[str, ...] = option(
        (),
        "RA,DEC in degrees, for the object there; repeat it for several.",
        group="Queries",
        repeated=True,
        metavar="RA,DEC",
    )
    radius: float = option(3.0, "Arcseconds within which --position finds an object.", group="Queries")
    queries: str | None = option(
        None,
        "Another embeddings file of the same encoder, with the objects asked for; all of them if none is named.",
        group="Queries",
        metavar="FILE.parquet",
    )
    image: tuple[str, ...] = option(
        (),
        "An image to find the like of, or its files by a name with {band}; repeat it for several.",
        group="Queries",
        repeated=True,
        metavar="FILE",
    )
    encoder: str | None = option(
        None,
        "With --image: the encoder that made the embeddings, a run or a file.  [default: the package's of that name]",
        group="Queries",
        metavar="RUN|NAME",
    )
    together: bool = option(
        False, "One list, of what is like the mean of the queries; otherwise a list for each.", group="Queries"
    )
    count: int = option(20, "Length of each list.", group="Search", minimum=1, maximum=100_000)
    metric: str = option("cosine", "Distance of embeddings.", group="Search", choices=("cosine", "euclidean"))
    engine: str = option(
        "exact",
        "What finds them: exact, in float64, or faiss, sooner for very many queries (pip install 'astrokeras[faiss]').",
        group="Search",
        choices=("exact", "faiss"),
    )
    sheet: str | None = option(None, "Contact sheet of the stamps.", group="Input and output", metavar="FILE.png")
    records: str | None = option(
        None,
        "Records with the stamps, for --sheet, and to cut an --image alike.  [default: those that were embedded]",
        group="Input and output",
    )
    overwrite: bool = option(False, "Replace existing files.", group="Input and output")
    max_model_bytes: int = option(
        MAX_MODEL_BYTES, "Refuse models and files of weights that claim more bytes.", group="Running", minimum=1
    )
    seed: int = option(0, "Nothing here is random; as for all commands.", group="Running", maximum=MAX_SEED)
