"""What a run says of objects, as columns of a table."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from astrokeras.config import MAX_MODEL_BYTES
from astrokeras.embedding.inference.known_objects import Columns
from astrokeras.embedding.inference.network import KeptNetwork, Outputs, empty_outputs, loaded
from astrokeras.embedding.uncertainty import entropy
from astrokeras.errors import AstrokerasError
from astrokeras.evaluation.fits import HEAD, MODEL
from astrokeras.files import digest
from astrokeras.models.saving import load_model
from astrokeras.records.fingerprint import fingerprint
from astrokeras.records.objects import Column
from astrokeras.serving.trained import Trained, load_trained
from astrokeras.tasks.base import Told
from astrokeras.tasks.registry import get_task
from astrokeras.tasks.targets.class_ import Class
from astrokeras.tasks.targets.ordinal import Ordinal
from astrokeras.training.run_directory import RUN_FILE, load_run

EMBEDDING, PREDICTION = "embedding", "prediction"
EXCLUSIVE = (Class, Ordinal)  # targets whose classes have probabilities that sum to 1


class RunNetwork(KeptNetwork):
    """The network of a run: ``embedding`` [N, D] and ``prediction``, or ``prediction/NAME`` of several, float32."""

    @classmethod
    def checksum(cls, path: Path) -> str:
        """Return one checksum of the files of a run's network."""
        files = [digest(path / name) for name in (MODEL, HEAD) if (path / name).is_file()]
        return fingerprint([*files, load_run(path).get("encoder")])

    def read(self) -> keras.Model:
        """Return a model from flux to the embedding and the predictions."""
        run = load_run(self.path, finished=True)
        if run["command"] == "pretrain":
            model = load_model(Path(self.path) / MODEL, {"encoder": keras.Model}, max_bytes=self.max_bytes)
        else:
            model = load_trained(self.path, self.max_bytes).model
        predictions = model.output if isinstance(model.output, dict) else {"": model.output}
        outputs = {f"{PREDICTION}/{name}".rstrip("/"): value for name, value in predictions.items()}
        outputs = {name: keras.ops.cast(value, "float32") for name, value in outputs.items() if len(value.shape) == 2}
        outputs[EMBEDDING] = keras.ops.cast(_output_within(model, "encoder"), "float32")
        return keras.Model(model.input, outputs)


