"""Stamps as a person sees them."""

from pathlib import Path

import numpy as np
from astropy.visualization import make_lupton_rgb
from PIL import Image, ImageDraw

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.directory import Records
from astrokeras.records.example import decode
from astrokeras.records.tfrecord import read
from astrokeras.survey.bands import band_thirds

COLUMNS, ROWS, CELL, CAPTION = 12, 8, 96, 14
_BRIGHT = 5  # times the sky noise


def rgb(flux: np.ndarray, records: Records) -> np.ndarray:
    """Stamps in colour: the reddest third of the bands as red, the middle one as green, the bluest as blue.

    Bands count in units of their sky noise, and the channels are balanced so that what is bright is grey on average
    over the stamps given; NaN pixels look like sky. Display levels (JPEG, PNG) of three channels are shown as they are.

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
    significance = (good - sky) / np.array(records.noise)
    channels = np.stack([significance[..., third].mean(axis=-1) for third in thirds], axis=-1)
    bright = channels.mean(axis=-1) > _BRIGHT
    if bright.any():  # a white balance: what shines is grey on average, whatever the depth of each band
        light = np.maximum(channels[bright].mean(axis=0), 1.0)
        channels *= light.mean() / light
    return np.stack([make_lupton_rgb(*np.moveaxis(stamp, -1, 0), minimum=-2, stretch=10, Q=8) for stamp in channels])


def write_sheet(records: Records, path: str | Path, seed: int) -> None:
    """Write a contact sheet: random training stamps, each with its class (or the end of its id) below.

    Raises:
        UsageError: `path` is no PNG.
        AstrokerasError: it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise UsageError(f"--sheet {path}: expected a name that ends in .png")
    examples = _draw(records, COLUMNS * ROWS, seed)
    shape = (records.size, records.size, len(records.bands))
    flux = np.stack([np.frombuffer(example["image"], dtype="<f4").reshape(shape) for example in examples])
    rows = -(-len(examples) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (CELL + 4), rows * (CELL + CAPTION)), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (picture, example) in enumerate(zip(rgb(flux, records), examples, strict=True)):
        left, top = index % COLUMNS * (CELL + 4), index // COLUMNS * (CELL + CAPTION)
        # Row 0 of an image of the sky is at the bottom, of a photograph at the top.
        upright = picture if records.unit == "display" else picture[::-1]
        sheet.paste(Image.fromarray(upright).resize((CELL, CELL), Image.Resampling.NEAREST), (left, top))
        label = int(example["label"][0])
        caption = records.classes[label] if label >= 0 else example["id"].decode()[-14:]
        pen.text((left + 2, top + CELL + 1), caption, fill="black" if label >= 0 else "gray")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path)
    except OSError as error:
        raise AstrokerasError(f"cannot write {path}: {error.strerror or error}") from None


def _draw(records: Records, wanted: int, seed: int) -> list[dict]:
    """Random training records, in record order."""
    count = records.count("train")
    chosen = set(np.random.default_rng(seed).choice(count, min(wanted, count), replace=False).tolist())
    examples, start = [], 0
    for name, length in zip(records.shards("train"), records.shard_lengths("train"), strict=True):
        if any(start <= index < start + length for index in chosen):
            try:
                examples += [decode(r) for i, r in enumerate(read(Path(name)), start) if i in chosen]
            except ValueError as error:
                raise AstrokerasError(f"{error}; convert the survey again") from None
        start += length
    return examples
