"""``astrokeras search``."""

from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import SearchConfig


def _run(config: SearchConfig, console: Console) -> dict[str, Any]:
    from astrokeras.commands.backend import import_keras  # noqa: PLC0415
    from astrokeras.embedding.search import search  # noqa: PLC0415

    if config.image:
        import_keras(tensorflow=False)
    return search(config, console.report)


def _text(_: SearchConfig, result: dict[str, Any]) -> str:
    lines = [f"{row['distance']:10.4g}  {row['id']}  (like {row['query']})" for row in result["neighbours"]]
    head = f"{result['out']}: the nearest among {result['rows']:,} objects to {result['queries']}"
    return "\n".join([head, *lines])


def _opened(config: SearchConfig, _: dict[str, Any]) -> Any:
    from astrokeras.survey.tables import read_table  # noqa: PLC0415

    return read_table(config.out)


SEARCH = Command(
    "search",
    "Find the objects that are most like some, or like an image, by their embeddings.",
    SearchConfig,
    _run,
    text=_text,
    opened=_opened,
    json=True,
    example='astrokeras.search("embeddings.parquet", "like.csv", id=("1237648720693755918",), count=20)',
    order=80,
)
