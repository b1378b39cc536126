"""What SEP measures on the stamps that the network sees, for `photometry`.

It takes some 2.6 ms a stamp, and is the same for every run on the same records and of the same size: it is kept, see
`cache`.
"""

import functools
import inspect
import itertools
import os
from collections.abc import Callable, Iterator

import numpy as np
import sep

from astrokeras.parallel.processes import Pool, SerialExecutor
from astrokeras.pipeline.source import Source
from astrokeras.records.directory import RecordsDirectory
from astrokeras.survey import measure as measure_module
from astrokeras.survey.measure import LEVEL_NOISE, measure
from astrokeras.survey.units import zero_point_of
from astrokeras.tasks.cache import kept

_KIND = "photometry"
SHAPES = ("half_light_radius", "ellipticity", "concentration")
# Stamps that a process gets at a time, and how many are worth starting processes for.
_BATCH = 64
_WORTH_PROCESSES = 1000


def measure_batch(stamps: np.ndarray, noise_floor: float, zero_point: float) -> np.ndarray:
    """Magnitudes of every band, then `SHAPES`, of the object in the middle of each stamp; NaN where unknown.

    Shapes:
        stamps [N, S, S, B] -> [N, B + 3] float32

    Units:
        mag; the radius is the log10 of pixels
    """
    middle = np.full(len(stamps), (stamps.shape[1] - 1) / 2)
    found = measure(stamps, middle, middle, noise_floor)
    shapes = found.shapes | {"half_light_radius": np.log10(found.shapes["half_light_radius"])}
    columns = [*found.magnitudes(zero_point)[0].T, *(shapes[name] for name in SHAPES)]
    return np.stack(columns, axis=1).astype(np.float32)


def measure_split(source: Source, split: str, report: Callable[[str], None]) -> np.ndarray:
    """`measure_batch` of a whole split; [N, B + 3] in the order of the records.

    What was measured before on records with the same shards, by the same code, is not measured again. Records that have
    no fingerprint, being in memory alone, are.
    """
    if "fingerprint" not in source.records.content:
        return _measure(source, split, report)
    shape = (source.records.count(split), len(source.records.bands) + len(SHAPES))
    return kept(_KIND, _depends_on(source.records, split, source.size), shape, lambda: _measure(source, split, report))


def _depends_on(records: RecordsDirectory, split: str, size: int) -> list[str]:
    code = [inspect.getsource(module) for module in (inspect.getmodule(measure_batch), measure_module)]
    return [records.fingerprint, split, str(size), records.unit, sep.__version__, np.__version__, *code]


def _measure(source: Source, split: str, report: Callable[[str], None]) -> np.ndarray:
    """On all processors if there are many stamps."""
    records = source.records
    count = records.count(split)
    floor = LEVEL_NOISE if records.unit == "display" else 0.0
    function = functools.partial(measure_batch, noise_floor=floor, zero_point=zero_point_of(records.unit))
    processes = os.cpu_count() or 1
    executor = Pool(processes) if processes > 1 and count >= _WORTH_PROCESSES else SerialExecutor()
    report(f"measuring the photometry of {count:,} stamps of '{split}'")
    works = (flux for flux, _ in source.stamps(split, _BATCH, ()))
    try:
        return np.concatenate(list(_reported(executor.map(function, works), count, report)))
    finally:
        executor.close()


def _reported(parts: Iterator[np.ndarray], count: int, report: Callable[[str], None]) -> Iterator[np.ndarray]:
    """Yield the parts as they are; report a line each time another quarter of a large number of rows is done."""
    done, marks = 0, itertools.count(1)
    mark = next(marks)
    for part in parts:
        yield part
        done += len(part)
        if count >= _WORTH_PROCESSES and done < count and done >= count * mark / 4:
            report(f"measured {done:,} of {count:,}")
            mark = next(marks)
