"""Run by `test_harness.py` and `test_target_harness.py` in a process of its own, on JAX without TensorFlow.

Losses and a short training of the tasks that are named, or of the targets behind ``--target``.
"""

import sys
from pathlib import Path
from typing import Any


class _Forbidden:
    """Makes TensorFlow look as if it were not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".", maxsplit=1)[0] in ("tensorflow", "tensorboard"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, _Forbidden())

import jax  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402

from astrokeras.tasks.model import TaskModel  # noqa: E402
from tests.tasks import harness, target_harness  # noqa: E402

# It takes half the time to compile what runs a few steps; the numbers are the same but for rounding.
jax.config.update("jax_disable_most_optimizations", True)


def forward(model: TaskModel, batch: dict[str, np.ndarray]) -> dict[str, Any]:
    """What the model makes of a batch, compiled at once: operation by operation takes twice as long."""
    weights = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]
    return jax.jit(lambda given: model.stateless_call(weights, others, given)[0])(batch)


folder, names = Path(sys.argv[1]), sys.argv[2:]
targets = names[0] == "--target"
names = names[1:] if targets else names
source = harness.make_source()
with np.load(folder / "weights.npz") as file:
    given = dict(file)
losses = {}
for name in names:
    model = target_harness.make_model(name, source)[0] if targets else harness.make_model([name], source)
    model.set_weights([given[f"{name}/{i}"] for i in range(len(model.get_weights()))])
    losses[name] = np.asarray(next(iter(forward(model, harness.batch_of(model, source)).values()))["loss"])
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
