"""What each pretext task is worth: pre-trained on unlabelled stamps, judged on galaxies with few labels.

    python benchmarks/pretext.py pack --data DIR --out pack.npz
    KERAS_BACKEND=jax python benchmarks/pretext.py run --pack pack.npz --weights FILE --out RESULTS
    python benchmarks/pretext.py table --out RESULTS [--write]

DIR holds `sdss/` (unlabelled colour stamps) and `efigi/` (colour stamps with Hubble types); FILE is a MobileNetV2
without its top. Every task gets the same network, the same stamps and the same time on the same device; then the
encoder is frozen and a logistic regression on its features tells four Hubble types apart. `run` needs neither
TensorFlow nor astropy nor SEP (`pack` measures the stamps for `photometry`), and goes on where it was stopped: each run
of an arm is a file in RESULTS. `imagenet+TASK` goes on from ImageNet's weights. With `--repeats` each arm runs with as
many seeds, of which come the first weights, the order and the views of the stamps; test galaxies and labels stay. The
magnitudes for the task of that name are measured on the stamps, as `astrokeras convert --measure` does it.

Scale. Of an SDSS stamp (200 pixels, the object in its middle a few tens wide) the middle 80 pixels are used, so that
the object fills about as much of the picture as on the 88 pixels of an EFIGI stamp, which are scaled to the galaxy.

No test galaxy is among the stamps of the pre-training: these lie within 1.4 degrees of the celestial equator at right
ascensions of 330 to 360 and 0 to 100 degrees. EFIGI gives no positions, but its names are PGC numbers, which run along
right ascension up to 73197 (Paturel et al. 1989, A&AS 80, 299); test galaxies are drawn from numbers 20500 to 67500, of
which the ends lie at about 108 and 328 degrees (near NGC 2268 = PGC 20458 and NGC 7177 = PGC 67823).
"""

import argparse
import itertools
import json
import math
import platform
import re
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from pretext_scores import SEED, judge, split_labelled, table
from pretext_stamps import VALIDATION, decode, pack, photometric, survey
from real_data import write

from astrokeras.models.encoder import build_encoder
from astrokeras.pipeline.arrays import Arrays, Batches
from astrokeras.pipeline.augment import SurveyInfo, augmentation
from astrokeras.tasks.model import TaskModel
from astrokeras.tasks.registry import TASKS, fit_tasks, get_task, parse_tasks

# Steps between two settings of the learning rate.
CHUNK = 50
# Arms that no seed changes.
UNSEEDED = ("pixels", "imagenet")


def pretrain(task: str, encoder: keras.Model, source: Arrays, seed: int, settings: argparse.Namespace) -> dict:
    """Train the encoder on one or several tasks (``a+b``) for the time allowed; what came of it."""
    asked = parse_tasks(task.split("+"))
    tasks = fit_tasks(asked, source, print)
    broken_by = {name: get_task(name).broken_by for name in asked}
    augment = augmentation("default", SurveyInfo.of(source.records), broken_by)
    model = TaskModel(encoder, tasks, dict.fromkeys(tasks, 1.0), augment=augment)
    optimizer = keras.optimizers.AdamW(0.0, weight_decay=settings.weight_decay, global_clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer=optimizer, jit_compile=keras.backend.backend() == "jax")
    stream = Stream(source, settings.batch_size, model, seed)
    began = time.perf_counter()
    # Compiling costs the network nothing: at a learning rate of 0 it stays as it is.
    model.fit(stream.take(2), verbose=0, shuffle=False)
    compiled = time.perf_counter() - began
    elapsed, steps, curve = 0.0, 0, []
    while elapsed < settings.seconds and steps < settings.steps:
        done = max(elapsed / settings.seconds, steps / settings.steps)
        warm = min(1.0, done / 0.05 + 0.02)
        optimizer.learning_rate = settings.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * done))
        chunk = min(CHUNK, settings.steps - steps)
        began = time.perf_counter()
        logs = model.fit(stream.take(chunk), verbose=0, shuffle=False).history
        elapsed += time.perf_counter() - began
        steps += chunk
        curve.append({"seconds": elapsed, "steps": steps, **{k: float(v[-1]) for k, v in logs.items()}})
        if not math.isfinite(curve[-1]["loss"]):
            raise RuntimeError(f"{task}: the loss became {curve[-1]['loss']} at step {steps}")
    model.before_epoch("val", 0, source, settings.batch_size)
    batches = source.evaluation("val", 250, model.fields, model.n_draws, SEED)
    validation = model.evaluate(batches, verbose=0, return_dict=True)
    return {
        "seconds": elapsed,
        "compiling": compiled,
        "steps": steps,
        "images": steps * settings.batch_size,
        "validation": {name: float(value) for name, value in validation.items()},
        "augmentation": str(augment),
        "curve": curve,
    }


