"""Run by `test_harness.py` in a process of its own: losses and a short training of tasks on JAX, without TensorFlow."""

import sys
from pathlib import Path


class _Forbidden:
    """Makes TensorFlow look as if it were not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".", maxsplit=1)[0] in ("tensorflow", "tensorboard"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, _Forbidden())

import keras  # noqa: E402
import numpy as np  # noqa: E402

from tests.pretext import harness  # noqa: E402

folder, names = Path(sys.argv[1]), sys.argv[2:]
source = harness.make_source()
with np.load(folder / "weights.npz") as file:
    given = dict(file)
losses = {}
for name in names:
    model = harness.make_model([name], source)
    model.set_weights([given[f"{name}/{i}"] for i in range(len(model.get_weights()))])
    losses[name] = np.asarray(model(harness.batch_of(model, source))[name]["loss"])
    harness.compile_model(model, keras.optimizers.Adam(3e-3))
    asked = (harness.BATCH, model.fields, model.n_draws)
    trained = []
    for epoch in range(4):
        model.before_epoch("train", epoch, source, harness.BATCH)
        history = model.fit(source.training(epoch, *asked, seed=0), verbose=0, shuffle=False).history
        trained.append(history["loss"][0])
    losses[f"{name}/trained"] = np.array([trained[0], min(trained[1:])])
np.savez(folder / "losses.npz", **losses)
assert keras.backend.backend() == "jax"
assert "tensorflow" not in sys.modules
