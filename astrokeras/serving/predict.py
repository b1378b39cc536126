"""Predict for objects, in records or on new images, into a table."""

import collections
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from astrokeras.config import PredictConfig
from astrokeras.embedding.inference.known_objects import Columns, KnownObjects
from astrokeras.embedding.inference.piece_result import Result
from astrokeras.embedding.inference.run_pieces import check_place, describe_work, find_subject, run_pieces
from astrokeras.embedding.inference.subject import Report, check_data_options
from astrokeras.embedding.inference.table_workspace import TableWorkspace
from astrokeras.parallel.processes import Executor
from astrokeras.progress import Progress, not_shown
from astrokeras.records.objects import Column, magnitude_names
from astrokeras.serving.novelty import Novelty
from astrokeras.serving.prediction_table import check_complete, write_columns
from astrokeras.serving.predictor import EMBEDDING, Predictor, find_predictor
from astrokeras.survey.round_trip import check_round_trip
from astrokeras.survey.tables import check_table_suffix

_FIRST = ("id", "ra", "dec", "x", "y", "field")


def predict(
    config: PredictConfig,
    report: Report = print,
    progress: Progress = not_shown,
    executor: Executor | None = None,
) -> dict[str, Any]:
    """Write the table of predictions, or go on where an earlier run was cut short.

    Its columns are ``id``, the position, what is predicted, what is known of the object besides (``label``, the carried
    columns) and, for records, ``split``. Of a fine-tuning run ``class``, ``p_CLASS`` for each class and ``entropy`` are
    predicted; of a pre-training what its tasks tell, as ``predicted_BAND`` with ``residual_magnitude_BAND``. With
    images, the stamps are cut as they were for the records that the run was trained on (see `new_images`), and what
    cannot be cut stands with its reason in a second table beside the first.

    Args:
        config: the options.
        report: receives a line at a time.
        progress: shows how many pieces are done.
        executor: where to work; it stays open. None: as `config` says.

    Returns:
        ``out``, ``predicted``, ``rejected`` (None where the table was complete already) and the number of objects of
        each class.

    Raises:
        UsageError: the table has no known format, or could not be read back from it; options that do not go together.
        AstrokerasError: the run is none, the data do not fit it, or the table exists.
    """
    out = Path(config.out)
    check_table_suffix(out)
    check_data_options(config, config.data)
    check_place(out, config, config.data)
    novelty = Novelty.of(config.novelty, config.run, config.max_model_bytes) if config.novelty else None
    predictor = find_predictor(config.run, config.max_model_bytes)
    check_round_trip(out, list(predictor.kinds(())), predictor.texts)
    if predictor.classes and not novelty:
        report(
            "probabilities are shares among these classes, whatever is looked at, noise too; --novelty says how far "
            "each object lies from those that were learned"
        )
    with TableWorkspace.opened(out) as workspace:
        subject = find_subject(predictor, config, config.data, report)
        about = describe_work("predictions", config, predictor.about, subject)
        about |= {"novelty": novelty.sha256} if novelty else {}
        if out.exists() and not config.overwrite:
            counted = check_complete(out, about, workspace, resume=config.resume)
            report(f"{out} is complete already")
            result = {**counted, "rejected": None}
        else:
            workspace.begin(about, overwrite=config.overwrite)
            pieces, objects = subject.open(workspace, report, progress, executor)
            if out.suffix.lower() != ".parquet":  # which holds all
                check_round_trip(out, list(objects.kinds), objects.texts())
            results = run_pieces(pieces, predictor.network, config, workspace, report, progress, executor)
            table = _Predictions(predictor, novelty, objects)
            write_columns(out, table.kinds, table.chunks(results), about)
            result = {"predicted": table.rows, "classes": dict(sorted(table.classes.items()))}
            result["rejected"] = objects.rejects(out, report)
        workspace.clear()
    return {"out": str(out), **result}


class _Predictions:
    """The columns of the table, a piece at a time.

    Attributes:
        kinds: of the columns.
        rows: written so far.
        classes: how many of them were of each class.
    """

    def __init__(self, predictor: Predictor, novelty: Novelty | None, objects: KnownObjects) -> None:
        self._predictor, self._novelty, self._objects = predictor, novelty, objects
        known = objects.kinds
        predicted = {self._named(name): kind for name, kind in predictor.kinds(known).items()}
        predicted |= novelty.kinds if novelty else {}
        unseen = magnitude_names(predictor.records["bands"]) if predictor.classes else []
        others = [name for name in known if name not in (*_FIRST, *unseen, "split")]
        taken = {name.lower() for name in (*_FIRST, *predicted, "split")}
        self._own = {name: f"catalog_{name}" if name.lower() in taken else name for name in others}
        self.kinds: dict[str, Column] = {
            **{name: known[name] for name in _FIRST if name in known},
            **predicted,
            **{own: known[name] for name, own in self._own.items()},
            **({"split": known["split"]} if "split" in known else {}),
        }
        self.rows = 0
        self.classes: collections.Counter[str] = collections.Counter()

    @staticmethod
    def _named(name: str) -> str:
        """Return the name of the column of a prediction; one that would hide an id or a position gets a prefix."""
        return f"predicted_{name}" if name.lower() in (*_FIRST, "split") else name

    def chunks(self, results: Iterable[Result]) -> Iterator[Columns]:
        """Give the columns of each piece.

        Raises:
            AstrokerasError: objects were lost, or there are none.
        """
        for result in results:
            known = self._objects.of(result)
            told = self._predictor.tell(result.outputs, known)
            predicted = {self._named(one.name): one.values for one in told}
            if self._novelty:
                predicted |= self._novelty.of_vectors(result.outputs[EMBEDDING])
            self.rows += len(known["id"])
            if "class" in predicted:
                names, counts = np.unique(predicted["class"], return_counts=True)
                self.classes.update(dict(zip(names.tolist(), counts.tolist(), strict=True)))
            columns = known | {own: known[name] for name, own in self._own.items()} | predicted
            yield {name: columns[name] for name in self.kinds}
        self._objects.check()
