"""Magnitudes of catalogues that give fluxes."""

import numpy as np

from astrokeras.errors import UsageError


def magnitudes_from_fluxes(fluxes: np.ndarray, errors: np.ndarray, zero_point: float) -> tuple[np.ndarray, np.ndarray]:
    """Return magnitudes and their errors, NaN where a flux has none.

    m = zero point - 2.5 log10 f (Pogson 1856, MNRAS 17, 12); its error is 2.5 / ln 10 times that of f over f, to first
    order. A flux that is not positive has no magnitude, and neither has one whose error says that it was not measured:
    infinite, or not positive. An error that is NaN is unknown and says nothing.

    Args:
        fluxes: any shape.
        errors: of the same shape; NaN where unknown.
        zero_point: magnitude of a flux of 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        measured = np.isfinite(fluxes) & (fluxes > 0) & ~np.isinf(errors) & ~(errors <= 0)
        magnitudes = np.where(measured, zero_point - 2.5 * np.log10(fluxes), np.nan)
        return magnitudes, np.where(measured, 2.5 / np.log(10) * errors / fluxes, np.nan)


def errors_from_ivars(ivars: np.ndarray) -> np.ndarray:
    """Return standard deviations of inverse variances.

    Infinite where an inverse variance of 0 says that nothing was seen.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(ivars > 0, 1 / np.sqrt(ivars), np.where(np.isnan(ivars), np.nan, np.inf))


def check_flux_options(fluxes: str | None, errors: str | None, ivars: str | None, zero_point: float | None) -> None:
    """Refuse options about fluxes that do not go together."""
    if fluxes and zero_point is None:
        raise UsageError("--fluxes: give the magnitude of a flux of 1 as well, as in --flux-zero-point 22.5")
    if errors and ivars:
        raise UsageError("--flux-errors and --flux-ivars: give one of them")
    for option, value in (("errors", errors), ("ivars", ivars)):
        if value and not fluxes:
            raise UsageError(f"--flux-{option} {value}: there are no --fluxes")
