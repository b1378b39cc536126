"""What the ways to use a frozen encoder are worth: at other sizes, over turns, at two scales.

    python benchmarks/encoder_uses.py pack --data DIR --out pack.npz
    python benchmarks/encoder_uses.py embed --pack pack.npz --weights FILE --out RESULTS
    python benchmarks/encoder_uses.py judge --pack pack.npz --out RESULTS
    python benchmarks/encoder_uses.py table --out RESULTS [--write]

`embed` keeps features of the encoder that ships and of ImageNet's weights, used in each of `WAYS`. `judge` fits the
logistic regression of `finetune --mode frozen` to the draws of labels of `encoder_scores.py`, and keeps which test
galaxies are told right. Intervals of `table` are the middle 95 % of bootstrap samples of the test galaxies (class by
class) and of the draws.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import keras
import numpy as np
from encoder_scores import BUDGETS, DRAWS, LARGE, SAMPLES, balanced, labelled_draws
from pretext_scores import CLASSES, split_labelled
from pretext_stamps import decode, pack, survey
from real_data import write

from astrokeras.models.encoder import build_encoder
from astrokeras.records.directory import RecordsDirectory
from astrokeras.shipped_encoders.card import read_card
from astrokeras.shipped_encoders.load import load_encoder
from astrokeras.tasks.logistic import logistic_regression

CROP, SIDE = 88, 96
# By name of each way, that of what it is compared with.
WAYS = {
    "ImageNet": "ImageNet",
    "ImageNet, mean of eight turns": "ImageNet",
    "ImageNet at 128 pixels": "ImageNet",
    "ImageNet at 160 pixels": "ImageNet",
    LARGE: "ImageNet",
    f"{LARGE}, mean of eight turns": LARGE,
    f"{LARGE}, whole and middle two thirds": LARGE,
    f"{LARGE} at 128 pixels": LARGE,
    f"{LARGE} at 160 pixels": LARGE,
}


def embed(settings: argparse.Namespace) -> None:
    """Keep the features of each of `WAYS`."""
    archive = read_pack(settings.pack)
    card = read_card(LARGE)
    own = load_encoder(LARGE).get_weights()
    facts = {"sky": list(card.sky), "noise": list(card.noise)}
    for size in (SIDE, 128, 160):
        stamps = decode(archive, "efigi", size)
        records = RecordsDirectory(Path("sdss"), {**survey(stamps, 0).content, **facts})
        for name, weights in (("ImageNet", str(settings.weights)), (LARGE, None)):
            encoder = build_encoder(records, backbone="mobilenet_v2", weights=weights)
            if weights is None:
                encoder.set_weights(own)

            def features(pixels: np.ndarray, encoder: keras.Model = encoder) -> np.ndarray:
                return np.asarray(encoder.predict(pixels.astype(np.float32), batch_size=256, verbose=0), np.float32)

            if size != SIDE:
                save(features_file(settings.out, f"{name} at {size} pixels", 0), features(stamps))
                continue
            turned = [stamps[:, :, ::flip] for flip in (1, -1)]
            views = [features(np.rot90(view, quarter, (1, 2))) for view in turned for quarter in range(4)]
            save(features_file(settings.out, name, 0), views[0])
            save(features_file(settings.out, f"{name}, mean of eight turns", 0), np.mean(views, axis=0))
            if name == LARGE:
                middle = decode(archive, "efigi", SIDE * 3 // 2)[:, SIDE // 4 : -(SIDE // 4), SIDE // 4 : -(SIDE // 4)]
                both = np.concatenate([views[0], features(middle)], axis=1)
                save(features_file(settings.out, f"{name}, whole and middle two thirds", 0), both)
        print(f"{size} pixels: done", flush=True)


def judge(settings: argparse.Namespace) -> None:
    """Say which test galaxies are told right, for each encoder, by labels a class and draw."""
    archive = read_pack(settings.pack)
    ids, labels = archive["efigi_id"], archive["efigi_label"].astype(int)
    test = split_labelled(ids, labels)[0]
    draws = labelled_draws(ids, labels)
    asked = {(count, i): rows for count in BUDGETS for i, rows in enumerate(draws[count])}
    with ProcessPoolExecutor(settings.jobs, get_context("spawn")) as pool:
        while True:
            done = (settings.out / "all").is_file()
            files = sorted((settings.out / "features").glob("*.npy"))
            new = [file for file in files if not _result(settings.out, file).is_file()]
            for file in new:
                jobs = [(str(file), rows, labels[rows], test, labels[test], key[1]) for key, rows in asked.items()]
                right = dict(zip(asked, pool.map(_right, jobs), strict=True))
                by_count = {str(n): np.array([right[n, i] for i in range(DRAWS)]) for n in BUDGETS}
                with _result(settings.out, file).with_suffix(".part").open("wb") as stream:
                    np.savez_compressed(stream, labels=labels[test], **by_count)
                _result(settings.out, file).with_suffix(".part").replace(_result(settings.out, file))
                means = ", ".join(f"{balanced(values, labels[test]):.3f}" for values in by_count.values())
                print(f"{file.stem}: {means}", flush=True)
            if not new and (done or not settings.watch):
                return
            if not new:
                time.sleep(2)


def _right(job: tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]) -> np.ndarray:
    file, rows, classes, test, answers, seed = job
    values = np.load(file, mmap_mode="r")
    kernel, bias = logistic_regression(np.asarray(values[rows], np.float32), classes, len(CLASSES), seed)
    return (np.asarray(values[test], np.float32) @ kernel + bias).argmax(axis=1) == answers


def read_pack(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def features_file(out: Path, name: str, seed: int) -> Path:
    return out / "features" / f"{name} {seed}.npy"


def _result(out: Path, file: Path) -> Path:
    return out / "right" / f"{file.stem}.npz"


def save(file: Path, features: np.ndarray) -> None:
    part = file.with_suffix(".part")
    with part.open("wb") as stream:
        np.save(stream, np.asarray(features, np.float16))
    part.replace(file)


def table(settings: argparse.Namespace) -> str:
    """Return the scores of each way as Markdown."""
    right, labels = results(settings.out)
    head = ["encoder", "compared with", *(f"{count} labels a class" for count in BUDGETS)]
    lines = [head, ["---"] * len(head)]
    for name, other in WAYS.items():
        reference = other if other != name else None
        cells = [cell(right, name, reference, count, labels) for count in BUDGETS]
        lines.append([name, reference or "–", *cells])
    note = (
        f"Balanced accuracy on {len(labels)} EFIGI galaxies over {DRAWS} draws of the labels, frozen encoders; then "
        "the difference to what is named beside it with its 95 % interval over test galaxies and draws."
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{note}"


def results(out: Path) -> tuple[dict[str, dict[int, list[np.ndarray]]], np.ndarray]:
    """Return by name and labels a class the answers of each seed, [draws, N] booleans, and the classes [N]."""
    right: dict[str, dict[int, list[np.ndarray]]] = {}
    labels = np.empty(0, int)
    for file in sorted((out / "right").glob("*.npz")):
        with np.load(file) as found:
            labels = found["labels"]
            for count in BUDGETS:
                right.setdefault(file.stem.rpartition(" ")[0], {}).setdefault(count, []).append(found[str(count)])
    return right, labels


def cell(right: dict, name: str, other: str | None, count: int, labels: np.ndarray) -> str:
    """Return the mean over seeds and draws, and the difference to another with its interval."""
    mine = np.array(right[name][count], float)  # [seeds, draws, N]
    cell = f"{balanced(mine.reshape(-1, mine.shape[-1]), labels):.3f}"
    if other is None:
        return cell
    theirs = np.array(right[other][count], float)
    seeds = max(len(mine), len(theirs))
    more = np.broadcast_to(mine, (seeds, *mine.shape[1:])) - np.broadcast_to(theirs, (seeds, *theirs.shape[1:]))
    rng = np.random.default_rng(0)
    of_class = [np.flatnonzero(labels == label) for label in range(len(CLASSES))]
    found = []
    for _ in range(SAMPLES):
        drawn = more[rng.integers(0, seeds, seeds)][:, rng.integers(0, DRAWS, DRAWS)].mean(axis=(0, 1))
        found.append(np.mean([drawn[rng.choice(rows, len(rows))].mean() for rows in of_class]))
    low, high = np.percentile(found, [2.5, 97.5])
    mean = np.mean([more[..., rows].mean() for rows in of_class])
    return f"{cell}, {mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    common = {name: steps.add_parser(name) for name in ("pack", "embed", "judge", "table")}
    for step in common.values():
        step.add_argument("--out", type=Path, required=True)
    for name in ("embed", "judge"):
        common[name].add_argument("--pack", type=Path, required=True)
    common["pack"].add_argument("--data", type=Path, required=True)
    common["embed"].add_argument("--weights", type=Path, required=True, help="MobileNetV2 without top, of ImageNet")
    common["judge"].add_argument("--jobs", type=int, default=os.cpu_count())
    common["judge"].add_argument("--watch", action="store_true", help="wait for more until there is a file RESULTS/all")
    common["table"].add_argument("--write", action="store_true", help="into docs/results.md")
    settings = parser.parse_args()
    if settings.step == "pack":
        pack(settings.data, settings.out, SIDE, CROP)
        return
    make_folders(settings.out)
    if settings.step == "table":
        text = table(settings)
        print(text)
        if settings.write:
            write("uses", text)
    else:
        {"embed": embed, "judge": judge}[settings.step](settings)


def make_folders(out: Path) -> None:
    """Make the directories of features and answers."""
    for folder in ("features", "right"):
        (out / folder).mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
