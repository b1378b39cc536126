"""Single stamps, wherever in the shards they lie."""

from collections.abc import Iterable

import numpy as np

from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.example import decode
from astrokeras.records.reader import Reader


class StampReader:
    """Reads single stamps by their place, which `RecordsDirectory.objects` gives; a shard's places are looked up once.

    Args:
        records: whose stamps.

    Example:
        >>> records = RecordsDirectory.load("records")  # doctest: +SKIP
        >>> table = records.objects()  # doctest: +SKIP
        >>> StampReader(records).flux([(table["shard"][5], table["row"][5])]).shape  # doctest: +SKIP
        (1, 64, 64, 5)
    """

    def __init__(self, records: RecordsDirectory) -> None:
        self._shape = (records.size, records.size, len(records.bands))
        self._reader = Reader(records)

    def flux(self, places: Iterable[tuple[str, int]]) -> np.ndarray:
        """Read the stamps at these places, each the name of a shard and a row within it.

        Shapes:
            ``[N, H, W, B]`` float32, in the records' unit.

        Raises:
            AstrokerasError: there is no such place, or the shard is damaged.
        """
        return np.stack([self._one(str(shard), int(row)) for shard, row in places])

    def _one(self, shard: str, row: int) -> np.ndarray:
        (record,) = self._reader.in_shard(shard, [row])
        try:
            return np.frombuffer(decode(record)["image"], dtype="<f4").reshape(self._shape)
        except (KeyError, ValueError) as error:
            raise AstrokerasError(
                f"record {row} of {shard} holds no stamp: {error}; convert the survey again"
            ) from None
