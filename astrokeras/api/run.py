"""A run directory in Python."""

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from astrokeras.commands.backend import import_keras
from astrokeras.errors import UsageError
from astrokeras.records.directory import RecordsDirectory

if TYPE_CHECKING:
    import keras
    import pandas as pd

_BATCH = 256


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished pre-training or fine-tuning.

    Attributes:
        path: its directory.
        content: what stands in ``run.json``.

    Example:
        >>> run = astrokeras.open_run("runs/magnitudes")  # doctest: +SKIP
        >>> run.embed(records).shape  # doctest: +SKIP
        (1634, 128)
    """

    path: Path
    content: dict[str, Any]

    @property
    def command(self) -> str:
        """``pretrain`` or ``finetune``."""
        return self.content["command"]

    @property
    def options(self) -> dict[str, Any]:
        """Every option that it was made with."""
        return dict(self.content["options"])

    @property
    def result(self) -> dict[str, Any]:
        """What came out."""
        return self.content["result"]

    @cached_property
    def history(self) -> "pd.DataFrame":
        """A row an epoch; of a fine-tuning run a row an arm, budget and repeat.

        Example:
            >>> astrokeras.open_run("runs/magnitudes").history["val_loss"].min()  # doctest: +SKIP
        """
        import pandas as pd  # noqa: PLC0415

        name = "history.csv" if self.command == "pretrain" else "repeats.csv"
        return pd.read_csv(self.path / name)

    def encoder(self) -> "keras.Model":
        """Return the encoder, from raw flux [N, S, S, B] to the embedding [N, D]; of a fine-tuning run the winner's.

        Example:
            >>> encoder = astrokeras.open_run("runs/magnitudes").encoder()  # doctest: +SKIP
            >>> encoder.predict(flux).shape  # doctest: +SKIP
            (100, 128)
        """
        return self._load("encoder.keras")

    def model(self) -> "keras.Model":
        """Return encoder and head: from raw flux to class probabilities, or to what a pre-training predicts.

        Raises:
            AstrokerasError: none of the pre-training's tasks predicts something of a stamp alone, or the run is of
                ``mode="fewshot"``, which has no model.

        Example:
            >>> astrokeras.open_run("runs/classes").model().predict(flux).argmax(axis=1)  # doctest: +SKIP
        """
        from astrokeras.evaluation.fits import refuse_fewshot  # noqa: PLC0415

        import_keras(tensorflow=False)
        refuse_fewshot(self.path, self.content)
        return self._load("model.keras")

    def embed(self, data: Any, split: str | None = None, batch_size: int = _BATCH) -> np.ndarray:
        """Return the embedding of stamps.

        Args:
            data: flux [N, S, S, B] in the unit of the run's records, or `Records`, or the path of a records directory.
            split: of the records; all of them, in their order, if None.
            batch_size: stamps a step.

        Shapes:
            -> [N, D] float32

        Raises:
            AstrokerasError: stamps of another size, other bands or another unit.

        Example:
            >>> run = astrokeras.open_run("runs/magnitudes")  # doctest: +SKIP
            >>> run.embed(records, split="test").shape  # doctest: +SKIP
            (164, 128)
        """
        import_keras(tensorflow=False)
        from astrokeras.embedding.inference.find_encoder import find_encoder  # noqa: PLC0415
        from astrokeras.embedding.inference.network import Runner, in_batches, together  # noqa: PLC0415

        encoder = find_encoder(str(self.path))
        stamps = self._stamps(data, split, (encoder.side, encoder.side, encoder.n_bands))
        with Runner(encoder.network, batch_size) as runner:
            return together(runner.outputs(in_batches(stamps, batch_size)), runner.empty)["embedding"]

    def predict(self, data: Any, split: str | None = None, batch_size: int = _BATCH) -> Any:
        """Return what the run's model says of stamps; arguments and errors as those of `embed`.

        Shapes:
            class probabilities [N, C], or the predictions of a pre-training: one array, or a dictionary of several

        Example:
            >>> run = astrokeras.open_run("runs/classes")  # doctest: +SKIP
            >>> run.predict(records, split="test").shape  # doctest: +SKIP
            (164, 3)
        """
        return self._apply(self.model(), data, split, batch_size)

    def _load(self, name: str) -> "keras.Model":
        import_keras(tensorflow=False)
        from astrokeras.models.saving import load_model  # noqa: PLC0415

        return load_model(self.path / name)

    def _apply(self, model: "keras.Model", data: Any, split: str | None, batch_size: int) -> Any:
        expected = model.input_shape[1:]
        if isinstance(data, np.ndarray):
            flux = _checked(data, expected).astype(np.float32, copy=False)
            return model.predict(flux, batch_size=batch_size, verbose=0)
        records = self._opened(data, split, expected[0])
        splits = [name for name in (records.splits if split is None else (split,)) if records.count(name)]
        if not splits:
            return model.predict(np.empty((0, *expected), np.float32), verbose=0)
        found = [_stream(model, records, name, batch_size) for name in splits]
        return _together(found)

    def _stamps(self, data: Any, split: str | None, expected: tuple[int, int, int]) -> Iterator[np.ndarray]:
        """Give the stamps of an array, or of records in their order, as `astrokeras embed` reads them."""
        from astrokeras.embedding.inference.piece import ObjectsRead, records_pieces  # noqa: PLC0415

        if isinstance(data, np.ndarray):
            return iter([_checked(data, expected)])
        records = self._opened(data, split, expected[0])
        pieces = records_pieces(records, records.splits if split is None else (split,))
        return (stamp for piece in pieces for stamp in piece.stamps(expected[0], ObjectsRead()))

    def _opened(self, data: Any, split: str | None, size: int) -> RecordsDirectory:
        if split is not None and not isinstance(split, str):
            raise UsageError(f"split = {split!r}, expected the name of a split")
        records = data if isinstance(data, RecordsDirectory) else RecordsDirectory.load(data)
        self._check(records, size)
        return records

    def _check(self, records: RecordsDirectory, size: int) -> None:
        trained = self.content["records"]
        for what, own, other in (
            ("bands", trained["bands"], list(records.bands)),
            ("unit", trained["unit"], records.unit),
        ):
            if own != other:
                raise UsageError(f"{self.path} was trained on {what} {own}, {records.path} has {other}")
        if records.size < size:
            raise UsageError(f"{records.path} has stamps of {records.size} pixels, {self.path} needs {size}")


def _checked(flux: np.ndarray, expected: tuple[int, ...]) -> np.ndarray:
    if flux.shape[1:] != tuple(expected):
        raise UsageError(f"flux has shape {flux.shape}, expected [N, {', '.join(map(str, expected))}]")
    return flux


def _stream(model: "keras.Model", records: RecordsDirectory, split: str, batch_size: int) -> Any:
    """Return the outputs for a split, in bounded memory but for themselves."""
    from astrokeras.pipeline.plain import plain_batches  # noqa: PLC0415

    size = model.input_shape[1]
    batches = plain_batches(records, split, batch_size, fields=(), size=size)
    return _together([model.predict_on_batch(flux.numpy()) for flux, _ in batches])


def _together(parts: list[Any]) -> Any:
    if isinstance(parts[0], dict):
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return np.concatenate(parts)


def open_run(path: str | Path) -> Run:
    """Open the directory of a finished run.

    Raises:
        AstrokerasError: it is none, or the run has not finished.

    Example:
        >>> astrokeras.open_run("runs/magnitudes").options["task"]  # doctest: +SKIP
        ['magnitudes']
    """
    import_keras(tensorflow=False)
    from astrokeras.training.run_directory import load_run  # noqa: PLC0415

    return Run(Path(path), load_run(path, finished=True))
