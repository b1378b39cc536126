"""The summary behind TensorBoard's HParams table, in which the arms can be sorted and compared."""

from pathlib import Path

import tensorflow as tf
from tensorboard.plugins.hparams import api

from astrokeras.config import FinetuneConfig
from astrokeras.evaluation.arms import Arm
from astrokeras.evaluation.compare import Outcome
from astrokeras.evaluation.metrics import METRICS
from astrokeras.training.tensorboard import TensorBoard


def write_experiment(directory: Path, arms: list[Arm], config: FinetuneConfig) -> None:
    """Declare the columns of the table."""
    columns = [
        api.HParam("arm", api.Discrete([arm.name for arm in arms])),
        api.HParam("backbone", api.Discrete(sorted({arm.backbone for arm in arms}))),
        api.HParam("budget", api.Discrete(list(dict.fromkeys(config.budget)))),
        api.HParam("repeat", api.IntInterval(0, config.repeats - 1)),
        api.HParam("mode", api.Discrete(["full", "two-phase"] if config.mode == "two-phase" else [config.mode])),
    ]
    metrics = [api.Metric(f"test/{name}", display_name=f"test {name.replace('_', ' ')}") for name in METRICS]
    with tf.summary.create_file_writer(str(directory)).as_default():
        api.hparams_config(hparams=columns, metrics=metrics)


def write_trial(board: TensorBoard, place: str, arm: Arm, outcome: Outcome) -> None:
    """Say which row of the table the scalars of the run `place` belong to."""
    values = {
        "arm": arm.name,
        "backbone": arm.backbone,
        "budget": outcome.draw.budget,
        "repeat": outcome.draw.repeat,
        "mode": outcome.mode,
    }
    with board.writer(place).as_default():
        api.hparams(values, trial_id=place)
