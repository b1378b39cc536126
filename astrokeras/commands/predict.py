"""``astrokeras predict``."""

from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import PredictConfig


def _run(config: PredictConfig, console: Console) -> dict[str, Any]:
    from astrokeras.serving.predict import predict  # noqa: PLC0415

    return predict(config, console.report, console.progress)


def _text(_: PredictConfig, result: dict[str, Any]) -> str:
    counts = ", ".join(f"{name} {count}" for name, count in result["classes"].items())
    return f"{result['out']}: {result['predicted']} objects: {counts}"


def _opened(config: PredictConfig, _: dict[str, Any]) -> Any:
    from astrokeras.survey.tables import read_table  # noqa: PLC0415

    return read_table(config.out)


PREDICT = Command(
    "predict",
    "Classify records, or the objects on new images of the survey.",
    PredictConfig,
    _run,
    text=_text,
    opened=_opened,
    keras="tensorflow",
    json=True,
    example='astrokeras.predict("runs/classes", "records", out="predictions.csv").colnames',
    order=140,
)
