"""``astrokeras suggest``."""

from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import SuggestConfig


def _run(config: SuggestConfig, console: Console) -> dict[str, Any]:
    from astrokeras.embedding.suggest import suggest  # noqa: PLC0415

    return suggest(config, console.report)


def _text(_: SuggestConfig, result: dict[str, Any]) -> str:
    turns = " in turn" if len(result["by"]) > 1 else ""
    return f"{result['out']}: {result['suggested']} objects, by {' and '.join(result['by'])}{turns}"


def _opened(config: SuggestConfig, _: dict[str, Any]) -> Any:
    from astrokeras.survey.tables import read_table  # noqa: PLC0415

    return read_table(config.out, text_columns=("id",))


SUGGEST = Command(
    "suggest",
    "Suggest which objects to label next.",
    SuggestConfig,
    _run,
    text=_text,
    opened=_opened,
    json=True,
    example='astrokeras.suggest("embeddings.parquet", labels="labels.csv", out="next.csv")',
    order=110,
)
