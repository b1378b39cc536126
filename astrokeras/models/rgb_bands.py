"""Which bands of a survey stand for red, green and blue, where a network has learned from colour pictures."""

from collections.abc import Sequence

from astrokeras.errors import UsageError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.survey.bands import band_thirds

Colours = Sequence[Sequence[int]]
"""The bands, by their numbers, that make up red, green and blue."""

_THREE = 3


def colours_of(records: RecordsDirectory) -> list[list[int]]:
    """Return the bands that are red, green and blue, as `records.picture.rgb` shows them.

    Those are the last, the middle and the first third of the bands, which surveys name from blue to red; the three
    channels of colour pictures are what they are.
    """
    if records.unit == "display" and len(records.bands) == _THREE:
        return [[0], [1], [2]]
    return [part.tolist() for part in band_thirds(len(records.bands))]


def three_bands(records: RecordsDirectory, names: tuple[str, ...] = ()) -> tuple[int, int, int]:
    """Return the numbers of the bands that a network of three channels gets as red, green and blue.

    Args:
        records: have the bands.
        names: of these three; without them, the middle one of each part of `colours_of`, of an even number the bluer.

    Raises:
        UsageError: not three names of bands.

    Example:
        >>> from pathlib import Path
        >>> three_bands(RecordsDirectory(Path("sky"), {"bands": list("ugrizy"), "unit": "nJy"}))
        (4, 2, 0)
    """
    if not names:
        red, green, blue = (part[(len(part) - 1) // 2] for part in colours_of(records))
        return red, green, blue
    if len(names) != _THREE or not set(names) <= set(records.bands):
        raise UsageError(
            f"--imagenet-bands {','.join(names)}: expected three of {', '.join(records.bands)} for red, green and "
            "blue, as in i,r,g"
        )
    red, green, blue = (records.bands.index(name) for name in names)
    return red, green, blue