def _output_within(model: keras.Model, name: str) -> Any:
    """Return what a layer gives within a model, which need not be what it gives by itself."""
    layer = model.get_layer(name)
    within = {id(node) for nodes in model._nodes_by_depth.values() for node in nodes}
    (tensor,) = next(node for node in layer._inbound_nodes if id(node) in within).output_tensors
    return tensor


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A run with what it says of objects; it tells what stamps it takes, see `embedding.inference.subject.Takes`.

    Attributes:
        name: of the run, as the user named it.
        network: of the run.
        about: what tables say of it: ``path`` and ``sha256``.
        side: of the stamps, in pixels.
        n_bands: B.
        kind: of its stretch.
        records: what the run says of its records.
        classes: names of the classes; none of a pre-training.
        texts: all the names that it can give as an answer.
        tell: gives the columns of a prediction, from the outputs and what is known of the objects.
    """

    name: str
    network: RunNetwork
    about: dict[str, Any]
    side: int
    n_bands: int
    kind: str
    records: dict[str, Any]
    classes: tuple[str, ...]
    texts: tuple[str, ...]
    tell: Callable[[Outputs, Columns], list[Told]]

    def kinds(self, known: Iterable[str]) -> dict[str, Column]:
        """Return the columns that `tell` gives for objects of which these columns are known."""
        nothing = empty_outputs(loaded(self.network))
        return {
            told.name: Column("str", length=max(told.values.dtype.itemsize // 4, 1))
            if told.values.dtype.kind == "U"
            else Column(told.values.dtype.name, told.unit)
            for told in self.tell(nothing, {name: np.empty(0, np.float32) for name in known})
        }


def find_predictor(run_directory: str, max_bytes: int = MAX_MODEL_BYTES) -> Predictor:
    """Return what a pre-training run, a fine-tuning run (its winner) or one of its sub-directories predicts.

    Raises:
        AstrokerasError: it is no such run, a file is damaged, or it predicts nothing of a stamp alone.
    """
    path = Path(run_directory)
    run = load_run(path, finished=True)
    pretraining = run["command"] == "pretrain"
    if pretraining and not (path / MODEL).is_file():
        raise AstrokerasError(
            f"{path}: its tasks predict no numbers of a stamp alone; astrokeras embed gives its embeddings"
        )
    trained = None if pretraining else load_trained(path, max_bytes)
    network = RunNetwork(str(path), RunNetwork.checksum(path), max_bytes)
    model = loaded(network)
    records = run.get("records")
    if not isinstance(records, dict) or not isinstance(records.get("bands"), list):
        raise AstrokerasError(f"{path / RUN_FILE} is damaged: it does not say what records it was trained on")
    tell = _of_targets(trained) if trained else _of_tasks(_tasks_of(path, run, model), records["bands"])
    return Predictor(
        name=run_directory,
        network=network,
        about={"path": run_directory, "sha256": network.sha256},
        side=model.input_shape[1],
        n_bands=model.input_shape[3],
        kind=next(layer.kind for layer in model._flatten_layers() if layer.name == "stretch"),
        records=records,
        classes=trained.classes if trained else (),
        texts=trained.texts if trained else (),
        tell=tell,
    )


def prediction_of(outputs: Outputs) -> Any:
    """Return what the model of a run gave: an array, or a dictionary of several."""
    if PREDICTION in outputs:
        return outputs[PREDICTION]
    start = f"{PREDICTION}/"
    return {name.removeprefix(start): values for name, values in outputs.items() if name.startswith(start)}


def _of_targets(trained: Trained) -> Callable[[Outputs, Columns], list[Told]]:
    """Return what tells the predictions of targets, and their entropy where there are probabilities."""

    def tell(outputs: Outputs, known: Columns) -> list[Told]:
        prediction, columns = prediction_of(outputs), []
        for name, target in trained.targets.items():
            several = len(trained.targets) > 1
            values = target.describe(prediction[name] if several else prediction)
            if isinstance(target, EXCLUSIVE):
                probabilities = np.stack([values[f"p_{one}"] for one in target.names], axis=1)
                values["entropy"] = np.abs(entropy(probabilities)).astype(np.float32)  # 0, not -0
            units = {output.name: output.unit for output in target.outputs()}
            prefix = f"{name}_" if several else ""
            columns += [Told(f"{prefix}{column}", _plain(value), units.get(column)) for column, value in values.items()]
        return columns

    return tell


def _plain(values: np.ndarray) -> np.ndarray:
    """Return text, int64, float32 or float64."""
    if values.dtype.kind in "biu":
        return values.astype(np.int64)
    return values if values.dtype.kind == "U" or values.dtype == np.float64 else values.astype(np.float32)


def _of_tasks(names: Sequence[str], bands: Sequence[str]) -> Callable[[Outputs, Columns], list[Told]]:
    """Return what tells the predictions of tasks; with the difference to the truth where it is known."""

    def tell(outputs: Outputs, known: Columns) -> list[Told]:
        prediction, columns = prediction_of(outputs), []
        for name in names:
            own = prediction[name] if isinstance(prediction, dict) else prediction
            for told in get_task(name).told(name, own, bands):
                columns.append(told)
                if told.truth in known:
                    difference = (told.values - known[told.truth]).astype(np.float32)
                    columns.append(Told(f"residual_{told.truth}", difference, told.unit))
        return columns

    return tell


def _tasks_of(path: Path, run: dict[str, Any], model: keras.Model) -> list[str]:
    """Return the names of the tasks of a pre-training whose predictions are numbers.

    Raises:
        AstrokerasError: there are none, or the run's file is damaged.
    """
    told = [name for name in model.output if name != EMBEDDING]
    if told == [PREDICTION]:  # the only task that looks at one view
        asked = [str(spec).partition("(")[0] for spec in run["options"].get("task") or ()]
        told = [name for name in asked if get_task(name).n_views == 1]
    names = [name.removeprefix(f"{PREDICTION}/") for name in told]
    if not names:
        raise AstrokerasError(
            f"{path}: its tasks predict no numbers of a stamp alone; astrokeras embed gives its embeddings"
        )
    return names
