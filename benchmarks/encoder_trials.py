"""What each choice in pre-training the encoders is worth: changed alone, with three seeds, on the same stamps.

    python benchmarks/encoder_uses.py pack --data DIR --out pack.npz
    KERAS_BACKEND=jax python benchmarks/encoder_trials.py train --pack pack.npz --weights FILE --out RESULTS --seed 0
    python benchmarks/encoder_uses.py embed --pack pack.npz --weights FILE --out RESULTS
    python benchmarks/encoder_uses.py judge --pack pack.npz --out RESULTS
    python benchmarks/encoder_trials.py table --out RESULTS

`train` pre-trains a MobileNetV2 by each of `TRIALS` and keeps its features of EFIGI's galaxies, which `judge` takes as
those of other encoders; no trial is chosen by them. Several may train beside each other, each with another `--first`:
compiling takes longer than training, and what one has compiled the others find. Intervals of `table` are the middle
95 % of bootstrap samples of the test galaxies (class by class), of the draws and of the seeds.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import contrastive_memory  # noqa: F401 - registers its task
import keras
import numpy as np
from encoder_scores import BUDGETS, DRAWS
from encoder_uses import SIDE, cell, features_file, make_folders, read_pack, results, save
from pretext import _device, pretrain
from pretext_scores import SEED, split_labelled
from pretext_stamps import decode, photometric, survey

from astrokeras.models.encoder import build_encoder
from astrokeras.pipeline.arrays import Arrays

VALIDATION = 512
MILD = "contrastive(turn=any,colour=0.05,brightness=0.3)"
BASE = "as it ships"


@dataclass(frozen=True)
class Trial:
    """One way to pre-train: the task, where the network starts, the side of its input, its batches, the stamps seen."""

    task: str = MILD
    start: str = "imagenet"
    size: int = SIDE
    batch: int = 512
    stamps: int = 102_400


TRIALS = {
    BASE: Trial(),
    "views turned by quarters, of other colours": Trial("contrastive"),
    "with photometry": Trial(f"{MILD}+photometry"),
    "batches of 128": Trial(batch=128),
    "batches of 128, queue of 4,096": Trial(MILD.replace("contrastive", "contrastive_memory"), batch=128),
    "three times as long": Trial(stamps=307_200),
    "from nothing": Trial(start="none"),
    "at 128 pixels": Trial(size=128),
}
# What is compared with what, beside `BASE`.
REFERENCES = {"batches of 128, queue of 4,096": "batches of 128"}


def train(settings: argparse.Namespace) -> None:
    """Pre-train by every trial that has no features yet, from `--first` on."""
    device = _device()
    on_gpu = "cpu" not in device.lower()
    archive = read_pack(settings.pack)
    names = list(TRIALS)
    start = names.index(settings.first) if settings.first else 0
    for name in names[start:] + names[:start]:
        if features_file(settings.out, name, settings.seed).is_file():
            continue
        began = time.perf_counter()
        keras.mixed_precision.set_global_policy("mixed_bfloat16" if on_gpu else "float32")
        try:
            told, features = _trained(TRIALS[name], archive, settings)
        except Exception as error:
            # One trial that fails must not cost the others their time on a borrowed device.
            print(f"{name}: failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            continue
        told |= {"device": device, "wall": time.perf_counter() - began}
        _told(settings.out, name, settings.seed).write_text(json.dumps(told, indent=1))
        save(features_file(settings.out, name, settings.seed), features)
        print(
            f"{name} {settings.seed}: {told['seconds']:.0f} s, compiling {told['compiling']:.0f} s, in all "
            f"{told['wall']:.0f} s, {told['validation']}",
            flush=True,
        )
        keras.utils.clear_session()


def _trained(trial: Trial, archive: dict[str, np.ndarray], settings: argparse.Namespace) -> tuple[dict, np.ndarray]:
    """Return what the pre-training was like, and the features [N, D] of EFIGI's galaxies."""
    source, labelled = _source(archive, trial.size)
    seed = SEED + settings.seed
    keras.utils.set_random_seed(seed)
    weights = str(settings.weights) if trial.start == "imagenet" else None
    encoder = build_encoder(source.records, backbone=settings.backbone, weights=weights)
    asked = argparse.Namespace(
        seconds=1e9,
        steps=max(1, int(trial.stamps * settings.scale) // trial.batch),
        batch_size=trial.batch,
        learning_rate=1e-3,
        weight_decay=0.01,
    )
    outcome = pretrain(trial.task, encoder, source, seed, asked)
    del outcome["curve"]
    return outcome, np.asarray(encoder.predict(labelled.astype(np.float32), batch_size=256, verbose=0), np.float32)


def _source(archive: dict[str, np.ndarray], size: int) -> tuple[Arrays, np.ndarray]:
    """Return the unlabelled stamps, those of EFIGI that are no test galaxies among them, and all of EFIGI's."""
    ids, labels = archive["efigi_id"], archive["efigi_label"].astype(int)
    labelled = decode(archive, "efigi", size)
    rest = np.setdiff1d(np.arange(len(ids)), split_labelled(ids, labels)[0])
    columns = {"image": np.concatenate([decode(archive, "sdss", size), labelled[rest]])}
    if archive.get("photometry_size") == size:
        columns |= photometric(np.concatenate([archive["sdss_photometry"], archive["efigi_photometry"][rest]]))
    order = np.random.default_rng(SEED).permutation(len(columns["image"]))
    parts = {"val": order[:VALIDATION], "train": order[VALIDATION:]}
    splits = {split: {name: values[rows] for name, values in columns.items()} for split, rows in parts.items()}
    return Arrays(survey(columns["image"][order], VALIDATION), splits), labelled


def _told(out: Path, name: str, seed: int) -> Path:
    return out / "right" / f"{name} {seed}.json"


def table(out: Path) -> str:
    """Return the scores of the trials that have run, as Markdown."""
    right, labels = results(out)
    there = [name for name in TRIALS if name in right]
    told = {name: json.loads(_told(out, name, 0).read_text()) for name in there}
    head = ["trial", "stamps seen", "seeds", *(f"{count} labels a class" for count in BUDGETS)]
    lines = [head, ["---"] * len(head)]
    lines.append(["ImageNet's weights", "–", "–", *(cell(right, "ImageNet", None, n, labels) for n in BUDGETS)])
    for name in there:
        other = "ImageNet" if name == BASE else REFERENCES.get(name, BASE)
        cells = [cell(right, name, other if other in right else None, count, labels) for count in BUDGETS]
        lines.append([name, f"{told[name]['images']:,}", str(len(right[name][BUDGETS[0]])), *cells])
    note = (
        f"Balanced accuracy on {len(labels)} EFIGI galaxies over {DRAWS} draws of the labels and the seeds, frozen; "
        f"then the difference with its 95 % interval over test galaxies, draws and seeds: of `{BASE}` to ImageNet's "
        f"weights, of the queue to the same batches without it, of all others to `{BASE}`. One "
        f"{next(iter(told.values()))['device']}, mixed_bfloat16 on GPUs, AdamW (1e-3, half a cosine)."
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{note}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    training, telling = steps.add_parser("train"), steps.add_parser("table")
    for step in (training, telling):
        step.add_argument("--out", type=Path, required=True)
    training.add_argument("--pack", type=Path, required=True)
    training.add_argument("--weights", type=Path, required=True, help="MobileNetV2 without its top, ImageNet weights")
    training.add_argument("--seed", type=int, required=True)
    training.add_argument("--first", choices=TRIALS)
    training.add_argument("--scale", type=float, default=1.0, help="of the number of stamps seen")
    training.add_argument("--backbone", default="mobilenet_v2")
    settings = parser.parse_args()
    if settings.step == "table":
        print(table(settings.out))
    else:
        make_folders(settings.out)
        train(settings)


if __name__ == "__main__":
    sys.exit(main())
