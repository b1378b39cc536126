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


@dataclasses.dataclass(frozen=True)
class Novelty:
    """A Gaussian around known objects, with their own distances from its middle.

    ``novelty`` is the Mahalanobis distance; ``novelty_rank`` is the share of the known objects that lie nearer: 0.5 is
    usual, 1 is farther out than all of them.

    Attributes:
        gaussian: fitted to the known objects, with shrunk covariance.
        distances: [K] of the known objects, sorted.
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
        blocks = among(file.blocks, chosen)
        try:
            gaussian = Gaussian.fit(blocks, file.width)
        except AstrokerasError as error:
            raise AstrokerasError(f"--novelty {path}: {error}") from None
        distances = np.sort(np.concatenate([gaussian.distances(block) for _, block in blocks()]))
        return cls(gaussian, distances, digest(Path(path)))

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
