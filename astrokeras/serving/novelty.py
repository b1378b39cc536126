"""How far an object lies from those that a network was taught with, by its embedding."""

import dataclasses
from pathlib import Path

import numpy as np

from astrokeras.config import MAX_MODEL_BYTES
from astrokeras.embedding.file import EmbeddingsFile
from astrokeras.embedding.gaussian import Gaussian, among
from astrokeras.embedding.inference.find_encoder import find_encoder
from astrokeras.embedding.inference.network import Outputs
from astrokeras.embedding.table import Objects
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.files import digest
from astrokeras.records.objects import Column

_PARTS = 5
_MANY = 100  # objects a direction, at which one more or less changes nothing


@dataclasses.dataclass(frozen=True)
class Novelty:
    """A Gaussian around known objects, with their own distances from its middle.

    ``novelty`` is the Mahalanobis distance; ``novelty_rank`` is the share of the known objects that lie nearer: 0.5 is
    usual, 1 is farther out than all of them. Their own distances are each from a Gaussian that was fitted without them
    (in five parts, unless there are very many): where there are few objects and many directions, one that was fitted
    with them lies nearer to them than to any other object like them.

    Attributes:
        gaussian: fitted to the known objects, with shrunk covariance.
        distances: [K] of the known objects, sorted, see above.
        sha256: of the file of their embeddings.

    Source: Lee et al. 2018, arXiv 1807.03888, with one Gaussian; Rippel et al. 2020, arXiv 2005.14140.
    """

    gaussian: Gaussian
    distances: np.ndarray
    sha256: str

    @classmethod
    def of(cls, path: str, run: str, max_bytes: int = MAX_MODEL_BYTES) -> "Novelty":
        """Fit to the objects of an embeddings file: those of the training split, and of them the labelled ones, if any.

        Raises:
            UsageError: the embeddings are not by the encoder of the run.
            AstrokerasError: the file is damaged, or there are too few objects.
        """
        file = EmbeddingsFile.open(path)
        encoder = find_encoder(run, max_bytes)
        if file.encoder_sha256 != encoder.about["sha256"] or file.width != encoder.width:
            raise UsageError(
                f"--novelty {path}: these embeddings are not by the encoder of {run}; make them with "
                f"astrokeras embed {run} RECORDS"
            )
        known = Objects.load(file, columns=())
        chosen = np.ones(len(known), dtype=bool)
        for of_them in (known.split == "train", known.label != None):  # noqa: E711 - an array of objects
            chosen &= of_them if np.any(chosen & of_them) else True
        try:
            gaussian = Gaussian.fit(among(file.blocks, chosen), file.width)
            many = chosen.sum() > _MANY * file.width
            distances = _distances(gaussian, file, chosen) if many else held_out_distances(file, chosen)
        except AstrokerasError as error:
            raise AstrokerasError(f"--novelty {path}: {error}") from None
        return cls(gaussian, np.sort(distances), digest(Path(path)))

    @property
    def kinds(self) -> dict[str, Column]:
        """The columns that `of_vectors` gives."""
        return {"novelty": Column("float32"), "novelty_rank": Column("float32")}

    def of_vectors(self, vectors: np.ndarray) -> Outputs:
        """Return the distance of each object, and the share of the known ones that lie nearer.

        Shapes:
            [N, D] -> [N] float32 each
        """
        found = self.gaussian.distances(vectors)
        rank = np.searchsorted(self.distances, found) / len(self.distances)
        return {"novelty": found.astype(np.float32), "novelty_rank": rank.astype(np.float32)}


def held_out_distances(file: EmbeddingsFile, chosen: np.ndarray) -> np.ndarray:
    """Return the distance of each chosen object from a Gaussian fitted to the chosen objects of four other fifths.

    Shapes:
        chosen [N] bool -> [K] float64

    Raises:
        AstrokerasError: there are too few objects, or all are equal.
    """
    part = np.full(len(chosen), -1)
    part[chosen] = np.arange(chosen.sum()) % _PARTS
    found = []
    for number in range(min(_PARTS, int(chosen.sum()))):
        others = Gaussian.fit(among(file.blocks, chosen & (part != number)), file.width)
        found.append(_distances(others, file, part == number))
    return np.concatenate(found)


def _distances(gaussian: Gaussian, file: EmbeddingsFile, chosen: np.ndarray) -> np.ndarray:
    return np.concatenate([gaussian.distances(block) for _, block in among(file.blocks, chosen)()])
