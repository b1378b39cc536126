"""What a run shows in TensorBoard."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api

from astrokeras.config import as_dict
from astrokeras.files import CannotWrite
from astrokeras.jsonable import finite
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.picture import rgb
from astrokeras.training import tensorboard_plugins as plugins
from astrokeras.training.board import Board, Chart, Embedded


class TensorBoard(Board):
    """Writers for the runs shown side by side under one directory: ``train``, ``validation``, ``baseline-…``.

    The same tag in several runs is one chart with several curves.

    Raises:
        CannotWrite: from every method, and from `flush` at the latest.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def writer(self, run: str) -> tf.summary.SummaryWriter:
        """Return the writer of a run, made when first used."""
        if run not in self._writers:
            with self._writing():
                self._writers[run] = tf.summary.create_file_writer(str(self.directory / run))
        return self._writers[run]

    def scalars(self, run: str, values: Mapping[str, float], step: int) -> None:
        """Add one point of each named curve."""
        with self._writing(), self.writer(run).as_default(step):
            for tag, value in values.items():
                tf.summary.scalar(tag, value)

    def options(self, run: str, config: Any) -> None:
        """Show the options as text."""
        text = json.dumps(finite(as_dict(config)), indent=4)
        with self._writing(), self.writer(run).as_default(0):
            # Indented by four, Markdown shows it as it is.
            tf.summary.text("options", "    " + text.replace("\n", "\n    "))

    def stamps(self, run: str, flux: np.ndarray, records: RecordsDirectory, tag: str = "stamps") -> None:
        """Show some stamps in colour; flux [N, H, W, B]."""
        with self._writing(), self.writer(run).as_default(0):
            tf.summary.image(tag, rgb(flux, records), max_outputs=len(flux))

    def graph(self, run: str, model: keras.Model) -> None:
        """Show the operations of a model."""
        spec = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="flux")
        traced = tf.function(lambda flux: model(flux, training=False)).get_concrete_function(spec)
        with self._writing(), self.writer(run).as_default(0):
            tf.summary.graph(traced.graph)

    def trial(self, run: str, values: Mapping[str, Any]) -> None:
        """Say of which trial the scalars of a run are; it is called by its place below the log directory."""
        with self._writing(), self.writer(run).as_default():
            api.hparams(dict(values), trial_id="")

    def charts(self, run: str, categories: Mapping[str, Sequence[Chart]]) -> None:
        """Say which custom scalars there are, by the heading under which they stand."""
        with self._writing(), self.writer(run).as_default(0):
            tf.summary.experimental.write_raw_pb(plugins.layout(categories), 0)

    def picture(self, run: str, tag: str, picture: np.ndarray, step: int) -> None:
        """Show a picture, [H, W, 3] of bytes."""
        with self._writing(), self.writer(run).as_default(step):
            tf.summary.image(tag, picture[None])

    def precision_recall(self, run: str, tag: str, hits: np.ndarray, scores: np.ndarray, step: int) -> None:
        """Show how precision goes with recall: [N] bool, and [N] from 0 to 1."""
        with self._writing(), self.writer(run).as_default(step):
            tf.summary.experimental.write_raw_pb(plugins.precision_recall(tag, hits, scores), step)

    def embeddings(self, run: str, shown: Embedded) -> None:
        """Show embeddings in the projector, beside the run's events."""
        self.writer(run)
        with self._writing():
            plugins.write_projector(self.directory / run, shown)

    def flush(self) -> None:
        """Write what is pending."""
        with self._writing():
            for writer in self._writers.values():
                writer.flush()

    def close(self) -> None:
        """Write what is pending; the object can't be used after."""
        with self._writing():
            for writer in self._writers.values():
                writer.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except tf.errors.OpError as error:
            # As in "{{node}} FILE; No space left on device", and lines on what it was about.
            reason = error.message.splitlines()[0].rpartition("; ")[2]
            raise CannotWrite(self.directory, OSError(reason)) from error
