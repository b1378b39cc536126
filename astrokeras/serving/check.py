"""Whether an export answers, behind the loader of servers, as the model that it was made from."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from astrokeras.errors import AstrokerasError
from astrokeras.models.joined import encoders_of
from astrokeras.serving import run_exported
from astrokeras.serving.pretrained import Pretrained
from astrokeras.serving.served import DEFAULT, EMBED
from astrokeras.serving.trained import Trained
from astrokeras.tasks.targets.class_ import Class

TOLERANCE = 1e-5
_STAMPS = 4
_BRIGHT = 100.0  # peak of the objects drawn, in units of the sky noise


def check_export(directory: Path, trained: Trained | Pretrained) -> None:
    """Load an export in a fresh process, without Keras, and compare what it answers for a few stamps and for none.

    Both sides compute on the CPU, as GPUs round convolutions. Rounding moves logits, which a temperature below 1
    divides: probabilities may be off by as much more.

    Raises:
        AstrokerasError: it cannot be loaded or run, or answers otherwise.
    """
    stamps = _draw_stamps(trained)
    requests = {"stamps": stamps, "none": stamps[:0]}
    found = _answers(directory, requests)
    for request, flux in requests.items():
        for signature, outputs in _expected(trained, flux).items():
            for name, wanted in outputs.items():
                answer = found.get(f"{signature}/{request}/{name}")
                allowed = TOLERANCE if name == "embedding" else TOLERANCE / _lowest_temperature(trained)
                if wrong := _difference(answer, wanted, allowed):
                    raise AstrokerasError(
                        f"the export does not answer as {trained.path} does: {name} of {signature} {wrong}; "
                        "it was not put in place"
                    )


def _lowest_temperature(trained: Trained | Pretrained) -> float:
    """Return the lowest temperature of a model's probabilities, 1 at most."""
    found = (weight.numpy() for weight in trained.model.weights if weight.name == "temperature")
    return float(min([1.0, *found]))


def _draw_stamps(trained: Trained | Pretrained) -> np.ndarray:
    """Return noise about the sky with a round object in each stamp, and a missing pixel, ``[N, side, side, B]``."""
    stretch = encoders_of(trained.model.get_layer("encoder"))[0].get_layer("stretch")
    sky, noise = (100.0, 10.0) if stretch.kind == "display" else (np.array(stretch.sky), np.array(stretch.noise))
    rng, side = np.random.default_rng(0), trained.side
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    blob = np.exp(-(x**2 + y**2) / (2 * 2.0**2))[..., None]
    peaks = _BRIGHT * rng.uniform(0, 1, (_STAMPS, 1, 1, len(trained.bands)))
    significance = rng.normal(size=(_STAMPS, side, side, len(trained.bands))) + peaks * blob
    flux = (sky + noise * significance).astype(np.float32)
    flux[0, 0, 0, 0] = np.nan
    return flux


def _expected(trained: Trained | Pretrained, flux: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Return what each signature has to give."""
    with tf.device("CPU:0"):
        embedding = trained.model.get_layer("encoder")(flux, training=False).numpy()
        predicted = tf.nest.map_structure(lambda value: value.numpy(), trained.model(flux, training=False))
    outputs = {"embedding": embedding}
    if isinstance(trained, Pretrained):
        for name in trained.tasks:
            own = predicted[name] if isinstance(predicted, dict) else predicted
            outputs |= {told.name: told.values for told in trained.told(name, own)}
        return {DEFAULT: outputs, EMBED: {"embedding": embedding}}
    for name, target in trained.targets.items():
        prefix, prediction = (f"{name}_", predicted[name]) if len(trained.targets) > 1 else ("", predicted)
        if isinstance(target, Class):
            names = np.char.encode(np.array(target.names), "utf-8")
            outputs |= {
                f"{prefix}probabilities": prediction,
                f"{prefix}class_name": names[prediction.argmax(axis=1)],
                f"{prefix}class_names": np.tile(names, (len(flux), 1)),
            }
        else:
            columns = target.describe(prediction)
            outputs |= {prefix + key: _as_served(values) for key, values in columns.items()}
    return {DEFAULT: outputs, EMBED: {"embedding": embedding}}


def _as_served(values: np.ndarray) -> np.ndarray:
    return np.char.encode(values, "utf-8") if values.dtype.kind == "U" else values.astype(np.float32)


def _difference(answer: np.ndarray | None, wanted: np.ndarray, allowed: float) -> str | None:
    """Return in words how an answer is not what was wanted."""
    if answer is None:
        return "is missing"
    if answer.shape != wanted.shape:
        return f"has the shape {list(answer.shape)}, expected {list(wanted.shape)}"
    if wanted.dtype.kind == "S":
        return None if np.array_equal(answer, wanted) else "has other names"
    largest = float(np.max(np.abs(answer - wanted) / (1 + np.abs(wanted)), initial=0.0))
    return None if largest <= allowed else f"is off by {largest:.2g}, {allowed:g} is allowed"


def _answers(directory: Path, requests: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what the export answers in another process, by signature, request and output.

    Raises:
        AstrokerasError: it cannot be loaded, or fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        flux, found = Path(folder) / "flux.npz", Path(folder) / "answers.npz"
        np.savez(flux, **requests)
        # -P: what lies beside the script must not stand for what TensorFlow imports.
        command = [sys.executable, "-P", run_exported.__file__, str(directory.absolute()), str(flux), str(found)]
        surroundings = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:300]
            raise AstrokerasError(f"the export cannot be served, and was not put in place: {said}")
        with np.load(found) as file:
            return dict(file)
