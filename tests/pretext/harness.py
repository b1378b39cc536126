"""What every pretext task has to pass."""

import keras
import numpy as np

from astrokeras.pipeline.dataset import training_batches
from astrokeras.pretext.base import Task
from astrokeras.records.directory import Records

_EMBEDDING = 8


def run_task_test(kind: type[Task], records: Records) -> None:
    """Fits the task, trains its head on a fixed embedding, and looks at what the trainer relies on.

    The loss must fall, its value for a batch must be the mean over the batch's halves (which is what makes replicas
    equal one device), its gradient must be finite in spite of missing values, and the named scores must be there.
    """
    keras.utils.set_random_seed(0)
    task = kind.fit(records)
    (flux, fields), *_ = training_batches(records, 32, epochs=(0, 1), seed=0, fields=task.fields)
    target = task.target(fields)
    embedding = keras.Input((_EMBEDDING,))
    model = keras.Model(embedding, task.head(embedding))
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss=task.loss(), metrics=task.metrics())
    centre = records.size // 2
    features = np.arcsinh((flux.numpy()[:, centre, centre] - records.sky) / records.noise)
    features = np.pad(features, ((0, 0), (0, _EMBEDDING - features.shape[1]))).astype(np.float32)
    first = model.evaluate(features, target, verbose=0, return_dict=True)
    assert set(first) == {"loss", *task.score_names}
    loss = task.loss()
    prediction = model(features)
    halves = [loss(target[:16], prediction[:16]), loss(target[16:], prediction[16:])]
    np.testing.assert_allclose(np.mean(halves), loss(target, prediction), rtol=1e-5)
    model.fit(features, target, epochs=60, verbose=0)
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    last = model.evaluate(features, target, verbose=0, return_dict=True)
    assert last["loss"] < 0.8 * first["loss"]
    assert all(np.isfinite(last[name]) for name in task.score_names)
