"""What predicting magnitudes is worth without a network: photometry with a linear fit.

A network that does not beat it has learned nothing that an aperture does not see.
"""

from collections.abc import Callable

import numpy as np
from photutils.aperture import CircularAperture
from sklearn.linear_model import LinearRegression

from astrokeras.pipeline.source import Source

# Radii in pixels of which the regression takes the best for each band.
_RADII = (2.0, 3.0, 5.0, 8.0, 12.0)
# A regression with a dozen unknowns gains nothing from more objects.
_MOST_OBJECTS = 20_000
_BATCH = 256


def _weights(size: int) -> np.ndarray:
    """Return the exact overlap of each pixel with circles around the centre of a stamp.

    Shapes:
        [R, size * size]; only radii that fit, at least one
    """
    centre = (size - 1) / 2
    radii = [radius for radius in _RADII if radius <= size / 2] or [size / 2]
    masks = [CircularAperture((centre, centre), radius).to_mask(method="exact") for radius in radii]
    return np.stack([mask.to_image((size, size)).ravel() for mask in masks])


def _border(size: int) -> np.ndarray:
    inside = np.zeros((size, size), bool)
    inside[1:-1, 1:-1] = True
    return ~inside.ravel()


def aperture_features(flux: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """log10 of the aperture fluxes above the median of each stamp's border.

    Fluxes below the noise of their aperture count as that noise. NaN pixels count as sky; a band that is all NaN
    has the flux of its noise.

    Shapes:
        flux [N, S, S, B], noise [B] -> [R, N, B], by radius

    Units:
        flux and noise in one unit, of which the results are logarithms
    """
    n, size, _, n_bands = flux.shape
    pixels = np.where(np.isfinite(flux), flux, np.nan).reshape(n, size * size, n_bands).astype(np.float64)
    border = np.ma.median(np.ma.masked_invalid(pixels[:, _border(size)]), axis=1).filled(0.0)
    pixels = np.nan_to_num(pixels - border[:, None], nan=0.0)
    weights = _weights(size)
    sums = np.einsum("rp,npb->rnb", weights, pixels, optimize=True)
    floor = noise * np.sqrt((weights**2).sum(axis=1))[:, None, None]
    return np.log10(np.maximum(sums, floor))


def _measure(source: Source, split: str, field: str, select: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Features [R, N, B] and a field [N, ...] of a split, a batch of stamps in memory at a time."""
    features, values = [], []
    noise = np.array(source.records.noise)
    for flux, fields in source.stamps(split, _BATCH, [field], select):
        features.append(aperture_features(flux, noise))
        values.append(fields[field].astype(np.float64))
    return np.concatenate(features, axis=1), np.concatenate(values)


def photometry(source: Source, split: str, select: np.ndarray) -> np.ndarray:
    """Return `aperture_features` of the objects of a split that `select` keeps: all radii and bands in a row, [N, RB].

    Shapes:
        select [M] bool, of the whole split
    """
    noise = np.array(source.records.noise)
    parts = [aperture_features(flux, noise) for flux, _ in source.stamps(split, _BATCH, (), select)]
    return _in_rows(np.concatenate(parts, axis=1))


def _in_rows(features: np.ndarray) -> np.ndarray:
    """Return [R, N, B] as [N, RB]."""
    return np.moveaxis(features, 0, 1).reshape(features.shape[1], -1)


def evenly(select: np.ndarray) -> np.ndarray:
    """Return a mask that keeps at most 20,000 of the objects that `select` keeps, evenly spread over the records."""
    places = np.flatnonzero(select)
    kept = np.zeros(len(select), bool)
    kept[places[np.linspace(0, len(places) - 1, min(len(places), _MOST_OBJECTS)).astype(int)]] = True
    return kept


def linear_magnitudes(source: Source, split: str, usable: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the magnitudes of a split, and a linear regression of each band's on `aperture_features` of all bands.

    Fitted on the training split (at most 20,000 objects of it, evenly spread over the records); the radius is the
    best of a few by the error on the objects fitted. NaN for bands that are not usable.

    Shapes:
        [N, B] both
    """
    features, magnitudes = _measure(source, "train", "magnitudes", evenly(np.ones(source.records.count("train"), bool)))
    targets, truth = _measure(source, split, "magnitudes")
    prediction = np.full_like(truth, np.nan)
    for band in np.flatnonzero(usable & np.isfinite(magnitudes).any(axis=0)):
        known = np.isfinite(magnitudes[:, band])
        y = magnitudes[known, band]
        fits = [LinearRegression().fit(x[known], y) for x in features]
        errors = [np.abs(fit.predict(x[known]) - y).mean() for fit, x in zip(fits, features, strict=True)]
        best = int(np.argmin(errors))
        prediction[:, band] = fits[best].predict(targets[best])
    return truth, prediction


def linear_fit(
    source: Source, split: str, field: str, targets: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `targets` makes of a field, and a linear regression of it on `aperture_features`.

    Fitted on the training split as in `linear_magnitudes`. NaN where nothing is known to fit.

    Shapes:
        targets [N, ...] -> [N, T]; the results [N, T] of the split
    """
    features, values = _measure(source, "train", field, evenly(np.ones(source.records.count("train"), bool)))
    others, truth = _measure(source, split, field)
    known_targets, truth = targets(values), targets(truth)
    x, others = _in_rows(features), _in_rows(others)
    prediction = np.full(truth.shape, np.nan)
    for i, y in enumerate(known_targets.T):
        known = np.isfinite(y)
        if known.any():
            prediction[:, i] = LinearRegression().fit(x[known], y[known]).predict(others)
    return truth, prediction
