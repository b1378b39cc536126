"""``astrokeras convert``."""

from collections.abc import Mapping
from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import ConvertConfig


def _run(config: ConvertConfig, console: Console) -> dict[str, Any]:
    from astrokeras.records.conversion.convert import convert  # noqa: PLC0415

    return convert(config, console.report, console.progress)


def _text(_: ConvertConfig, content: dict[str, Any]) -> str:
    from astrokeras.records.inspect import describe_records  # noqa: PLC0415

    return describe_records(content)


def _opened(config: ConvertConfig, _: dict[str, Any]) -> Any:
    from astrokeras.api.records import open_records  # noqa: PLC0415

    return open_records(config.running.out)


def _survey(name: str) -> Mapping[str, Any]:
    from astrokeras.survey.presets import read_survey  # noqa: PLC0415

    return read_survey(name).options


CONVERT = Command(
    "convert",
    "Convert a survey's images and catalogue to TFRecords.",
    ConvertConfig,
    _run,
    text=_text,
    opened=_opened,
    json=True,
    presets={"survey": _survey},
    example='astrokeras.convert("tiles/{field}_{band}.fits", bands="ugriz", catalog="sky.fits", out="records")',
    order=20,
)
