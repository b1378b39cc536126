"""A records directory in Python."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from astrokeras.commands.backend import import_keras
from astrokeras.errors import UsageError
from astrokeras.records.directory import RecordsDirectory

if TYPE_CHECKING:
    import tensorflow as tf


class Records(RecordsDirectory):
    """A converted survey: what `astrokeras.convert` made, or `open_records` finds.

    Example:
        >>> records = astrokeras.open_records("records")  # doctest: +SKIP
        >>> records.objects()["id", "ra", "dec"]  # doctest: +SKIP
    """

    def dataset(
        self,
        split: str = "train",
        batch_size: int = 64,
        fields: Sequence[str] = ("label",),
        augment: str | None = None,
        shuffle: bool = False,
        seed: int = 0,
        size: int | None = None,
    ) -> "tf.data.Dataset":
        """Return one pass over a split, in batches, of which the last may be smaller.

        Args:
            split: its name.
            batch_size: N.
            fields: what to give beside the flux: ``label`` (-1 where there is none), ``id``, ``magnitudes``,
                ``magnitude_errors``, ``valid`` or a carried column.
            augment: a chain such as ``"dihedral|noise(0.5)"``, drawn anew in every pass; None for none.
            shuffle: mix the records, anew in every pass; within 256 MiB of stamps where there are more.
            seed: of the shuffle and the augmentation.
            size: crop to the middle pixels.

        Shapes:
            (flux [N, size, size, B] float32, dict of fields [N, …])

        Units:
            flux in `unit`; NaN where a pixel is missing.

        Raises:
            AstrokerasError: a split or a field that the records do not have.

        Example:
            >>> for flux, fields in records.dataset("train", 32, ("label",), shuffle=True):  # doctest: +SKIP
            ...     model.train_on_batch(flux, fields["label"])
        """
        import_keras()
        from astrokeras.pipeline.augment import SurveyInfo, augmentation  # noqa: PLC0415
        from astrokeras.pipeline.plain import plain_batches  # noqa: PLC0415

        chain = augmentation(augment, SurveyInfo.of(self)) if augment else None
        return plain_batches(
            self, split, batch_size, fields=fields, size=size, augment=chain, shuffle=shuffle, seed=seed
        )

    def arrays(
        self, split: str, fields: Iterable[str] = ("flux", "label"), select: Any = None, size: int | None = None
    ) -> dict[str, np.ndarray]:
        """Return fields of a split in memory, in the order of the records.

        Args:
            split: its name.
            fields: ``flux`` and what `dataset` has.
            select: which records: one boolean a record, or positions in the order of the records; all if None.
            size: crop the flux to the middle pixels.

        Shapes:
            ``flux`` [N, size, size, B] float32, ``id`` [N] str, ``label`` [N] int64, ``magnitudes`` [N, B] float32

        Raises:
            AstrokerasError: a split or a field that the records do not have.

        Example:
            >>> records.arrays("test", ("flux", "label"), select=range(16))["flux"].shape  # doctest: +SKIP
            (16, 64, 64, 5)
        """
        import_keras()
        from astrokeras.pipeline.plain import load_fields  # noqa: PLC0415

        count = self.count(split)
        mask = None if select is None else _mask(select, count)
        return load_fields(self, split, tuple(fields), select=mask, size=size)


def open_records(path: str | Path) -> Records:
    """Open a records directory.

    Raises:
        AstrokerasError: it is none, or a file is missing or cut.

    Example:
        >>> astrokeras.open_records("records").bands  # doctest: +SKIP
        ('u', 'g', 'r', 'i', 'z')
    """
    return Records.load(path)


def _mask(select: Any, count: int) -> np.ndarray:
    chosen = np.asarray(select)
    if chosen.dtype == bool:
        if chosen.shape != (count,):
            raise UsageError(f"select: expected {count} booleans, one a record, got shape {chosen.shape}")
        return chosen
    if chosen.size and (
        chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not 0 <= chosen.min() <= chosen.max() < count
    ):
        raise UsageError(f"select: expected booleans or positions from 0 to {count - 1}")
    mask = np.zeros(count, dtype=bool)
    mask[chosen.astype(np.int64)] = True
    return mask
