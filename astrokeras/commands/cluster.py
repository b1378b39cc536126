"""``astrokeras cluster``."""

from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import ClusterConfig


def _run(config: ClusterConfig, console: Console) -> dict[str, Any]:
    from astrokeras.embedding.cluster import cluster  # noqa: PLC0415

    return cluster(config, console.report)


def _text(_: ClusterConfig, result: dict[str, Any]) -> str:
    sizes = ", ".join(f"{size:,}" for size in result["sizes"]) or "none"
    lines = [f"{result['out']}: {len(result['sizes'])} groups of {sizes} objects; {result['ungrouped']:,} in none"]
    if agreed := result["agreement"]:
        lines.append(
            f"against {agreed['labelled']:,} labels: NMI {agreed['nmi']:.3f}, ARI {agreed['ari']:.3f}, "
            f"accuracy after matching {agreed['accuracy']:.3f}"
        )
    return "\n".join([*lines, result["page"]])


def _opened(config: ClusterConfig, _: dict[str, Any]) -> Any:
    from astrokeras.survey.tables import read_table  # noqa: PLC0415

    return read_table(config.out)


CLUSTER = Command(
    "cluster",
    "Divide objects into groups that are alike.",
    ClusterConfig,
    _run,
    text=_text,
    opened=_opened,
    json=True,
    example='astrokeras.cluster("embeddings.parquet", "groups.parquet", groups=8)',
    order=100,
)
