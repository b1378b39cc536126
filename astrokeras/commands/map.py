"""``astrokeras map``."""

from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import MapConfig


def _run(config: MapConfig, console: Console) -> dict[str, Any]:
    from astrokeras.embedding.map import map_embeddings  # noqa: PLC0415

    return map_embeddings(config, console.report)


def _text(_: MapConfig, result: dict[str, Any]) -> str:
    page = f"{result['page']}: {result['points']:,} points, {result['stamps']:,} stamps"
    return "\n".join([f"{result['out']}: places of {result['objects']:,} objects", page, *result["figures"]])


def _opened(config: MapConfig, _: dict[str, Any]) -> Any:
    from astrokeras.survey.tables import read_table  # noqa: PLC0415

    return read_table(config.out)


MAP = Command(
    "map",
    "Lay embeddings out in two dimensions, as a page to explore.",
    MapConfig,
    _run,
    text=_text,
    opened=_opened,
    json=True,
    example='astrokeras.map("embeddings.parquet", "map.parquet", colour=("label", "magnitude_r"))',
    order=70,
)
