"""One of two workers that train together, for `test_multi_worker.py`, which says by TF_CONFIG which one.

    python -m tests.training.two_workers DIRECTORY

It goes through everything in one process, since starting takes longer than all else: a step, and a run that is stopped
by a signal to worker 1, goes on, and ends when worker 1 is killed.
"""

import dataclasses
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from astrokeras import cli
from astrokeras.config import PretrainConfig
from astrokeras.errors import Stopped
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training import pretrain as module
from astrokeras.training.checkpoints import state
from astrokeras.training.engines.base import Engine, open_engine
from astrokeras.training.trainer import Trainer
from tests.tasks import harness
from tests.tiny import TINY

BATCH = 16
# Two of them compare the examples of the whole batch.
STEP_TASKS = ["contrastive", "vicreg", "magnitudes"]


def config_for(folder: Path, devices: str, name: str, **options: object) -> PretrainConfig:
    """A short run on the records in the folder, with targets that change with the state of the network."""
    config = PretrainConfig(
        records=str(folder / "records"),
        out=str(folder / name),
        task=("clusters(clusters=4)", "magnitudes"),
        backbone=TINY,
        epochs=2,
        batch_size=BATCH,
        devices=devices,
        precision="float32",
        average=0.9,
        clip_norm=1.0,
        patience=5,
    )
    return dataclasses.replace(config, **options)


def one_step(engine: Engine, records: RecordsDirectory) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The weights before and after a step of plain gradient descent, whose size shows that of the gradients."""
    source = engine.source(records, None, None, ())
    with engine.scope():
        model = harness.make_model(STEP_TASKS, source, replicas=engine.replicas)
        harness.compile_model(model, keras.optimizers.SGD(0.01))
        model.optimizer.build(model.trainable_variables)
    start = model.get_weights()
    engine.meter(model)
    batches = engine.fed(source).training(0, BATCH, model.fields, model.n_draws, 0)
    model.fit(batches, steps_per_epoch=1, verbose=0, shuffle=False)
    return start, model.get_weights()


def at_call(number: int, act: Callable[[Trainer], None]) -> None:
    """Acts when a trainer asks for that time whether there is a reason to pause, after a step."""
    pausing, calls = Trainer.pausing, 0

    def ask(self: Trainer) -> bool:
        nonlocal calls
        calls += 1
        if calls == number:
            act(self)
        return pausing(self)

    Trainer.pausing = ask


def main() -> None:
    folder = Path(sys.argv[1])
    config = config_for(folder, "multi-worker", "run", worker_timeout=120.0)
    engine = open_engine(config)
    module.open_engine = lambda _: engine
    first = engine.workers.first

    def note(name: str, values: list[np.ndarray]) -> None:
        np.savez(folder / f"{name}-{engine.cluster.index}.npz", *values)

    def stop(trainer: Trainer) -> None:
        if not first:
            os.kill(os.getpid(), signal.SIGTERM)

    def die(trainer: Trainer) -> None:
        note("trained", list(state.take(trainer.model).values()))
        if not first:
            os.kill(os.getpid(), signal.SIGKILL)

    note("most", [engine.workers.most(0.25 if first else 0.75)])
    note("step", one_step(engine, RecordsDirectory.load(config.records))[1])
    at_call(3, stop)
    try:
        module.pretrain(config, print)
    except Stopped as stopped:
        print(stopped, flush=True)
    # By step 3 of the second epoch; three are left of the first, and it is asked once more after it.
    at_call(7, die)
    cli.main(
        ["pretrain", "--config", str(folder / "run" / "run.json"), config.records, "--out", config.out, "--resume"]
    )


if __name__ == "__main__":
    main()
