"""Whether the published parameters of SDSS's colour pictures are those of real ones.

    python benchmarks/levels.py --data DIR [--write]

DIR holds `sdss/` and `efigi/`. SDSS's pipeline (stage `sdss_frame_jpg` of photoop, after Lupton et al. 2004, PASP
116, 133) multiplies sky-subtracted i, r, g, in nanomaggies a pixel of 0.396″, by 2, 2.6 and 3.6 to red, green, blue,
then all three by asinh(N S) / (N S) with N = 2.25 and S their sum, divides a pixel that has a colour above 1 by that
colour, and takes 256 levels. Frames with their pictures are not at hand, so each parameter is looked for in pictures:

- N: once the right stretch is undone, stars of all brightnesses have the same profile, and it is that of a PSF.
- The scales: they turn level ratios into colours, and stars lie on the stellar locus, (g-r) = 1.39 {1 - exp[-4.9 (r-i)³
  - 2.45 (r-i)² - 1.68 (r-i) - 0.05]} (Jurić et al. 2008, ApJ 673, 864); what must be added to bring them there is the
  error of the scales (as stellar locus regression does, High et al. 2009, AJ 138, 110).
- What the scales amount to together: noise of the frames becomes that of the pictures.

The early types of EFIGI are then compared with galaxies in SDSS's own pictures.
"""

import argparse
import csv
import io
import itertools
import tarfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from real_data import write
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from astrokeras.survey.levels import NONLINEARITY, SCALES, levels_of
from astrokeras.survey.tables import markdown

# Nanomaggies a pixel, by the data model of SDSS's frames: sky of 20.3, 20.86, 21.8 mag/arcsec² and typical gains.
FRAME_NOISE = np.array([0.040, 0.026, 0.017])
HALF, EDGE = 25, 12
DARK, FULL = 14, 238  # levels: of a sky without a halo on it, and of a middle that is not cut


def pictures(data: Path) -> dict[str, np.ndarray]:
    """Read a set's JPEGs, uint8 [N, H, W, 3] by their names; those that are cut short are left out."""
    found = {}
    with tarfile.open(data / "stamps.tar") as archive:
        for member in archive:
            if member.isfile():
                try:
                    with Image.open(io.BytesIO(archive.extractfile(member).read())) as picture:
                        found[Path(member.name).stem] = np.asarray(picture.convert("RGB"))
                except OSError:
                    continue
    return found


def sky_of(picture: np.ndarray) -> np.ndarray:
    """Return the median level of the first and the last rows, [3]."""
    return np.median(np.concatenate([picture[:EDGE], picture[-EDGE:]]).reshape(-1, 3), axis=0)


