"""Pictures of objects by their ids, for sheets and pages."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from astrokeras.embedding.file import EmbeddingsFile
from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.picture import rgb, upright, white_balance
from astrokeras.records.stamp_reader import StampReader

_AT_ONCE = 64  # stamps in memory in full size


class StampPictures:
    """Stamps of a records directory by the ids of their objects.

    Args:
        records: where they are.

    Example:
        >>> pictures = StampPictures(RecordsDirectory.load("records"))  # doctest: +SKIP
        >>> pictures.pictures(["object-1", "object-2"], side=48)  # doctest: +SKIP
    """

    def __init__(self, records: RecordsDirectory) -> None:
        self.records = records
        self._stamps = StampReader(records)
        table = records.objects()
        ids = np.asarray(table["id"]).astype(str).tolist()
        places = zip(table["shard"].tolist(), table["row"].tolist(), strict=True)
        self._places: dict[str, tuple[str, int]] = dict(zip(ids, places, strict=True))

    def known(self, ids: Sequence[str]) -> np.ndarray:
        """Return which of the objects have a stamp, bool ``[N]``."""
        return np.array([name in self._places for name in ids], dtype=bool)

    def pictures(self, ids: Sequence[str], side: int | None = None) -> np.ndarray:
        """Return the pictures of objects, all of which have a stamp, in their order and upright.

        Large stamps are averaged over blocks of pixels first, so that many of them fit into memory.

        Args:
            ids: of N objects.
            side: of the pictures, in pixels; that of the stamps if None.

        Shapes:
            ``[N, side, side, 3]`` uint8

        Raises:
            AstrokerasError: a shard is damaged.
        """
        if not len(ids):
            return np.empty((0, side or self.records.size, side or self.records.size, 3), np.uint8)
        factor = max(1, self.records.size // side) if side else 1
        shown = upright(rgb(self._flux(ids, factor), self.records), self.records)
        if side in (None, shown.shape[1]):
            return shown
        return np.stack([np.asarray(Image.fromarray(one).resize((side, side))) for one in shown])

    def others(self, flux: np.ndarray, beside: Sequence[str]) -> np.ndarray:
        """Return the pictures of stamps that are not in the records, with the colours of objects that are.

        Args:
            flux: in the records' bands and unit.
            beside: ids of objects with a stamp.

        Shapes:
            ``[N, S, S, B]`` → ``[N, S, S, 3]`` uint8
        """
        known = self._flux(beside, 1) if len(beside) and self.records.unit != "display" else flux
        return upright(rgb(flux, self.records, white_balance(known, self.records)), self.records)

    def _flux(self, ids: Sequence[str], factor: int) -> np.ndarray:
        side, bands = self.records.size // factor, len(self.records.bands)
        flux = np.empty((len(ids), side, side, bands), np.float32)
        for start in range(0, len(ids), _AT_ONCE):
            some = self._stamps.flux(self._places[name] for name in ids[start : start + _AT_ONCE])
            whole = some[:, : side * factor, : side * factor]
            blocks = whole.reshape(len(whole), side, factor, side, factor, bands)
            flux[start : start + _AT_ONCE] = blocks.mean(axis=(2, 4))
        return flux


def pictures_of(file: EmbeddingsFile, records: str | None, report: Callable[[str], None]) -> StampPictures | None:
    """Return the stamps of the objects in a file.

    Args:
        file: the embeddings.
        records: a records directory; the one that the file names if None, where it is still there.
        report: told why there are no stamps.

    Raises:
        AstrokerasError: `records` is no records directory.
    """
    if records is not None:
        return StampPictures(RecordsDirectory.load(records))
    try:
        return StampPictures(_embedded(file))
    except (AstrokerasError, OSError, ValueError) as error:
        report(f"no stamps are shown: {error}; name the records with --records")
        return None


def records_like(file: EmbeddingsFile) -> str | None:
    """Return the records that were embedded, where they are still there."""
    try:
        return str(_embedded(file).path)
    except (AstrokerasError, OSError, ValueError):
        return None


def _embedded(file: EmbeddingsFile) -> RecordsDirectory:
    """Return the records that were embedded.

    Raises:
        AstrokerasError: the file names none, they are not there, or they have changed.
    """
    named = file.records_path
    if named is None:
        raise AstrokerasError(f"{file.path} names no records")
    found = RecordsDirectory.load(Path(named))
    embedded = (file.metadata.get("records") or {}).get("fingerprint")
    if embedded not in (None, found.fingerprint):
        raise AstrokerasError(f"the records in {named} are others than those that were embedded")
    return found
