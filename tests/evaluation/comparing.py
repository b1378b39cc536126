"""What the tests of comparisons share."""

import csv
import dataclasses

from astrokeras.config import FinetuneConfig
from astrokeras.evaluation.schedule import UNTRAINED
from tests.tiny import TINY


def silent(_):
    pass


def options(path, **changes):
    defaults = FinetuneConfig(
        records=str(path / "records"),
        out=str(path / "classes"),
        epochs=1,
        min_steps=4,
        batch_size=16,
        learning_rate=0.01,
        mode="full",
    )
    config = dataclasses.replace(defaults, **changes)
    if config.mode in UNTRAINED:  # in which options that only steps look at are refused
        plain = {name: getattr(FinetuneConfig, name) for name in ("epochs", "min_steps", "learning_rate")}
        config = dataclasses.replace(config, **(plain | {k: v for k, v in changes.items() if k in plain}))
    if "scratch" in config.init and not config.backbone:  # refused where no arm has random weights
        config = dataclasses.replace(config, backbone=(TINY,))
    return config


def rows_of(file):
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))
