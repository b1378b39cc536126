"""Options of ``astrokeras simulate``."""

import dataclasses

from astrokeras.config.declare import MAX_SEED, option


@dataclasses.dataclass(frozen=True)
class SimulateConfig:
    """Options of ``astrokeras simulate``."""

    out: str = option(help="Directory to make.", group="Output")
    fields: int = option(4, "Number of image tiles; neighbours overlap.", group="Survey", minimum=1)
    bands: tuple[str, ...] = option(("u", "g", "r", "i", "z"), "Filters.", group="Survey")
    size: int = option(1024, "Side of a tile in pixels.", group="Survey", minimum=1)
    objects: int = option(2000, "Stars and galaxies in the whole survey.", group="Survey", minimum=1)
    visits: int = option(
        1, "Times that each field is imaged, with another seeing, sky and noise.", group="Survey", minimum=1
    )
    seed: int = option(0, "Seed of everything random.", group="Survey", minimum=0, maximum=MAX_SEED)
