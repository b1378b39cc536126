"""How unlike an object is to those that a network was taught with, by its embedding."""

import dataclasses
from pathlib import Path

import numpy as np

from astrokeras.config import MAX_MODEL_BYTES
from astrokeras.embedding.file import EmbeddingsFile
from astrokeras.embedding.gaussian import among
from astrokeras.embedding.inference.find_encoder import find_encoder
from astrokeras.embedding.inference.network import Outputs
from astrokeras.embedding.neighbours import distances, prepare
from astrokeras.embedding.table import Objects
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.files import digest
from astrokeras.records.objects import Column

NEIGHBOURS = 5
_MOST = 10_000  # known objects that others are compared with
_BLOCK = 1_000


@dataclasses.dataclass(frozen=True)
class Novelty:
    """Known objects, to which the nearness of others is measured.

    ``novelty`` is the cosine distance of an embedding to that of the fifth nearest known object; ``novelty_rank`` is
    the share of the known objects that have their own fifth nearest nearer: 0.5 is usual, 1 is farther out than all of
    them. Of very many known objects 10,000 are taken, evenly among them.

    Attributes:
        vectors: [K, D] of the known objects, of length 1.
        ranked: [K] their own distances, sorted.
        sha256: of the file of their embeddings.

    Source: Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors", ICML, arXiv 2204.06507.

    Example:
        >>> novelty = Novelty.among(np.random.default_rng(0).normal([9, 9], 1, (100, 2)))
        >>> novelty.of_vectors(np.array([[-9.0, 9.0]]))["novelty_rank"]
        array([1.], dtype=float32)
    """

    vectors: np.ndarray
    ranked: np.ndarray
    sha256: str = ""

    @classmethod
    def among(cls, vectors: np.ndarray, sha256: str = "") -> "Novelty":
        """Take these embeddings, [K, D], for known.

        Raises:
            AstrokerasError: there are too few of them.
        """
        if len(vectors) <= NEIGHBOURS:
            raise AstrokerasError(f"it has {len(vectors)} known objects, expected {NEIGHBOURS + 1} or more")
        known = prepare(vectors, "cosine")
        own = [_farthest(known[at : at + _BLOCK], known, NEIGHBOURS + 1) for at in range(0, len(known), _BLOCK)]
        return cls(known, np.sort(np.concatenate(own)), sha256)  # the nearest to an object is itself

    @classmethod
    def of(cls, path: str, run: str, max_bytes: int = MAX_MODEL_BYTES) -> "Novelty":
        """Take the objects of an embeddings file: those of the training split, and of them the labelled ones, if any.

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
        rows = np.flatnonzero(chosen)
        if len(rows) > _MOST:
            rows = rows[np.linspace(0, len(rows) - 1, _MOST).astype(int)]
            chosen = np.isin(np.arange(len(known)), rows)
        try:
            return cls.among(np.concatenate([block for _, block in among(file.blocks, chosen)()]), digest(Path(path)))
        except AstrokerasError as error:
            raise AstrokerasError(f"--novelty {path}: {error}") from None

    @property
    def kinds(self) -> dict[str, Column]:
        """The columns that `of_vectors` gives."""
        return {"novelty": Column("float32"), "novelty_rank": Column("float32")}

    def of_vectors(self, vectors: np.ndarray) -> Outputs:
        """Return the distance of each object, and the share of the known ones whose own is less.

        Shapes:
            [N, D] -> [N] float32 each
        """
        found = _farthest(prepare(vectors, "cosine"), self.vectors, NEIGHBOURS)
        rank = np.searchsorted(self.ranked, found) / len(self.ranked)
        return {"novelty": found.astype(np.float32), "novelty_rank": rank.astype(np.float32)}


def _farthest(vectors: np.ndarray, known: np.ndarray, count: int) -> np.ndarray:
    """Return the distance of each vector [N, D] to the farthest of its `count` nearest, [N]; both are of length 1."""
    return np.partition(distances(vectors, known, "cosine"), count - 1, axis=1)[:, count - 1]
