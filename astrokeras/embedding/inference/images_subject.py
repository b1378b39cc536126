"""Objects on images, whose stamps are cut as those that a network was trained on, and are not written."""

from pathlib import Path
from typing import Any

import numpy as np

from astrokeras.config import ConvertConfig, replaced
from astrokeras.config.over_objects import OverObjectsConfig
from astrokeras.embedding.inference.known_objects import Columns, KnownObjects
from astrokeras.embedding.inference.new_images import Before, conversion_for
from astrokeras.embedding.inference.piece import Piece, images_pieces
from astrokeras.embedding.inference.piece_result import Result
from astrokeras.embedding.inference.subject import Report, StampDescription, Takes, check_stamps
from astrokeras.embedding.inference.table_workspace import TableWorkspace
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.parallel.processes import Executor
from astrokeras.progress import Progress
from astrokeras.records.conversion.assemble import write_rejects
from astrokeras.records.conversion.convert import find_objects, task_input_of
from astrokeras.records.conversion.plan import Plan, make_plan
from astrokeras.records.conversion.resolve import resolve
from astrokeras.records.conversion.resume import what_is_asked
from astrokeras.records.conversion.tabulate import kinds_of, of_rows
from astrokeras.records.conversion.workspace import workspace_path
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.metadata import CONVERT_JSON, REJECTS
from astrokeras.training.run_directory import RUN_FILE


class PlannedObjects:
    """What is known of the objects of a conversion that is not written, see `KnownObjects`.

    Args:
        plan: the conversion's; what is rejected on the way is noted in it.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        nowhere = not np.any(np.isfinite(plan.places.ra))
        unnamed = () if any(plan.places.fields) else ("field",)
        left_out = ("split", "shard", "row", *(("ra", "dec", *unnamed) if nowhere else ("x", "y", "field")))
        if not plan.catalog.classes:
            left_out = (*left_out, "label")
        self.kinds = {name: kind for name, kind in kinds_of(plan, [""]).items() if name not in left_out}
        self._written = 0

    def of(self, result: Result) -> Columns:
        """See `KnownObjects.of`."""
        found = result.found.arrays
        for code, why in enumerate(result.found.why):
            self.plan.reject(found["rejected"][found["codes"] == code], *why)
        self._written += len(found["rows"])
        columns = of_rows(self.plan, ("", "", found["rows"], found["measured"]))
        return {name: columns[name] for name in self.kinds}

    def texts(self) -> set[str]:
        """See `KnownObjects.texts`."""
        catalog, fields = self.plan.catalog, self.plan.places.fields
        return {*catalog.ids.tolist(), *catalog.classes, *(fields if "field" in self.kinds else ())}

    def check(self) -> None:
        """Every row of the catalogue has come out once, and some of them with a stamp.

        Raises:
            AstrokerasError: it is not so.
        """
        if not self._written:
            raise AstrokerasError(f"no object has a stamp: {self.plan.rejects.summary()}")
        rejected = len(self.plan.rejects)
        if self._written + rejected != len(self.plan.catalog):
            raise AstrokerasError(
                f"{len(self.plan.catalog)} rows went in, {self._written} came out and {rejected} were rejected: "
                "this is a defect of astrokeras"
            )

    def rejects(self, out: Path, report: Report) -> int:
        """Write what has no stamp beside the table, with the reasons; return the number of rows."""
        path, count = rejects_beside(out), len(self.plan.rejects)
        if count:
            write_rejects(self.plan, path)
            report(f"{count} objects left out, with the reasons, in {path}")
        else:
            path.unlink(missing_ok=True)
        return count


def rejects_beside(out: Path) -> Path:
    """Return the table of what was left out of another."""
    return out.with_name(f"{out.stem}.{REJECTS}")


class ImagesSubject:
    """The objects of a catalogue on images, or those that are found on them; see `Subject`.

    Args:
        takes: the network.
        config: the options.
        data: template of the images.
        report: receives a line at a time.

    Raises:
        UsageError: nothing says how to cut the stamps.
        AstrokerasError: they would not be those that the network takes.
    """

    def __init__(self, takes: Takes, config: OverObjectsConfig, data: str, report: Report) -> None:
        options = conversion_for(_before(takes, config), config, data, report)
        asked = what_is_asked(options)
        out = str(workspace_path(Path(config.out)))  # for messages alone
        self._conversion = resolve(replaced(options, out=out, workers=config.workers or 1), report)
        cutting, bands = self._conversion.cutting, tuple(options.images.bands)
        check_stamps(takes, StampDescription(data, bands, cutting.unit, cutting.size), report)
        self.about: dict[str, Any] = {"records": None, "images": {name: asked[name] for name in ("options", "tables")}}

    def open(
        self, workspace: TableWorkspace, report: Report, progress: Progress, executor: Executor | None
    ) -> tuple[list[Piece], KnownObjects]:
        """See `Subject.open`."""
        conversion = self._conversion
        if conversion.detection:
            found = find_objects(conversion, workspace.detected, report, progress, executor)
            conversion = conversion.with_detected(found)
        plan = make_plan(conversion, report)
        pieces = images_pieces(task_input_of(plan, task) for task in plan.tasks)
        return pieces, PlannedObjects(plan)

    @property
    def options(self) -> ConvertConfig:
        """The conversion that is not written."""
        return self._conversion.config


def _before(takes: Takes, config: OverObjectsConfig) -> Before:
    """Return how the stamps were made that new ones are to be like."""
    if config.like:
        records = RecordsDirectory.load(config.like)
        return Before(records.path / CONVERT_JSON, records.unit, records.conversion)
    if not (takes.records and (takes.records.get("conversion") or (Path(takes.name) / RUN_FILE).is_file())):
        raise UsageError(
            f"{takes.name} does not say how its stamps were cut; name records that were cut so (--like RECORDS)"
        )
    source = Path(takes.name) / RUN_FILE
    unit, conversion = takes.records.get("unit"), takes.records.get("conversion")
    if not isinstance(unit, str) or not isinstance(conversion, dict):
        raise AstrokerasError(f"{source} is damaged: it does not say how its stamps were cut; repeat the run")
    return Before(source, unit, conversion)
