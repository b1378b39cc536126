"""``astrokeras label``."""

from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import LabelConfig


def _run(config: LabelConfig, console: Console) -> dict[str, Any]:
    from astrokeras.embedding.labelling.label import label  # noqa: PLC0415

    return label(config, console.report)


def _text(_: LabelConfig, result: dict[str, Any]) -> str:
    return (
        f"{result['out']}: {result['labelled']} labelled and {result['skipped']} skipped in this sitting, "
        f"{result['total']} labels in all"
    )


LABEL = Command(
    "label",
    "Label stamps by hand on a page that this machine alone can open.",
    LabelConfig,
    _run,
    text=_text,
    json=True,
    example='astrokeras.label("records", out="labels.csv", classes=("spiral", "smooth"), suggestions="next.csv")',
    order=120,
)
