"""``astrokeras embed``."""

from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import EmbedConfig


def _run(config: EmbedConfig, console: Console) -> dict[str, Any]:
    from astrokeras.embedding.embed import embed  # noqa: PLC0415

    return embed(config, console.report, console.progress)


def _opened(config: EmbedConfig, _: dict[str, Any]) -> Any:
    from astrokeras.embedding.table import Embeddings  # noqa: PLC0415

    return Embeddings.load(config.out)


EMBED = Command(
    "embed",
    "Embed records, or the objects on images: a table of feature vectors.",
    EmbedConfig,
    _run,
    text=lambda _, result: f"{result['out']}: {result['embedded']} embeddings of {result['width']} numbers",
    opened=_opened,
    keras="tensorflow",
    json=True,
    example='astrokeras.embed("runs/rotation", "records", out="embeddings.parquet").vectors.shape',
    order=60,
)
