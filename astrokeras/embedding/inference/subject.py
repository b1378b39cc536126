"""What a network is applied to: records, of which a user names splits, or objects on images (`images_subject`)."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from astrokeras.config.over_objects import OverObjectsConfig
from astrokeras.embedding.inference.known_objects import KnownObjects, RecordsObjects
from astrokeras.embedding.inference.piece import Piece, records_pieces
from astrokeras.embedding.inference.table_workspace import TableWorkspace
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.parallel.processes import Executor
from astrokeras.progress import Progress
from astrokeras.records.directory import RecordsDirectory

Report = Callable[[str], None]

OF_IMAGES = (
    "catalog", "like", "zero_point", "weight", "weight_ext", "mask", "mask_ext", "mask_bits", "hcompress", "edge",
    "max_image_bytes",
)  # fmt: skip


class Subject(Protocol):
    """The objects that a network is applied to.

    Attributes:
        about: what a table says of where they are: ``records`` and ``images``, one of them None.
    """

    about: dict[str, Any]

    def open(
        self, workspace: TableWorkspace, report: Report, progress: Progress, executor: Executor | None
    ) -> tuple[Sequence[Piece], KnownObjects]:
        """Return the pieces, and what is known of the objects.

        Args:
            workspace: keeps what takes time to find.
            report: receives a line at a time.
            progress: shows how far it is.
            executor: where to work; None: as the options say.
        """


@dataclasses.dataclass(frozen=True)
class StampDescription:
    """What stamps there are: where, of which bands, in which unit, of how many pixels."""

    where: str
    bands: tuple[str, ...]
    unit: str
    size: int


class Takes(Protocol):
    """What a network says of the stamps that it takes.

    Attributes:
        name: as the user named it.
        side: in pixels.
        n_bands: B.
        kind: of its stretch; ``display`` for colour pictures.
        records: what a run says of the records that it was trained on (``bands``, ``unit``); None where none is known.
    """

    name: str
    side: int
    n_bands: int
    kind: str
    records: dict[str, Any] | None


def is_template(data: str) -> bool:
    """Whether a user names images, and not a records directory."""
    return "{" in data


def check_data_options(config: OverObjectsConfig, data: str) -> None:
    """Refuse options that do not go with what is named.

    Raises:
        UsageError: so it is.
    """
    if is_template(data) and config.split != "all":
        raise UsageError("--split goes with records; objects on images are in no split")
    if not is_template(data) and (option := next((name for name in OF_IMAGES if getattr(config, name)), None)):
        raise UsageError(f"--{option.replace('_', '-')} goes with an image template; records are cut already")
    if config.scheduler and config.workers:
        raise UsageError("--workers: with --scheduler the cluster decides how many there are")


class RecordsSubject:
    """The records of one split, or of ``all``; see `Subject`.

    Raises:
        AstrokerasError: the network takes other stamps, there is no such split, or a file is damaged.
    """

    def __init__(self, takes: Takes, records: RecordsDirectory, split: str, report: Report) -> None:
        check_stamps(takes, StampDescription(str(records.path), records.bands, records.unit, records.size), report)
        self._records = records
        self._splits = records.splits if split == "all" else (split,)
        self._pieces = records_pieces(records, self._splits)
        self.about: dict[str, Any] = {
            "records": {"path": str(records.path), "fingerprint": records.fingerprint},
            "images": None,
        }

    def open(self, *_: object) -> tuple[Sequence[Piece], KnownObjects]:
        """See `Subject.open`."""
        return self._pieces, RecordsObjects(self._records, self._splits)


def check_stamps(takes: Takes, stamps: StampDescription, report: Report) -> None:
    """Make sure that a network can look at these stamps.

    Raises:
        AstrokerasError: they have other bands, another unit, or are too small.
    """
    if takes.records:
        for what, now in {"bands": list(stamps.bands), "unit": stamps.unit}.items():
            if (trained := takes.records.get(what)) != now:
                raise AstrokerasError(
                    f"{takes.name} was trained on {what} {_words(trained)}, {stamps.where} has {_words(now)}"
                )
    if takes.n_bands != len(stamps.bands):
        raise AstrokerasError(f"{takes.name} takes {takes.n_bands} bands, {stamps.where} has {len(stamps.bands)}")
    if (takes.kind == "display") != (stamps.unit == "display"):
        wanted = "levels of colour pictures" if takes.kind == "display" else "fluxes"
        raise AstrokerasError(f"{takes.name} takes {wanted}, {stamps.where} is in the unit {stamps.unit}")
    if stamps.size < takes.side:
        raise AstrokerasError(
            f"{stamps.where} has stamps of {stamps.size} pixels, {takes.name} needs {takes.side}; "
            "convert with a larger --size"
        )
    if stamps.size > takes.side:
        report(
            f"stamps of {stamps.size} pixels: only the middle {takes.side} of them are looked at, "
            f"as many as {takes.name} takes"
        )


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
