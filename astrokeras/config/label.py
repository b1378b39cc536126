"""Options of ``astrokeras label``."""

import dataclasses

from astrokeras.config.declare import MAX_CATALOG_BYTES, MAX_SEED, option


@dataclasses.dataclass(frozen=True)
class LabelConfig:
    """Options of ``astrokeras label``."""

    records: str = option(help="Records directory.", group="Input and output", argument=True, metavar="DIR")
    out: str = option(
        help="Table of labels to make or to go on with: id, label, time.",
        group="Input and output",
        metavar="FILE.csv",
    )
    classes: tuple[str, ...] = option(
        (),
        "Up to nine labels, for the keys 1 to 9.  [default: those of the records]",
        group="Labels",
    )
    suggestions: str | None = option(
        None,
        "Table whose ids are shown, in its order.  [default: all objects without a label, in random order]",
        group="Input and output",
        metavar="TABLE",
    )
    split: str = option("all", "Show objects of this split: train, val, test or all.", group="Labels")
    port: int = option(0, "Port of 127.0.0.1 to serve the page on; 0 is any.", group="Page", maximum=65535)
    viewer: str = option(
        "aladin",
        "Public sky viewer that a position is linked to.",
        group="Page",
        choices=("aladin", "legacysurvey", "sdss"),
    )
    max_catalog_bytes: int = option(
        MAX_CATALOG_BYTES, "Refuse tables that unpack to more bytes.", group="Running", minimum=1
    )
    seed: int = option(0, "Seed of the random order.", group="Running", maximum=MAX_SEED)
