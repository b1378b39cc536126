"""Tell what one object looked like at another time from what other objects look like.

Source: Knights, Harwood, Ward, Vanderkop, Mackenzie-Ross & Moghadam 2020, "Temporally coherent embeddings for
self-supervised video representation learning", ICPR (arXiv 2004.02753): embeddings of neighbouring frames of a video
are drawn together and those of other videos pushed away by noise-contrastive estimation, at a temperature of 0.07. A
frame of a video is here one epoch of an object. Written from the paper's abstract and the authors' code, where the
negatives come from a memory bank of one entry a video and are mined for hard ones, and the loss is the binary one; here
they are the other objects of the batch, of all replicas, and the loss is NT-Xent (`pairs.nt_xent`) from both epochs.
They train rotations besides: give ``--task rotation`` too.

Epochs differ by themselves in seeing, depth, noise and what lies on the detector, so these are what the network learns
to disregard; of the augmentations of `contrastive` nothing is used but flips and quarter turns of one of the two.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.augment import Chain, SurveyInfo, augmentation
from astrokeras.pipeline.source import PARTNER, Source
from astrokeras.records.directory import RecordsDirectory
from astrokeras.spec import Number, Parameter
from astrokeras.tasks.base import TASKS, Fields, Task
from astrokeras.tasks.pairs import Retrieval, Spread, nt_xent, projector

_OBJECT, _FIELD = "object", "epoch_group"
_PROJECTION = 128
Target = dict[str, KerasTensor]


def group_epochs(objects: np.ndarray) -> np.ndarray:
    """Return a number for each object.

    From 0 for those with several epochs, below 0 for stamps with none but themselves.

    Shapes:
        objects [N], NaN where a stamp is of no object that has a name -> [N] int32
    """
    numbers = -1 - np.arange(len(objects), dtype=np.int32)
    named = np.flatnonzero(np.isfinite(objects))
    _, member_of, counts = np.unique(objects[named], return_inverse=True, return_counts=True)
    several = counts[member_of] > 1
    numbers[named[several]] = member_of[several]
    return numbers


class EpochRetrieval(Retrieval):
    """`Retrieval` of the other epoch, over the stamps that have one; other stamps of the same object don't distract."""

    def update_state(self, target: Target, views: list[KerasTensor], sample_weight: Any = None) -> None:
        """Add a batch; examples of weight 0 neither count nor distract."""
        counts = target["paired"]
        if sample_weight is not None:
            counts = counts * ops.reshape(ops.cast(sample_weight, "float32"), (-1,))
        super().update_state(target["weight"], views, sample_weight=counts, group=target["group"])


class EpochSpread(Spread):
    """`Spread` of all stamps."""

    def update_state(self, target: Target, views: list[KerasTensor], sample_weight: Any = None) -> None:
        """Add a batch; examples of weight 0 don't count."""
        super().update_state(target["weight"], views)


@TASKS.register("epochs")
class Epochs(Task):
    """NT-Xent between two epochs of each object; what has been seen once is a negative for the others alone.

    Args:
        turn: flips and turns the other epoch.
        temperature: by which the cosines are divided.
        share: of the training stamps, those that have another epoch.
    """

    fields = (_OBJECT,)
    derived_fields = (_FIELD, PARTNER)
    parameters: ClassVar[tuple[Parameter, ...]] = (Number("temperature", 0.01, 10.0, default=0.07),)
    legend = (
        "retrieval: share of the stamps with several epochs whose other epoch is found among the objects of the "
        "batch; spread: 1 even, 0 collapsed"
    )
    n_views = 2

    def __init__(self, turn: Chain, temperature: float, share: float) -> None:
        self.turn = turn
        self.temperature = temperature
        self.share = share
        self.n_draws = turn.n_draws

    @classmethod
    def make_fields(cls, source: Source, report: Callable[[str], None], **options: Any) -> None:
        """Group the stamps by object.

        Raises:
            AstrokerasError: the records don't say what object a stamp is of.
        """
        splits = [split for split in ("train", "val") if source.records.counts.get(split)]
        groups = {split: group_epochs(source.columns(split, (_OBJECT,))[_OBJECT]) for split in splits}
        source.add(_FIELD, groups)
        source.group(groups)

    @classmethod
    def fit(
        cls, records: RecordsDirectory, columns: Mapping[str, np.ndarray], size: int, temperature: float = 0.07
    ) -> Self:
        """Count the stamps with another epoch.

        Raises:
            AstrokerasError: there are none.
        """
        several = columns[_FIELD] >= 0
        if not several.any():
            raise AstrokerasError(
                f"task 'epochs': no object has two stamps among the {len(several)} training records of {records.path}; "
                "is the --object-column of the conversion one that repeats?"
            )
        return cls(augmentation("dihedral", SurveyInfo.of(records)), temperature, float(several.mean()))

    @property
    def notes(self) -> list[str]:
        """How many stamps have another epoch."""
        return [f"epochs: {self.share:.1%} of the training stamps have another epoch"]

    def views(self, flux: KerasTensor, fields: Fields, draws: KerasTensor) -> tuple[list[KerasTensor], Target]:
        """Return the stamp, and another epoch of the object (the same where there is none), flipped and turned."""
        group = ops.cast(fields[_FIELD], "int32")
        target = {"group": group, "paired": ops.cast(group >= 0, "float32"), "weight": fields["weight"]}
        return [flux, self.turn(ops.cast(fields[PARTNER], flux.dtype), draws)], target

    def head(self, embeddings: list[KerasTensor]) -> list[KerasTensor]:
        """Return the projections [N, 128] of both views."""
        project = projector({"hidden": embeddings[0].shape[-1], "projection": _PROJECTION}, normalised=False)
        return [project(embedding) for embedding in embeddings]

    def loss(self, target: Target, prediction: list[KerasTensor]) -> KerasTensor:
        """Return the mean over both epochs of the loss of finding the other, 0 for what has no other."""
        found = [
            nt_xent(*views, target["weight"], self.temperature, self.replicas, target["group"])
            for views in (prediction, prediction[::-1])
        ]
        return 0.5 * target["paired"] * (found[0] + found[1])

    @property
    def score_names(self) -> tuple[str, ...]:
        """``retrieval`` and ``spread``."""
        return ("retrieval", "spread")

    def metrics(self) -> list[keras.metrics.Metric]:
        """See `EpochRetrieval` and `EpochSpread`."""
        return [EpochRetrieval(self.replicas), EpochSpread(_PROJECTION)]
