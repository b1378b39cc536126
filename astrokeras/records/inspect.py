"""What is in a records directory, in words."""

from collections.abc import Sequence
from typing import Any

from astrokeras.records.splitting.overlap import overlap_lines


def describe_records(content: dict[str, Any]) -> str:
    """Return tables of splits, bands and rejects from the content of ``convert.json``."""
    size, bands = content["size"], content["bands"]
    splits: dict[str, dict] = content["splits"]
    lines = [
        f"{content['name']}: {sum(s['count'] for s in splits.values())} stamps of {size}×{size} pixels "
        f"in {len(bands)} band(s), unit {_unit(content)}, split by {content['split_by']}",
        "",
        *_table(
            ["split", "stamps", "shards", "MB", "unlabelled", *content["classes"]],
            [
                [
                    name,
                    split["count"],
                    len(split["shards"]),
                    f"{sum(shard['bytes'] for shard in split['shards']) / 1e6:.1f}",
                    split["unlabelled"],
                    *split["labels"].values(),
                ]
                for name, split in splits.items()
            ],
        ),
        "",
        *_table(
            ["band", "sky", "noise", *(f"magnitudes in {name}" for name in splits)],
            [
                [
                    band,
                    f"{content['sky'][i]:.4g}",
                    f"{content['noise'][i]:.4g}",
                    *(split["magnitudes"][band] for split in splits.values()),
                ]
                for i, band in enumerate(bands)
            ],
        ),
        "",
        *overlap_lines(content.get("overlaps", {}), content["split_by"]),
        f"{sum(content['rejects'].values())} of {content['rows']} catalogue rows rejected"
        + "".join(f", {count} {reason}" for reason, count in content["rejects"].items()),
    ]
    return "\n".join(lines)


def _unit(content: dict[str, Any]) -> str:
    """Return the unit of the stamps, and by what they were brought to it, if they were levels from fluxes."""
    levels = content.get("options", {}).get("levels")
    return f"{content['unit']} (levels of fluxes, {levels})" if levels else content["unit"]


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return columns as wide as they need to be: the first to the left, numbers to the right."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
