"""Stamps as a person sees them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from astropy.visualization import make_lupton_rgb
from PIL import Image, ImageDraw, ImageFont

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.files import write_atomically
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.example import decode
from astrokeras.records.reader import Reader
from astrokeras.survey.bands import band_thirds

COLUMNS, ROWS, CELL, CAPTION = 12, 8, 96, 30
HEAD, FONT = 24, 11  # height of the line above the stamps, and of letters
_BRIGHT = 5  # times the sky noise


@dataclasses.dataclass(frozen=True)
class Cell:
    """One stamp of a sheet: its picture ``[S, S, 3]`` uint8 as `upright` gives it, and two lines below it.

    Of the first line the beginning is shown where there is no room for all, of the second the end.
    """

    picture: np.ndarray
    first: str = ""
    second: str = ""
    faint: bool = False


def rgb(flux: np.ndarray, records: RecordsDirectory, balance: np.ndarray | None = None) -> np.ndarray:
    """Return stamps in colour: the reddest third of the bands as red, the middle one as green, the bluest as blue.

    Bands count in units of their sky noise, and the channels are balanced so that what is bright is grey on average
    over the stamps given, or by `balance`, which `white_balance` gave for others; NaN pixels look like sky. Display
    levels (JPEG, PNG) of three channels are shown as they are.

    Shapes:
        flux ``[N, H, W, B]`` in the records' unit → ``[N, H, W, 3]`` uint8.

    Source: Lupton et al. 2004, PASP 116, 133.
    """
    sky = np.array(records.sky)
    good = np.where(np.isfinite(flux), flux, sky)
    thirds = band_thirds(len(records.bands))
    if records.unit == "display":
        channels = good if good.shape[-1] == 3 else np.stack([good[..., third].mean(axis=-1) for third in thirds], -1)
        return np.clip(channels, 0, 255).astype(np.uint8)
    channels = _channels(good, records) * (white_balance(flux, records) if balance is None else balance)
    return np.stack([make_lupton_rgb(*np.moveaxis(stamp, -1, 0), minimum=-2, stretch=10, Q=8) for stamp in channels])


def white_balance(flux: np.ndarray, records: RecordsDirectory) -> np.ndarray:
    """Return factors for red, green and blue by which what shines in these stamps is grey on average.

    Shapes:
        flux ``[N, H, W, B]`` in the records' unit → ``[3]``.
    """
    channels = _channels(np.where(np.isfinite(flux), flux, np.array(records.sky)), records)
    bright = channels.mean(axis=-1) > _BRIGHT
    if not bright.any():
        return np.ones(3)
    light = np.maximum(channels[bright].mean(axis=0), 1.0)
    return light.mean() / light


def _channels(good: np.ndarray, records: RecordsDirectory) -> np.ndarray:
    """Return red, green and blue light in units of the sky noise."""
    significance = (good - np.array(records.sky)) / np.array(records.noise)
    thirds = band_thirds(len(records.bands))
    return np.stack([significance[..., third].mean(axis=-1) for third in thirds], axis=-1)


def write_sheet(records: RecordsDirectory, path: str | Path, seed: int, by: str | None = None) -> None:
    """Write a contact sheet of random training stamps, each with its class and the end of its id below.

    Above them stands which bands are red, green and blue, and a bar of so many arcseconds (pixels, where their scale is
    not known). With `by` ``class`` a row shows stamps of one class, the last row those without.

    Raises:
        UsageError: `path` is no PNG, or there are no classes to show by.
        AstrokerasError: it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise UsageError(f"--sheet {path}: expected a name that ends in .png")
    if by and not records.classes:
        raise UsageError(f"--sheet-by {by}: the records in {records.path} have no labels")
    places = _places_by_class(records, seed) if by else _places(records, seed)
    examples = _read(records, {index for row in places for index in row})
    order = [index for row in places for index in row]
    shape = (records.size, records.size, len(records.bands))
    flux = np.stack([np.frombuffer(examples[index]["image"], dtype="<f4").reshape(shape) for index in order])
    pictures = dict(zip(order, upright(rgb(flux, records), records), strict=True))
    save_sheet(records, path, [[_cell(records, examples[i], pictures[i]) for i in row] for row in places])


def upright(pictures: np.ndarray, records: RecordsDirectory) -> np.ndarray:
    """Turn pictures ``[N, H, W, 3]`` so that row 0 is at the bottom, as images of the sky are; photographs stay.

    Levels that were made of such images (``convert --levels``) are turned too.
    """
    photographs = records.unit == "display" and not records.content.get("options", {}).get("levels")
    return pictures if photographs else pictures[:, ::-1]


def save_sheet(records: RecordsDirectory, path: Path, rows: Sequence[Sequence[Cell]]) -> None:
    """Write a sheet of rows of at most `COLUMNS` stamps, below a line that says what they are.

    Raises:
        AstrokerasError: it cannot be written.
    """
    sheet = draw_sheet(records, rows)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, sheet.save)
    except OSError as error:
        raise AstrokerasError(f"cannot write {path}: {error.strerror or error}") from None


