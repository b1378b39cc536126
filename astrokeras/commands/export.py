"""``astrokeras export``."""

from pathlib import Path
from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import ExportConfig


def _run(config: ExportConfig, _: Console) -> dict[str, Any]:
    from astrokeras.serving.export import export  # noqa: PLC0415

    return export(config)


EXPORT = Command(
    "export",
    "Export what a run has trained for TensorFlow Serving.",
    ExportConfig,
    _run,
    text=lambda _, result: f"{result['path']}: signatures {', '.join(result['signatures'])}",
    opened=lambda _, result: Path(result["path"]),
    keras="tensorflow",
    json=True,
    example='astrokeras.export("runs/classes", "models/classes")',
    order=150,
)
