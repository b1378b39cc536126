"""``astrokeras pretrain``."""

from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import PretrainConfig


def _run(config: PretrainConfig, console: Console) -> dict[str, Any]:
    from astrokeras.training.pretrain import pretrain  # noqa: PLC0415

    return pretrain(config, console.report, console.progress)


def _text(_: PretrainConfig, result: dict[str, Any]) -> str:
    from astrokeras.training.describe import describe_scores  # noqa: PLC0415

    return describe_scores(result) if result else ""


def _opened(config: PretrainConfig, _: dict[str, Any]) -> Any:
    from astrokeras.api.run import open_run  # noqa: PLC0415

    return open_run(config.out)


PRETRAIN = Command(
    "pretrain",
    "Pre-train an encoder on a task that needs no labels.",
    PretrainConfig,
    _run,
    text=_text,
    opened=_opened,
    keras="any",
    json=True,
    example='astrokeras.pretrain("records", "runs/rotation", task="rotation", epochs=10)',
    order=40,
)
