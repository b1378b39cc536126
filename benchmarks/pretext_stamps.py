"""The stamps of `benchmarks/pretext.py`: packed into one file, unpacked, described as a survey."""

import csv
import functools
import io
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from pretext_scores import CLASSES

from astrokeras.pipeline.arrays import Arrays
from astrokeras.records.directory import RecordsDirectory

BANDS = ("i", "r", "g")
CROP = 80
QUALITY = 92
VALIDATION = 1000


def pack(data: Path, out: Path, size: int, crop: int = CROP, measured: bool = True) -> None:
    """Both sets as JPEG bytes in one file, with what is measured on them at this size for `photometry` if asked for."""
    efigi = list(csv.DictReader((data / "efigi" / "catalog.csv").open(encoding="utf-8")))
    sdss = list(csv.DictReader((data / "sdss" / "catalog.csv").open(encoding="utf-8")))
    arrays = {
        "efigi_id": np.array([row["id"] for row in efigi]),
        "efigi_label": np.array([CLASSES.index(row["morphology"]) for row in efigi], np.int8),
    }
    for name, rows, change in (("efigi", efigi, bytes), ("sdss", sdss, functools.partial(_cropped, side=crop))):
        stamps = []
        with tarfile.open(data / name / "stamps.tar") as archive:
            members = {Path(member.name).stem: member for member in archive if member.isfile()}
            for row in rows:
                try:
                    stamps.append(change(archive.extractfile(members[row["id"]]).read()))
                except OSError as error:
                    print(f"left out {name} {row['id']}: {error}", file=sys.stderr)
        if name == "efigi" and len(stamps) != len(rows):
            raise SystemExit("the labelled stamps must be whole")
        arrays[f"{name}_bytes"] = np.frombuffer(b"".join(stamps), np.uint8)
        arrays[f"{name}_length"] = np.array([len(stamp) for stamp in stamps], np.int32)
        if measured:
            arrays[f"{name}_photometry"] = _measured(decode(arrays, name, size))
    if measured:
        arrays["photometry_size"] = np.array(size)
    with out.open("wb") as stream:
        np.savez(stream, **arrays)
    counts = [len(arrays[f"{name}_length"]) for name in ("sdss", "efigi")]
    print(f"{out}: {counts[0]} unlabelled and {counts[1]} labelled stamps, {out.stat().st_size / 2**20:.1f} MiB")


def _measured(stamps: np.ndarray) -> np.ndarray:
    # SEP is needed for nothing else here.
    from astrokeras.tasks.measuring import measure_split  # noqa: PLC0415

    return measure_split(Arrays(survey(stamps, validation=0), {"train": {"image": stamps}}), "train", print)


def photometric(measured: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns that follow from what was measured: of errors nothing is known."""
    magnitudes = measured[:, : len(BANDS)]
    return {"photometry": measured, "magnitudes": magnitudes, "magnitude_errors": np.full_like(magnitudes, np.nan)}


def _cropped(content: bytes, side: int) -> bytes:
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    start = (picture.width - side) // 2
    stream = io.BytesIO()
    picture.crop((start, start, start + side, start + side)).save(stream, "JPEG", quality=QUALITY, subsampling=0)
    return stream.getvalue()


def decode(archive: dict[str, np.ndarray], name: str, size: int) -> np.ndarray:
    """Return the stamps of one set as [N, size, size, 3] uint8."""
    ends = np.cumsum(archive[f"{name}_length"])
    content = archive[f"{name}_bytes"].tobytes()
    stamps = np.empty((len(ends), size, size, 3), np.uint8)

    def one(i: int) -> None:
        picture = Image.open(io.BytesIO(content[ends[i] - archive[f"{name}_length"][i] : ends[i]])).convert("RGB")
        stamps[i] = np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))

    with ThreadPoolExecutor() as pool:  # Pillow leaves other threads at work
        list(pool.map(one, range(len(ends))))
    return stamps


def survey(stamps: np.ndarray, validation: int = VALIDATION) -> RecordsDirectory:
    """Return the facts of a survey of colour stamps, as `astrokeras convert` would find them."""
    edge = stamps.shape[1] // 8
    inner = np.ones(stamps.shape[1:3], bool)
    inner[edge:-edge, edge:-edge] = False
    border = stamps[:, inner].astype(np.float32)
    level = np.median(border, axis=1)
    noise = 1.4826 * np.median(np.abs(border - level[:, None]), axis=1)
    content = {
        "name": "sdss",
        "bands": list(BANDS),
        "size": stamps.shape[1],
        "unit": "display",
        "sky": np.median(level, axis=0).tolist(),
        "noise": np.maximum(np.median(noise, axis=0), 0.5).tolist(),
        "splits": {"train": {"count": len(stamps) - validation}, "val": {"count": validation}},
    }
    return RecordsDirectory(Path("sdss"), content)
