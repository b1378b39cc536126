"""The encoders that ship: pre-trained without labels on SDSS stamps and on those of EFIGI that no test uses.

    python benchmarks/encoder.py pack --data DIR --out pack.npz
    KERAS_BACKEND=jax python benchmarks/encoder.py train --pack pack.npz --weights FILE --out RESULTS --limit 560

Stage 1 tries several kinds of views, each from ImageNet's weights and for as many steps; a logistic regression on the
frozen features of EFIGI galaxies that are no test galaxies (`development`) says which is the best. Stage 2 goes on from
that one until the time is over. `compact` is trained from nothing with the same views. What each run was and gave is in
RESULTS/runs.json, its weights in half precision in RESULTS/NAME.npz. Which galaxies are test galaxies, and why none of
them is among the stamps: see `pretext.py`.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
from pretext import _device, pretrain
from pretext_scores import CLASSES, SEED, split_labelled
from pretext_stamps import decode, pack, survey
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from astrokeras.models.encoder import build_encoder
from astrokeras.pipeline.arrays import Arrays

CROP = 88
VALIDATION = 512
DEVELOPMENT = 600
BUDGETS = (10, 25, 50, 100)
DRAWS = 8
PENALTIES = (0.001, 0.01, 0.1)
TRIES = {
    "quarters": "contrastive",
    "any": "contrastive(turn=any)",
    "mild": "contrastive(turn=any,colour=0.05,brightness=0.3)",
}


def development(ids: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, list[dict[int, np.ndarray]]]:
    """Rows by which views are chosen, and draws of labelled ones by number a class; none is a test galaxy."""
    rng = np.random.default_rng([SEED, 15])
    rest = np.setdiff1d(np.arange(len(ids)), split_labelled(ids, labels)[0])
    mixed = rng.permutation(rest)
    held, others = mixed[:DEVELOPMENT], mixed[DEVELOPMENT:]
    draws = []
    for _ in range(DRAWS):
        shuffled = rng.permutation(others)
        by_class = [shuffled[labels[shuffled] == label] for label in range(len(CLASSES))]
        draws.append({count: np.concatenate([rows[:count] for rows in by_class]) for count in BUDGETS})
    return held, draws


def score(features: np.ndarray, labels: np.ndarray, held: np.ndarray, draws: list[dict]) -> dict[int, float]:
    """Mean balanced accuracy by labels a class, of the best of three penalties (the same choice for every encoder)."""
    found = {}
    for count in BUDGETS:
        of_penalty = np.zeros(len(PENALTIES))
        for draw in draws:
            scaler = StandardScaler().fit(features[draw[count]])
            x, test = scaler.transform(features[draw[count]]), scaler.transform(features[held])
            _, sizes, axes = np.linalg.svd(x, full_matrices=False)
            axes = axes[sizes > 1e-6 * sizes[0]].T
            for i, penalty in enumerate(PENALTIES):
                model = LogisticRegression(C=penalty, max_iter=500).fit(x @ axes, labels[draw[count]])
                of_penalty[i] += balanced_accuracy_score(labels[held], model.predict(test @ axes)) / len(draws)
        found[count] = float(of_penalty.max())
    return found


def train(settings: argparse.Namespace) -> None:
    began = time.perf_counter()
    device = _device()
    if "cpu" not in device.lower():
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    settings.out.mkdir(parents=True, exist_ok=True)
    with np.load(settings.pack, allow_pickle=False) as file:
        archive = dict(file)
    labelled, ids, labels = decode(archive, "efigi", settings.size), archive["efigi_id"], archive["efigi_label"]
    labels = labels.astype(int)
    rest = np.setdiff1d(np.arange(len(ids)), split_labelled(ids, labels)[0])
    unlabelled = np.concatenate([decode(archive, "sdss", settings.size), labelled[rest]])
    unlabelled = unlabelled[np.random.default_rng(SEED).permutation(len(unlabelled))]
    records = survey(unlabelled, VALIDATION)
    parts = {"val": unlabelled[:VALIDATION], "train": unlabelled[VALIDATION:]}
    source = Arrays(records, {split: {"image": stamps} for split, stamps in parts.items()})
    facts = {"device": device, "stamps": len(parts["train"]), "sky": records.sky, "noise": records.noise}
    held, draws = development(ids, labels)
    runs: dict[str, dict] = {}
    print(f"{time.perf_counter() - began:.0f} s: {len(unlabelled)} stamps on {device}", flush=True)

    def one(name: str, backbone: str, weights: str | list[np.ndarray] | None, task: str, **limits: float) -> None:
        keras.utils.set_random_seed(settings.seed)
        start = weights if isinstance(weights, str) else None
        encoder = build_encoder(records, backbone=backbone, weights=start)
        if isinstance(weights, list):
            encoder.set_weights(weights)
        asked = argparse.Namespace(**{**vars(settings), "seconds": 1e9, "steps": 10**9, **limits})
        outcome = pretrain(task, encoder, source, settings.seed, asked) if task else {}
        features = encoder.predict(labelled.astype(np.float32), batch_size=256, verbose=0)
        scores = score(np.asarray(features, np.float32), labels, held, draws)
        kept = [np.asarray(value, np.float16) for value in encoder.get_weights()]
        runs[name] = {"task": task, "backbone": backbone, **facts, "development": scores, **outcome}
        if task:
            np.savez(settings.out / f"{name}.npz", *kept)
        (settings.out / "runs.json").write_text(json.dumps(runs, indent=1))
        weights_of[name] = encoder.get_weights()
        told = ", ".join(f"{count}: {value:.3f}" for count, value in scores.items())
        speed = outcome["images"] / outcome["seconds"] if task else 0
        print(
            f"{time.perf_counter() - began:.0f} s: {name} {told}; {outcome.get('images', 0)} images, {speed:.0f}/s, "
            f"compiled in {outcome.get('compiling', 0):.0f} s, {outcome.get('validation')}",
            flush=True,
        )

    weights_of: dict[str, list[np.ndarray]] = {}
    imagenet = str(settings.weights)
    if "mobilenet" in settings.stages:
        one("imagenet", "mobilenet_v2", imagenet, "")
        for name in settings.tries.split(","):
            one(name, "mobilenet_v2", imagenet, TRIES[name], steps=settings.steps, seconds=settings.most)
        best = max(settings.tries.split(","), key=lambda name: sum(runs[name]["development"].values()))
        left = settings.limit - (time.perf_counter() - began) - settings.reserve
        print(f"best: {best}; {left:.0f} s left for it", flush=True)
        one("long", "mobilenet_v2", weights_of[best], TRIES[best], seconds=left)
    if "compact" in settings.stages:
        left = settings.limit - (time.perf_counter() - began) - settings.reserve
        one("compact", "compact", None, TRIES[settings.compact_views], seconds=left)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    packing = steps.add_parser("pack")
    packing.add_argument("--data", type=Path, required=True)
    packing.add_argument("--out", type=Path, required=True)
    training = steps.add_parser("train")
    training.add_argument("--pack", type=Path, required=True)
    training.add_argument("--weights", type=Path, required=True, help="MobileNetV2 without its top, ImageNet weights")
    training.add_argument("--out", type=Path, required=True)
    training.add_argument("--limit", type=float, default=560.0, help="seconds for all of it")
    training.add_argument("--reserve", type=float, default=60.0, help="seconds for compiling and judging the last run")
    training.add_argument("--stages", default="mobilenet,compact")
    training.add_argument("--tries", default=",".join(TRIES))
    training.add_argument("--compact-views", default="any", choices=TRIES)
    training.add_argument("--steps", type=int, default=1000, help="of each try")
    training.add_argument("--most", type=float, default=45.0, help="seconds of each try at most")
    training.add_argument("--size", type=int, default=96)
    training.add_argument("--batch-size", type=int, default=512)
    training.add_argument("--learning-rate", type=float, default=1e-3)
    training.add_argument("--weight-decay", type=float, default=0.01)
    training.add_argument("--seed", type=int, default=0)
    settings = parser.parse_args()
    if settings.step == "pack":
        pack(settings.data, settings.out, 0, CROP, measured=False)
    else:
        train(settings)


if __name__ == "__main__":
    sys.exit(main())