def draw_sheet(records: RecordsDirectory, rows: Sequence[Sequence[Cell]]) -> Image.Image:
    """Return a sheet of rows of at most `COLUMNS` stamps, below a line that says what they are."""
    sheet = Image.new("RGB", (COLUMNS * (CELL + 4), HEAD + len(rows) * (CELL + CAPTION)), "white")
    pen = ImageDraw.Draw(sheet)
    # Pillow's own font has few letters.
    pen.font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", FONT)
    _draw_head(pen, records)
    for line, row in enumerate(rows):
        for column, cell in enumerate(row):
            left, top = column * (CELL + 4), HEAD + line * (CELL + CAPTION)
            sheet.paste(Image.fromarray(cell.picture).resize((CELL, CELL), Image.Resampling.NEAREST), (left, top))
            pen.text(
                (left + 2, top + CELL), _fitting(pen, cell.first, CELL - 2), fill="gray" if cell.faint else "black"
            )
            below = (left + 2, top + CELL + CAPTION // 2 - 1)
            pen.text(below, _fitting(pen, cell.second, CELL - 2, end=True), fill="dimgray")
    return sheet


def describe_colours(records: RecordsDirectory) -> str:
    """Return which bands are shown in which colour."""
    bands = records.bands
    if records.unit == "display" and len(bands) == 3:
        shown = [(band,) for band in bands]
    else:
        shown = [tuple(bands[i] for i in np.arange(len(bands))[third]) for third in band_thirds(len(bands))]
    if len(set(shown)) == 1:
        return f"grey: {', '.join(shown[0])}"
    return "   ".join(f"{c}: {', '.join(names)}" for c, names in zip(("red", "green", "blue"), shown, strict=True))


def scale_bar(records: RecordsDirectory) -> tuple[float, str]:
    """Return length of the bar in pixels of a stamp, at most half of it, and its text.

    1, 2 or 5 times a power of ten.
    """
    scale, unit = (records.pixel_scale, "arcsec") if records.pixel_scale else (1.0, "pixels")
    longest = records.size / 2 * scale
    power = 10.0 ** np.floor(np.log10(longest))
    length = power * max(factor for factor in (1, 2, 5) if factor * power <= longest * (1 + 1e-9))
    return length / scale, f"{length:g} {unit}"


def _draw_head(pen: ImageDraw.ImageDraw, records: RecordsDirectory) -> None:
    pixels, text = scale_bar(records)
    width, right = pixels * CELL / records.size, COLUMNS * (CELL + 4) - 8
    pen.line((right - width, HEAD - 7, right, HEAD - 7), fill="black", width=3)
    pen.text((right - width - 8, HEAD / 2), text, fill="black", anchor="rm")
    room = right - width - 16 - pen.textlength(text)
    stamps = f"{records.name}, stamps of {records.size}×{records.size} pixels      {describe_colours(records)}"
    pen.text((2, HEAD / 2), _fitting(pen, stamps, room), fill="black", anchor="lm")


def _cell(records: RecordsDirectory, example: dict, picture: np.ndarray) -> Cell:
    """Return a cell with the class, and below it the id, whose end says most."""
    label, identifier = int(example["label"][0]), bytes(example["id"]).decode()
    first = "" if not records.classes else records.classes[label] if label >= 0 else "unlabelled"
    return Cell(picture, first, identifier, faint=label < 0)


def _fitting(pen: ImageDraw.ImageDraw, text: str, width: float, *, end: bool = False) -> str:
    """Return as much of the text's beginning (or end) as there is room for."""
    text = "".join(character if character.isprintable() else "?" for character in text)[:500]
    if pen.textlength(text) <= width:
        return text
    while text and pen.textlength(f"…{text}") > width:
        text = text[1:] if end else text[:-1]
    return f"…{text}" if end else f"{text}…"


def _places(records: RecordsDirectory, seed: int) -> list[list[int]]:
    """Return random training records in record order, by rows of the sheet."""
    count = records.count("train")
    chosen = np.sort(np.random.default_rng(seed).choice(count, min(COLUMNS * ROWS, count), replace=False)).tolist()
    return [chosen[start : start + COLUMNS] for start in range(0, len(chosen), COLUMNS)]


def _places_by_class(records: RecordsDirectory, seed: int) -> list[list[int]]:
    """Return random training records of each class that has any, then of the unlabelled."""
    rng, labels = np.random.default_rng(seed), records.objects("train")["label"]
    labels = np.ma.filled(labels, "")
    rows = []
    for name in (*records.classes, ""):
        here = np.flatnonzero(labels == name)
        if len(here):
            rows.append(np.sort(rng.choice(here, min(COLUMNS, len(here)), replace=False)).tolist())
    return rows


def _read(records: RecordsDirectory, chosen: set[int]) -> dict[int, dict]:
    """Return the training records at these places."""
    positions = sorted(chosen)
    return dict(zip(positions, map(decode, Reader(records).at("train", positions)), strict=True))
