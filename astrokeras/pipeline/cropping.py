"""How much of a stamp is used."""

from astrokeras.errors import UsageError
from astrokeras.records.directory import RecordsDirectory


def check_size(records: RecordsDirectory, size: int | None) -> int:
    """Return the side of the stamps after cropping.

    Raises:
        UsageError: `size` is larger than the stamps, or not positive.
    """
    if size is None:
        return records.size
    if not 1 <= size <= records.size:
        raise UsageError(
            f"--size {size} cannot be cropped from stamps of {records.size} px in {records.path}; "
            f"choose 1 to {records.size}, or enlarge with --resize"
        )
    return size
