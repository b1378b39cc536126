"""``astrokeras inspect``."""

import dataclasses
from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import MAX_SEED, option
from astrokeras.errors import UsageError


@dataclasses.dataclass(frozen=True)
class InspectConfig:
    """Options of ``astrokeras inspect``."""

    records: str = option(help="Records directory.", group="Input and output", argument=True, metavar="DIR")
    verify: bool = option(
        False, "Read every file, compare its checksum, and add up the rows.", group="Input and output"
    )
    reindex: bool = option(
        False, "Write objects.parquet for records that have none, or a damaged one.", group="Input and output"
    )
    sheet: str | None = option(None, "Write a contact sheet of stamps.", group="Input and output", metavar="FILE.png")
    sheet_by: str | None = option(
        None, "With --sheet: a row for each class.", group="Input and output", choices=("class",)
    )
    seed: int = option(0, "Seed of everything random.", group="Running", maximum=MAX_SEED)


def _run(config: InspectConfig, console: Console) -> dict[str, Any]:
    from astrokeras.records.directory import RecordsDirectory  # noqa: PLC0415
    from astrokeras.records.picture import write_sheet  # noqa: PLC0415
    from astrokeras.records.reindex import reindex  # noqa: PLC0415
    from astrokeras.records.verify import verify  # noqa: PLC0415

    if config.sheet_by and not config.sheet:
        raise UsageError(f"--sheet-by {config.sheet_by} goes with --sheet FILE.png")
    records = RecordsDirectory.load(config.records)
    if config.reindex:
        reindex(records, console.report)
        records = RecordsDirectory.load(config.records)
    if config.verify:
        verify(records)
        console.report("every file is as it was written")
    if config.sheet:
        write_sheet(records, config.sheet, config.seed, config.sheet_by)
        console.report(f"contact sheet in {config.sheet}")
    return records.content


def _text(_: InspectConfig, content: dict[str, Any]) -> str:
    from astrokeras.records.inspect import describe_records  # noqa: PLC0415

    return describe_records(content)


INSPECT = Command(
    "inspect",
    "Show what is in a records directory.",
    InspectConfig,
    _run,
    text=_text,
    json=True,
    example='astrokeras.inspect("records", verify=True)["splits"]["train"]["count"]',
    order=30,
)
