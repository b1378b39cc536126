"""``astrokeras anomalies``."""

from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import AnomaliesConfig


def _run(config: AnomaliesConfig, console: Console) -> dict[str, Any]:
    from astrokeras.embedding.anomalies import anomalies  # noqa: PLC0415

    return anomalies(config, console.report)


def _text(config: AnomaliesConfig, result: dict[str, Any]) -> str:
    return (
        f"{result['out']}: {result['anomalous']:,} of {result['objects']:,} objects are anomalous (score above "
        f"{result['threshold']:.4g}), {result['anomalous_of_normal']:.2%} of the normal ones, where "
        f"{config.false_alarms:.2%} were to be expected"
    )


def _opened(config: AnomaliesConfig, _: dict[str, Any]) -> Any:
    from astrokeras.survey.tables import read_table  # noqa: PLC0415

    return read_table(config.out)


ANOMALIES = Command(
    "anomalies",
    "Rank objects by how unlike the others they are.",
    AnomaliesConfig,
    _run,
    text=_text,
    opened=_opened,
    json=True,
    example='astrokeras.anomalies("embeddings.parquet", "odd.parquet", sheet="odd.png")',
    order=90,
)
