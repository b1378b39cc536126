"""How the bands of a survey share out over three channels."""

import numpy as np


def band_thirds(n_bands: int) -> list[np.ndarray]:
    """Indices of the bands that make up red, green and blue, for bands ordered from blue to red.

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
