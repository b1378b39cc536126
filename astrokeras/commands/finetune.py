"""``astrokeras finetune``."""

from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import FinetuneConfig


def _run(config: FinetuneConfig, console: Console) -> dict[str, Any]:
    from astrokeras.evaluation.finetune import finetune  # noqa: PLC0415

    return finetune(config, console.report, console.progress)


def _opened(config: FinetuneConfig, _: dict[str, Any]) -> Any:
    from astrokeras.api.run import open_run  # noqa: PLC0415

    return open_run(config.out)


FINETUNE = Command(
    "finetune",
    "Fine-tune networks on few labels and compare their starts.",
    FinetuneConfig,
    _run,
    text=lambda _, result: f"{result['table']}\n\n{result['verdict']}",
    opened=_opened,
    keras="any",
    json=True,
    example='astrokeras.finetune("records", "runs/classes", init=("scratch", "runs/rotation"), budget=(50, "all"))',
    order=50,
)
