"""``astrokeras simulate``."""

from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import SimulateConfig


def _run(config: SimulateConfig, console: Console) -> dict[str, int]:
    from astrokeras.survey.simulate import simulate  # noqa: PLC0415

    return simulate(config, console.progress)


def _text(config: SimulateConfig, counts: dict[str, Any]) -> str:
    return f"{config.out}: " + ", ".join(f"{name} {count}" for name, count in counts.items())


SIMULATE = Command(
    "simulate",
    "Make a small, realistic multi-band survey with a catalogue.",
    SimulateConfig,
    _run,
    text=_text,
    example='astrokeras.simulate("sky", fields=2, objects=400, size=320)',
    order=10,
)
