"""Run directories of classifiers that learned nothing but have every weight other than at the start."""

import numpy as np

from astrokeras.config import FinetuneConfig
from astrokeras.evaluation.fits import targets_record
from astrokeras.models.encoder import build_encoder
from astrokeras.pipeline.dataset import load_arrays
from astrokeras.tasks.model import TaskModel, predictor
from astrokeras.tasks.targets.class_ import Class
from astrokeras.training.run_directory import write_run


def write_classifier(path, records, **encoder):
    """A run as `finetune` leaves it, of a network made for `records`; returns the model."""
    target = Class(tuple(records.classes))
    built = build_encoder(records, **encoder)
    model = predictor(TaskModel(built, {"class": target}, {"class": 1.0}), built)
    rng = np.random.default_rng(3)
    for variable in model.trainable_variables:
        variable.assign(variable.numpy() * rng.uniform(0.8, 1.2, variable.shape))
    encoder, flux = model.get_layer("encoder"), load_arrays(records, "train")[0]
    for _ in range(30):  # BatchNormalization's statistics, which are what loaders lose
        encoder(flux, training=True)
    features = encoder.predict(flux, verbose=0)
    kernel = rng.normal(size=(features.shape[1], len(records.classes)))
    kernel /= (features @ kernel).std(axis=0)
    temperature = np.float32(1.5)
    model.get_layer("class").set_weights([kernel, -features.mean(axis=0) @ kernel, temperature])
    path.mkdir()
    model.save(path / "model.keras")
    config = FinetuneConfig(records=str(records.path), out=str(path))
    write_run(
        path,
        "finetune",
        config,
        records,
        {"rows": [{"arm": "scratch", "backbone": "compact", "init": "scratch"}], "winner": {"arm": "scratch"}},
        targets=targets_record({"class": target}),
    )
    return model