def middles(stamps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what lies around the brightest pixel near the middle, less the sky, in 256ths; of stamps on a dark sky.

    Shapes:
        [N, 2 HALF + 1, 2 HALF + 1, 3]; and the sum of the three at the peak, [N]
    """
    around, peaks = [], []
    for picture in stamps:
        sky = sky_of(picture)
        middle = picture.shape[0] // 2
        near = picture[middle - 10 : middle + 10, middle - 10 : middle + 10].sum(axis=-1, dtype=int)
        y, x = np.array(np.unravel_index(near.argmax(), near.shape)) + middle - 10
        if sky.max() > DARK or picture[y - 2 : y + 3, x - 2 : x + 3].max() > FULL:
            continue
        window = (picture[y - HALF : y + HALF + 1, x - HALF : x + HALF + 1] - sky) / 256
        around.append(window)
        peaks.append(window[HALF - 1 : HALF + 2, HALF - 1 : HALF + 2].sum(axis=-1).mean())
    return np.array(around), np.array(peaks)


def undone(total: np.ndarray, nonlinearity: float) -> np.ndarray:
    """Return the sum of scaled fluxes S of the sum of levels asinh(N S) / N; N = 0 is a linear stretch."""
    total = np.maximum(total, 0)
    return np.sinh(nonlinearity * total) / nonlinearity if nonlinearity else total


def widths(around: np.ndarray, peaks: np.ndarray, nonlinearity: float, part: float = 0.5) -> np.ndarray:
    """Return the diameter of the circle as large as what is above this part of the peak, in pixels, [N]."""
    light = undone(around.sum(axis=-1), nonlinearity)
    above = light > undone(peaks, nonlinearity)[:, None, None] * part
    return 2 * np.sqrt(above.sum(axis=(1, 2)) / np.pi)


def table_of_profiles(around: np.ndarray, peaks: np.ndarray) -> str:
    """Compare how much wider stars of all brightnesses are at a quarter of their peak than at half, under several N."""
    edges = (0.5, 0.9, 1.2, 1.5, 1.8, 2.4)
    lines = []
    for value in (0.0, 1.0, 1.5, NONLINEARITY, 3.0, 5.0, 7.0):
        ratio = widths(around, peaks, value, 0.25) / widths(around, peaks, value)
        medians = [np.median(ratio[(peaks > a) & (peaks <= b)]) for a, b in itertools.pairwise(edges)]
        lines.append([f"{value:g}", *(f"{median:.2f}" for median in medians)])
    head = ["N", *(f"peak {a:g} to {b:g}" for a, b in itertools.pairwise(edges))]
    return markdown(head, lines)


def colours(around: np.ndarray, widths_: np.ndarray) -> np.ndarray:
    """Return r-i and g-r of the light within 0.6 widths of the middle, [N, 2]; NaN where a band has none."""
    steps = np.arange(-HALF, HALF + 1)
    within = np.hypot(steps[:, None], steps) < 0.6 * widths_[:, None, None]
    total = np.maximum(around.sum(axis=-1), 1e-6)
    linear = around * (undone(total, NONLINEARITY) / total)[..., None]
    flux = np.einsum("nhwc,nhw->nc", linear, within) / SCALES
    flux = np.where(flux > 0, flux, np.nan)
    return -2.5 * np.log10(np.stack([flux[:, 1] / flux[:, 0], flux[:, 2] / flux[:, 1]], axis=1))


def locus(r_i: np.ndarray) -> np.ndarray:
    """Return g-r of stars of these r-i."""
    return 1.39 * (1 - np.exp(-4.9 * r_i**3 - 2.45 * r_i**2 - 1.68 * r_i - 0.05))


def shift_to_locus(found: np.ndarray) -> np.ndarray:
    """Return what brings r-i and g-r nearest to the stellar locus, [2]; distances beyond 0.25 mag count as that."""
    steps = np.linspace(-0.1, 2.0, 1000)
    tree = cKDTree(np.stack([steps, locus(steps)], axis=1))

    def cost(shift: np.ndarray) -> float:
        return float(np.minimum(tree.query(found + shift)[0], 0.25).mean())

    starts = ([0, 0], [0.1, 0.2], [-0.1, 0.2], [0, -0.2])
    return min((minimize(cost, start, method="Nelder-Mead") for start in starts), key=lambda best: best.fun).x


def table_of_stars(found: np.ndarray, shift: np.ndarray) -> str:
    """Compare all stars with the locus, and red ones, whose g-r is nearly one number there."""
    red = found[(found[:, 0] > 0.8) & (found[:, 0] < 1.8)]
    lines = [
        ["r-i, from the locus", f"{-shift[0]:+.2f}", "0", str(len(found))],
        ["g-r, from the locus", f"{-shift[1]:+.2f}", "0", str(len(found))],
        [
            "g-r where r-i is 0.8 to 1.8",
            f"{np.median(red[:, 1]):.2f}",
            f"{np.median(locus(red[:, 0])):.2f}",
            str(len(red)),
        ],
    ]
    return markdown(["stars in SDSS's pictures, mag", "found", "expected", "stars"], lines)


def table_of_galaxies(data: Path, efigi: dict[str, np.ndarray], extended: np.ndarray, shift: np.ndarray) -> str:
    """Compare EFIGI's early types with what is extended in SDSS's own pictures, all brought to the locus of stars."""
    alike = (extended + shift)[np.abs((extended + shift)[:, 1] - 0.75) < 0.1]
    lines = [
        ["SDSS's own, where g-r is 0.65 to 0.85", str(len(alike)), *(f"{v:.2f}" for v in np.median(alike, axis=0))]
    ]
    with (data / "efigi" / "catalog.csv").open(encoding="utf-8") as stream:
        kinds = {row["id"]: row["morphology"] for row in csv.DictReader(stream)}
    for kind in ("elliptical", "lenticular"):
        stamps = np.stack([picture for name, picture in efigi.items() if kinds.get(name) == kind])
        middle = stamps[:, 34:54, 34:54].astype(float)
        good = (middle.max(axis=-1) < FULL) & (middle.min(axis=-1) > 80)
        middle, good = middle[good.sum(axis=(1, 2)) > 10], good[good.sum(axis=(1, 2)) > 10]
        flux = np.einsum("nhwc,nhw->nc", middle, good) / SCALES
        both = np.median(-2.5 * np.log10(flux[:, 1:] / flux[:, :-1]), axis=0) + shift
        lines.append([f"EFIGI, {kind}", str(len(flux)), *(f"{value:.2f}" for value in both)])
    return markdown(["galaxies, by SDSS's scales", "galaxies", "r-i", "g-r"], lines)


def table_of_sky(sdss: np.ndarray) -> str:
    """Compare the levels of empty sky: of noise alone, through all that a cut-out goes through, and of real ones."""
    noise = np.random.default_rng(0).normal(size=(512, 512, 3)) * FRAME_NOISE
    steps = {"noise of a frame, stretched": levels_of(noise).astype(np.uint8)}
    steps["… as a JPEG"] = as_jpeg(steps["noise of a frame, stretched"])
    twice = Image.fromarray(steps["… as a JPEG"]).resize((1024, 1024), Image.Resampling.BILINEAR)
    steps["… at twice as many pixels, as a JPEG again"] = as_jpeg(np.asarray(twice))
    dark = np.stack([picture for picture in sdss if sky_of(picture).max() <= DARK])
    steps[f"{len(dark)} SDSS pictures without a halo, their edges"] = dark[:, :EDGE]
    steps[f"all {len(sdss)} SDSS pictures, their edges"] = sdss[:, :EDGE]
    lines = []
    for name, levels in steps.items():
        values = levels.reshape(-1, 3).astype(np.float32)
        level = np.median(values, axis=0)
        spread = 1.4826 * np.median(np.abs(values - level), axis=0)
        lines.append([name, *(" / ".join(f"{v:.1f}" for v in row) for row in (level, spread))])
    return markdown(["empty sky in i / r / g", "median level", "noise (from the MAD)"], lines)


def as_jpeg(levels: np.ndarray) -> np.ndarray:
    """Return a picture as it comes back from a JPEG."""
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "JPEG", quality=80)
    return np.asarray(Image.open(stream))


def main() -> None:
    """Look for each parameter, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    given = parser.parse_args()
    sdss = np.stack(list(pictures(given.data / "sdss").values()))
    around, peaks = middles(sdss)
    width = widths(around, peaks, NONLINEARITY)
    found = colours(around, width)
    known = np.isfinite(found).all(axis=1) & (peaks > 0.5)
    stars, extended = known & (width > 5.5) & (width < 8), found[known & (width > 12)]
    shift = shift_to_locus(found[stars])
    tables = [
        table_of_profiles(around[stars], peaks[stars]),
        table_of_stars(found[stars], shift),
        table_of_sky(sdss),
        table_of_galaxies(given.data, pictures(given.data / "efigi"), extended, shift),
    ]
    text = "\n\n".join([f"Run on {time.strftime('%Y-%m-%d')}.", *tables])
    print(text)
    if given.write:
        write("levels", text)


if __name__ == "__main__":
    main()
