"""The size of the stamps where no option says it."""

import dataclasses
from collections.abc import Callable

from astrokeras.config import DEFAULT_SIZE, ConvertConfig
from astrokeras.errors import UsageError
from astrokeras.survey.cutting import parse_cutting, read_field
from astrokeras.survey.images import ImageError

FILES = 500  # of a survey of one file an object, that are looked at


def with_size(config: ConvertConfig, report: Callable[[str], None]) -> ConvertConfig:
    """Return the configuration with a size: that of the files where each object has its own, else `DEFAULT_SIZE`.

    Raises:
        UsageError: the files differ in size.
    """
    if config.size is not None:
        return config
    sides = _sides(config)
    if not sides:
        return dataclasses.replace(config, size=DEFAULT_SIZE)
    if len(set(sides)) > 1:
        raise UsageError(
            f"the images have from {min(sides)} to {max(sides)} pixels a side; say how large the stamps shall be: "
            f"--size {min(sides)} takes the middle of all of them"
        )
    report(f"--size {sides[0]}: that of the images")
    return dataclasses.replace(config, size=sides[0])


def describe_cut(config: ConvertConfig, report: Callable[[str], None]) -> None:
    """Say in a line if something is cut off from images that show one object each."""
    sides = _sides(config)
    if not sides or max(sides) <= config.size:
        return
    largest = max(sides)
    what = f"{min(sides)} to {largest}" if min(sides) < largest else f"{largest}×{largest}"
    report(f"--size {config.size}: the middle {config.size}×{config.size} pixels are kept of images of {what} pixels")


def _sides(config: ConvertConfig) -> list[int]:
    """Return the shorter side of images of one object each, evenly drawn; none of those that cannot be read."""
    cutting = parse_cutting(config)
    if not cutting.template.per_object:
        return []
    names, sides = cutting.template.discover(), []
    for name in names[:: -(-len(names) // FILES) or 1]:
        try:
            sides.append(min(read_field(cutting, name).shape))
        except ImageError:
            continue  # its row is rejected, with the reason
    return sides