class Stream:
    """Batches of one epoch after the other, a few at a time."""

    def __init__(self, source: Arrays, batch_size: int, model: TaskModel, seed: int) -> None:
        self.source, self.asked = source, (batch_size, model.fields, model.n_draws, seed)
        self.next, self.steps, self.started = 0, source.steps(batch_size), 0
        self.begin = lambda epoch: model.before_epoch("train", epoch, source, batch_size)

    def take(self, count: int) -> Batches:
        """Return the next batches."""
        first, self.next = self.next, self.next + count
        numbers = range(first // self.steps, self.next // self.steps + 1)
        for epoch in range(self.started, numbers.stop):
            self.begin(epoch)
        self.started = numbers.stop
        epochs = {epoch: self.source.training(epoch, *self.asked) for epoch in numbers}
        return Batches(count, lambda i: epochs[(first + i) // self.steps].make((first + i) % self.steps))


def run(settings: argparse.Namespace) -> None:
    """Every run of an arm that has no result yet."""
    device = _device()
    if settings.precision == "auto":
        settings.precision = "float32" if "cpu" in device.lower() else "mixed_bfloat16"
    keras.mixed_precision.set_global_policy(settings.precision)
    settings.out.mkdir(parents=True, exist_ok=True)
    with np.load(settings.pack, allow_pickle=False) as file:
        archive = dict(file)
    unlabelled, labelled = decode(archive, "sdss", settings.size), decode(archive, "efigi", settings.size)
    ids, labels = archive["efigi_id"], archive["efigi_label"].astype(int)
    columns, more = {"image": unlabelled}, {"image": labelled}
    if archive.get("photometry_size") == settings.size:
        columns |= photometric(archive["sdss_photometry"])
        more |= photometric(archive["efigi_photometry"])
    if settings.unlabelled == "both":
        rest = np.setdiff1d(np.arange(len(ids)), split_labelled(ids, labels)[0])
        columns = {name: np.concatenate([values, more[name][rest]]) for name, values in columns.items()}
    order = np.random.default_rng(SEED).permutation(len(columns["image"]))
    parts = {"val": order[:VALIDATION], "train": order[VALIDATION:]}
    splits = {split: {name: values[rows] for name, values in columns.items()} for split, rows in parts.items()}
    source = Arrays(survey(columns["image"][order]), splits)
    facts = {
        "device": device,
        "backend": keras.backend.backend(),
        "python": platform.python_version(),
        "test_counts": np.bincount(labels[split_labelled(ids, labels)[0]]).tolist(),
        "settings": {name: str(v) if isinstance(v, Path) else v for name, v in vars(settings).items()},
    }
    started = time.perf_counter()
    for repeat, arm in itertools.product(range(settings.repeats), _arms(settings, columns)):
        if repeat and arm in UNSEEDED:
            continue
        if time.perf_counter() - started > settings.stop_after:
            print("no time left to start another arm; run the same command again", flush=True)
            break
        name = f"{arm} {repeat}" if repeat else arm
        file = settings.out / f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', name.replace('+', '_and_'))}.json"
        if file.is_file():
            print(f"{name}: done before", flush=True)
            continue
        began = time.perf_counter()
        try:
            features, outcome = _features(arm, source, labelled, SEED + repeat, settings)
        except Exception as error:
            # One task that fails must not cost the others their time on a borrowed device.
            print(f"{name}: failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            continue
        result = {"arm": arm, "repeat": repeat, **facts, **outcome, "balanced_accuracy": judge(features, ids, labels)}
        result["wall"] = time.perf_counter() - began
        part = file.with_suffix(".part")
        part.write_text(json.dumps(result, indent=1))
        part.replace(file)
        means = {count: round(float(np.mean(values)), 3) for count, values in result["balanced_accuracy"].items()}
        print(f"{name}: {means} in {result['wall']:.0f} s, {result.get('images', 0)} images", flush=True)
        keras.utils.clear_session()


def _arms(settings: argparse.Namespace, columns: Iterable[str]) -> list[str]:
    if settings.arms:
        return _listed(settings.arms)
    possible = [name for name in TASKS.names() if {*get_task(name).fields} <= {*columns}]
    tasks = _listed(settings.tasks) if settings.tasks else possible
    return ["pixels", "untrained", "imagenet", *tasks, *(f"imagenet+{task}" for task in tasks)]


def _listed(text: str) -> list[str]:
    """Return what stands between commas, those within parentheses apart."""
    return re.split(r",(?![^()]*\))", text)


def _features(
    arm: str, source: Arrays, labelled: np.ndarray, seed: int, settings: argparse.Namespace
) -> tuple[np.ndarray, dict]:
    """Return the features [N, D] of the labelled stamps, and what the pre-training was like if there was one."""
    if arm == "pixels":
        small = [Image.fromarray(stamp).resize((12, 12), Image.Resampling.BOX) for stamp in labelled]
        return np.stack([np.asarray(stamp, np.float32).ravel() for stamp in small]), {}
    keras.utils.set_random_seed(seed)
    start, _, task = arm.partition("+") if arm.startswith("imagenet") else (arm, "", "" if arm == "untrained" else arm)
    weights = str(settings.weights) if start == "imagenet" else None
    encoder = build_encoder(source.records, backbone=settings.backbone, weights=weights)
    outcome = pretrain(task, encoder, source, seed, settings) if task else {}
    return np.asarray(encoder.predict(labelled.astype(np.float32), batch_size=256, verbose=0), np.float32), outcome


def _device() -> str:
    if keras.backend.backend() == "jax":
        import jax  # noqa: PLC0415 - it need not be there otherwise

        # An arm that starts from other weights runs the same program.
        jax.config.update("jax_compilation_cache_dir", str(Path(tempfile.gettempdir()) / "astrokeras-compiled"))
        return jax.devices()[0].device_kind
    return "cpu"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    packing = steps.add_parser("pack")
    packing.add_argument("--data", type=Path, required=True)
    packing.add_argument("--out", type=Path, required=True)
    packing.add_argument("--size", type=int, default=96, help="that of `run`: at which the stamps are measured")
    running = steps.add_parser("run")
    running.add_argument("--pack", type=Path, required=True)
    running.add_argument("--weights", type=Path, required=True, help="MobileNetV2 without its top, ImageNet weights")
    running.add_argument("--out", type=Path, required=True)
    running.add_argument("--tasks", help="a,b+c,…; all for which there is what they need without")
    running.add_argument("--repeats", type=int, default=1, help="how many seeds each arm runs with")
    running.add_argument("--arms", help="exactly these: pixels,untrained,imagenet,TASK,TASK+TASK,imagenet+TASK,…")
    running.add_argument(
        "--unlabelled",
        default="sdss",
        choices=("sdss", "both"),
        help="both: with EFIGI's own, but for the test galaxies",
    )
    running.add_argument("--backbone", default="mobilenet_v2")
    running.add_argument("--size", type=int, default=96, help="side to which all stamps are scaled")
    running.add_argument("--batch-size", type=int, default=256)
    running.add_argument("--learning-rate", type=float, default=1e-3)
    running.add_argument("--weight-decay", type=float, default=0.01)
    running.add_argument(
        "--seconds-per-task", type=float, default=60.0, dest="seconds", help="of training, after compiling"
    )
    running.add_argument("--stop-after", type=float, default=1e9, help="seconds after which no arm is started")
    running.add_argument("--steps-per-task", type=int, default=10**9, dest="steps", help="at most")
    running.add_argument("--precision", default="auto", choices=("auto", "float32", "mixed_bfloat16"))
    telling = steps.add_parser("table")
    telling.add_argument("--out", type=Path, required=True)
    telling.add_argument("--write", nargs="?", const="pretext", metavar="PLACE", help="into docs/results.md")
    settings = parser.parse_args()
    if settings.step == "pack":
        pack(settings.data, settings.out, settings.size)
    elif settings.step == "run":
        del settings.step
        run(settings)
    else:
        text = table(settings.out)
        print(text)
        if settings.write:
            write(settings.write, text)


if __name__ == "__main__":
    main()
