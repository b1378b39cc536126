"""The size of the stamps where no option says it."""

from collections.abc import Callable

from astrokeras.config import DEFAULT_SIZE
from astrokeras.errors import UsageError
from astrokeras.survey.cutting import Cutting, read_field
from astrokeras.survey.images import ImageError

FILES = 500  # of a survey of one file an object, that are looked at


def find_size(cutting: Cutting, report: Callable[[str], None]) -> int:
    """Return the side of a stamp in pixels: that of the files where each object has its own, else `DEFAULT_SIZE`.

    Args:
        cutting: which images there are; its size does not matter.
        report: is told a size that is not the default.

    Raises:
        UsageError: the files differ in size.
    """
    sides = _sides(cutting)
    if not sides:
        return DEFAULT_SIZE
    if len(set(sides)) > 1:
        raise UsageError(
            f"the images have from {min(sides)} to {max(sides)} pixels a side; say how large the stamps shall be: "
            f"--size {min(sides)} takes the middle of all of them"
        )
    report(f"--size {sides[0]}: that of the images")
    return sides[0]


def describe_cut(cutting: Cutting, report: Callable[[str], None]) -> None:
    """Say in a line if something is cut off from images that show one object each."""
    sides, size = _sides(cutting), cutting.size
    if not sides or max(sides) <= size:
        return
    largest = max(sides)
    what = f"{min(sides)} to {largest}" if min(sides) < largest else f"{largest}×{largest}"
    report(f"--size {size}: the middle {size}×{size} pixels are kept of images of {what} pixels")


def _sides(cutting: Cutting) -> list[int]:
    """Return the shorter side of images of one object each, evenly drawn; none of those that cannot be read."""
    if not cutting.template.per_object:
        return []
    names, sides = cutting.template.discover(), []
    for name in names[:: -(-len(names) // FILES) or 1]:
        try:
            sides.append(min(read_field(cutting, name).shape))
        except ImageError:
            continue  # its row is rejected, with the reason
    return sides
