"""EFIGI's galaxies as embeddings, for the benchmarks of what is done with few labels, and their tables of results."""

import argparse
import math
import re
import tarfile
from pathlib import Path

import numpy as np

import astrokeras as ak

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results.md"
CLASSES = ("elliptical", "irregular", "lenticular", "spiral")
SIDE = 96


def arguments(description: str | None) -> argparse.Namespace:
    """Where the data, the weights and the work are."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="directory with efigi/")
    parser.add_argument("--weights", type=Path, required=True, help="MobileNetV2 without its top")
    parser.add_argument("--work", type=Path, default=Path("runs/efigi"))
    return parser.parse_args()


def records(data: Path, work: Path) -> "ak.Records":
    """Return the stamps as records; made once."""
    if not (work / "records").is_dir():
        work.mkdir(parents=True, exist_ok=True)
        with tarfile.open(data / "efigi" / "stamps.tar") as archive:
            archive.extractall(work, filter="data")
        ak.convert(
            images=work / "stamps" / "{id}.jpg", bands="irg", catalog=data / "efigi" / "catalog.csv",
            label="morphology", size=88, splits={"train": 1}, out=work / "records",
        )  # fmt: skip
    return ak.open_records(work / "records")


def embeddings(data: Path, weights: Path | None, work: Path) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings [N, 1280] of MobileNetV2 on stamps of 96 pixels, and the classes [N]; made once."""
    file = work / ("imagenet.npz" if weights else "untrained.npz")
    if not file.is_file():
        opened = records(data, work)
        if weights is None:
            import keras  # noqa: PLC0415

            keras.utils.set_random_seed(0)
        encoder = ak.build_encoder(opened, backbone="mobilenet_v2", resize=SIDE, weights=weights)
        arrays = opened.arrays("train", ("flux", "label"))
        np.savez(file, vectors=encoder.predict(arrays["flux"], batch_size=64, verbose=0), labels=arrays["label"])
    with np.load(file) as stored:
        return stored["vectors"], stored["labels"]


def interval(values: np.ndarray) -> tuple[float, float]:
    """Half of the 95 per cent interval of a mean over repeats (Student's t), after the mean."""
    from scipy.stats import t  # noqa: PLC0415

    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, math.nan
    return mean, float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))


def write(name: str, text: str) -> None:
    """Replace what stands between the marks of this name in docs/results.md."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    page = RESULTS.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    assert len(pattern.findall(page)) == 1, f"{RESULTS} lacks the marks of {name}"
    RESULTS.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page), encoding="utf-8")
