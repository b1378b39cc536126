"""Work the options of a conversion out, once: whatever comes after uses what is found here."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from astrokeras.config import ConvertConfig, option_fields, replaced, values_of
from astrokeras.errors import UsageError
from astrokeras.records.conversion.display_levels import with_levels
from astrokeras.records.conversion.sizing import find_size
from astrokeras.records.splitting.assignment import GIVEN, Splitting, choose_splitting
from astrokeras.records.splitting.shares import describe_scaling, parse_splits
from astrokeras.survey.catalog import OBJECT
from astrokeras.survey.cutting import Cutting, parse_cutting
from astrokeras.survey.detect import Detection, parse_detection
from astrokeras.survey.measure import SHAPES
from astrokeras.survey.presets import describe_survey, with_survey
from astrokeras.survey.template import ImageTemplate
from astrokeras.text import is_plain

# What says where objects are, or is known of them, where they are found on the images.
_NOT_WITH_DETECT = ("catalog", "label", "object_column", "magnitudes", "magnitude_errors", "origin")
_NAMES_OF_COLUMNS = (
    "label", "label_names", "object_column", "magnitudes", "magnitude_errors", "fluxes", "columns", "where",
    "split_column",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Conversion:
    """A conversion whose options are worked out.

    Attributes:
        config: the options, in full: what the survey's name stands for, what is split by, the shares, the size.
        cutting: how stamps are cut.
        splitting: how objects are split, as it is before any is; whoever splits takes a copy.
        detection: how objects are found on the images; None where a catalogue or the files' names say which there are.
        size_was_given: whether the size is one that somebody asked for.
    """

    config: ConvertConfig
    cutting: Cutting
    splitting: Splitting
    detection: Detection | None
    size_was_given: bool

    def with_detected(self, table: Path) -> "Conversion":
        """Return the conversion of the objects that were found on its images, and stand in `table`."""
        columns = {"id_column": "ID", "x_column": "X", "y_column": "Y", "field_column": "FIELD", "origin": 0}
        return dataclasses.replace(self, config=replaced(self.config, catalog=str(table), **columns))


def resolve(config: ConvertConfig, report: Callable[[str], None]) -> Conversion:
    """Work out what options mean together, and check what can be checked before the catalogue is read.

    Args:
        config: the options as they were given.
        report: receives a line for each thing that nobody said and that follows from the images.

    Raises:
        UsageError: options that contradict each other or make no sense, or images of several sizes without a size.
        AstrokerasError: there are no images to tell the size, or no splits to go on with.
    """
    config = with_survey(config)
    for line in describe_survey(config):
        report(line)
    config = with_levels(config, report)
    config, detection = _with_detection(config)
    splitting, config = choose_splitting(config, report)
    if said := _describe_splits(splitting, config.splits.splits):
        report(said)
    _check_together(config)
    cutting, given = parse_cutting(config), config.stamps.size is not None
    if not given:
        config = replaced(config, size=find_size(cutting, report))
        cutting = dataclasses.replace(cutting, size=config.stamps.size)
    return Conversion(config, cutting, splitting, detection, given)


def _with_detection(config: ConvertConfig) -> tuple[ConvertConfig, Detection | None]:
    """Check the options of ``--detect``, with which the stamps are measured.

    Raises:
        UsageError: options that contradict it.
    """
    asked = config.catalogue
    if not asked.detect:
        for option in ("detect_threshold", "detect_min_area"):
            if getattr(asked, option) != option_fields(ConvertConfig)[option].default:
                raise UsageError(f"--{option.replace('_', '-')} goes with --detect")
        return config, None
    values = values_of(config)
    contradict = [option for option in _NOT_WITH_DETECT if values[option] is not None]
    contradict += [f"{role}_column" for role in ("id", "ra", "dec", "x", "y", "field") if values[f"{role}_column"]]
    for option in contradict:
        raise UsageError(f"--{option.replace('_', '-')}: with --detect the objects come from the images alone")
    if ImageTemplate(config.images.images, config.images.bands).per_object:
        raise UsageError("--detect: a survey of one file per object has nothing to be found; leave --detect out")
    detection = parse_detection(asked.detect, config.images.bands, asked.detect_threshold, asked.detect_min_area)
    return replaced(config, measure=True), detection


def _describe_splits(splitting: Splitting, splits: str) -> str | None:
    """Return one line if the splits are other than what is asked for says by itself."""
    if splitting.by == GIVEN:
        return None
    if splitting.source:
        return f"splits go on from {splitting.source}: by {splitting.by}, seed {splitting.seed}, {splits}"
    return describe_scaling(splits)


def _check_together(config: ConvertConfig) -> None:
    """Check what can be checked without looking at a file.

    Raises:
        UsageError: options that contradict each other or make no sense.
    """
    if not config.images.bands or len(set(config.images.bands)) < len(config.images.bands):
        raise UsageError(f"--bands {','.join(config.images.bands)}: expected different names, as in u,g,r,i,z")
    if config.stamps.size is not None and config.stamps.size < 4:
        raise UsageError(f"--size {config.stamps.size}: expected at least 4 pixels")
    if not 0 <= config.stamps.max_bad_fraction <= 1:
        raise UsageError(f"--max-bad-fraction {config.stamps.max_bad_fraction}: expected a number from 0 to 1")
    if config.splits.cell_size is not None and config.splits.split_by != "sky":
        raise UsageError("--cell-size: only --split-by sky has cells")
    if config.splits.splits is not None:
        parse_splits(config.splits.splits)
    _check_columns(config)


def _check_columns(config: ConvertConfig) -> None:
    """Check the options that name columns of the catalogue, or of the records."""
    values = values_of(config)
    if not (config.catalogue.catalog or config.catalogue.detect):
        by_column = config.splits.split_by not in (None, "id", "field", "sky")
        for option in _NAMES_OF_COLUMNS:
            if values[option]:
                raise UsageError(f"--{option.replace('_', '-')} names catalogue columns, but there is no --catalog")
        if by_column:
            raise UsageError(f"--split-by {config.splits.split_by} names a catalogue column, but there is no --catalog")
    if config.photometry.measure and (
        config.photometry.magnitudes or config.photometry.magnitude_errors or config.photometry.fluxes
    ):
        raise UsageError(
            "--measure: the catalogue's magnitudes (--magnitudes, --magnitude-errors, --fluxes) are not used then"
        )
    reserved = {
        "id",
        "image",
        "label",
        "magnitudes",
        "magnitude_errors",
        "valid",
        *(SHAPES if config.photometry.measure else ()),
    }
    reserved |= {OBJECT} if config.catalogue.object_column else set()
    reserved &= set(config.catalogue.columns)
    if odd := [name for name in config.catalogue.columns if not is_plain(name)]:
        raise UsageError(f"--columns {odd[0]!r}: the name has characters in it that no table keeps")
    if reserved:
        raise UsageError(f"--columns {', '.join(sorted(reserved))}: every record has these already")
