"""What tensorflow-addons 0.23.0 computes, for `tests/golden/test_addons.py` to compare its successors with.

It needs an environment of its own, since tensorflow-addons cannot be imported beside Keras 3:

    python3.11 -m venv addons
    addons/bin/pip install tensorflow-cpu==2.15.1 keras==2.15.0 tensorflow-addons==0.23.0 'numpy<2'
    addons/bin/python tests/golden/make_addons.py tests/golden/addons.npz
"""

import sys

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

ANGLES = np.array([0.3, -1.1, np.pi / 2], np.float32)
TRANSLATIONS = np.array([[1.5, -2.25], [2.0, 3.0], [-1.0, 0.0]], np.float32)
CENTRES = np.array([[3, 7], [0, 11], [6, 6]], np.int32)
FILTER, SIGMA = 9, 1.5
STEPS, RATE, DECAY = 5, 0.05, 0.1


def lamb(weight_decay: float, gradients: dict[str, np.ndarray], start: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The variables after every step, [STEPS, …]; those with ``bias`` in their name neither decay nor adapt."""
    variables = {name: tf.Variable(value, name=name) for name, value in start.items()}
    optimizer = tfa.optimizers.LAMB(
        learning_rate=RATE,
        epsilon=1e-6,
        weight_decay=weight_decay,
        exclude_from_weight_decay=["bias"] * bool(weight_decay),
    )
    path = {name: [] for name in variables}
    for step in range(STEPS):
        optimizer.apply_gradients([(tf.constant(gradients[name][step]), v) for name, v in variables.items()])
        for name, variable in variables.items():
            path[name].append(variable.numpy())
    return {name: np.stack(values) for name, values in path.items()}


def main(out: str) -> None:
    """Write the inputs and results to `out`."""
    rng = np.random.default_rng(0)
    images = rng.normal(50, 10, (3, 12, 12, 2)).astype(np.float32)
    y, x = np.mgrid[:12, :12] - 5.5
    images[2] += (200 * np.exp(-((x - 1) ** 2 + y**2) / (2 * 1.5**2)))[..., None]
    start = {"kernel": rng.normal(size=(4, 3)).astype(np.float32), "bias": rng.normal(size=3).astype(np.float32)}
    gradients = {name: rng.normal(size=(STEPS, *value.shape)).astype(np.float32) for name, value in start.items()}
    arrays = {
        "images": images,
        "angles": ANGLES,
        "translations": TRANSLATIONS,
        "centres": CENTRES,
        "filter": FILTER,
        "sigma": SIGMA,
        "rate": RATE,
        "decay": DECAY,
        "rotate": tfa.image.rotate(images, ANGLES, interpolation="bilinear"),
        "translate": tfa.image.translate(images, TRANSLATIONS, interpolation="bilinear"),
        "gaussian_filter2d": tfa.image.gaussian_filter2d(images, (FILTER, FILTER), SIGMA),
        "cutout": tfa.image.cutout(images, (4, 4), CENTRES),
    }
    for name, value in start.items():
        arrays[f"start_{name}"], arrays[f"gradient_{name}"] = value, gradients[name]
    for title, weight_decay in (("lamb", 0.0), ("lamb_decay", DECAY)):
        for name, value in lamb(weight_decay, gradients, start).items():
            arrays[f"{title}_{name}"] = value
    np.savez_compressed(out, **{name: np.asarray(value) for name, value in arrays.items()})


if __name__ == "__main__":
    main(sys.argv[1])
