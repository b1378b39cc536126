"""What the bands of a survey are called elsewhere, and how they share out over three channels."""

import numpy as np

from astrokeras.errors import UsageError


def names_in_tables(bands: tuple[str, ...], catalog_bands: tuple[str, ...]) -> tuple[str, ...]:
    """Return what `bands` are called in the columns of tables: ``--catalog-bands``, where it is given.

    Raises:
        UsageError: there is not one for each band.
    """
    names = catalog_bands or bands
    if len(names) != len(bands):
        raise UsageError(f"--catalog-bands {','.join(names)}: expected one for each of {','.join(bands)}")
    return names


def band_thirds(n_bands: int) -> list[np.ndarray]:
    """Return indices of the bands that make up red, green and blue, for bands ordered from blue to red.

    Three or more bands fall into thirds, the last being red; of two bands green takes both; one band serves for all.

    Shapes:
        three arrays of band indices, none empty; a band stands in two of them only where there are fewer than three.
    """
    bands = np.arange(n_bands)
    if n_bands == 1:
        return [bands, bands, bands]
    if n_bands == 2:
        return [bands[1:], bands, bands[:1]]
    return [part for part in reversed(np.array_split(bands, 3))]
