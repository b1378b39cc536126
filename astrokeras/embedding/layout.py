"""Lay embeddings out in two dimensions."""

import dataclasses
import warnings
from collections.abc import Callable

import numpy as np

from astrokeras.embedding.file import EmbeddingsFile
from astrokeras.embedding.pca import components
from astrokeras.errors import AstrokerasError, UsageError

METHODS = ("pca", "tsne", "umap")
_KEPT = 50  # principal components that t-SNE and UMAP see
_LONG = 50_000  # objects with which t-SNE takes long


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where objects lie on a map.

    Attributes:
        rows: of the embeddings file that were laid out, sorted.
        places: their coordinates.
        axes: what the axes are called.

    Shapes:
        rows [M] int64, places [M, 2] float64
    """

    rows: np.ndarray
    places: np.ndarray
    axes: tuple[str, str]


def lay_out(
    file: EmbeddingsFile,
    method: str,
    *,
    sample: int | None = None,
    perplexity: float = 30.0,
    neighbours: int = 15,
    seed: int = 0,
    report: Callable[[str], None],
) -> Layout:
    """Return places of objects in two dimensions.

    Args:
        file: the embeddings.
        method: ``pca``; or ``tsne`` or ``umap``, which are given the first 50 principal components.
        sample: how many objects, chosen at random; all if None.
        perplexity: of t-SNE, about how many neighbours an object heeds.
        neighbours: of UMAP, the same.
        seed: of the sample and of what is random in the methods.
        report: told what takes long.

    Raises:
        UsageError: there are too few objects for the method.
        AstrokerasError: the file is damaged, or UMAP is not installed.

    Source: van der Maaten and Hinton 2008, JMLR 9, 2579 (t-SNE); McInnes, Healy and Melville 2018, arXiv 1802.03426
    (UMAP).
    """
    rows = np.arange(file.rows)
    if sample is not None and sample < file.rows:
        rows = np.sort(np.random.default_rng(seed).choice(file.rows, sample, replace=False))
        report(f"{sample:,} of {file.rows:,} objects, chosen at random, are laid out")
    found = components(file.blocks, file.width, 2 if method == "pca" else _KEPT)
    reduced = np.empty((len(rows), len(found.directions)))
    for start, block in file.blocks():
        first, last = np.searchsorted(rows, (start, start + len(block)))
        reduced[first:last] = found.project(block[rows[first:last] - start])
    if method == "pca":
        share = [f"component {i + 1} ({share:.0%} of the variance)" for i, share in enumerate(found.shares)]
        missing = 2 - reduced.shape[1]
        places = np.pad(reduced, ((0, 0), (0, missing)))
        return Layout(rows, places, (share[0], share[1] if not missing else ""))
    if len(rows) > _LONG:
        report(f"{method} of {len(rows):,} objects takes long; --sample {_LONG} lays out fewer")
    places = _tsne(reduced, perplexity, seed) if method == "tsne" else _umap(reduced, neighbours, seed)
    name = {"tsne": "t-SNE", "umap": "UMAP"}[method]
    return Layout(rows, places.astype(np.float64), (f"{name} 1", f"{name} 2"))


def _tsne(vectors: np.ndarray, perplexity: float, seed: int) -> np.ndarray:
    if len(vectors) <= perplexity:
        raise UsageError(
            f"t-SNE of {len(vectors)} objects with --perplexity {perplexity:g}: expected fewer neighbours than objects"
        )
    from sklearn.manifold import TSNE  # noqa: PLC0415 - slow to import

    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(vectors.astype(np.float32))


def _umap(vectors: np.ndarray, neighbours: int, seed: int) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TensorFlow, or a faster library, is missing
            from umap import UMAP  # noqa: PLC0415
    except ImportError as error:
        raise AstrokerasError(f"--method umap cannot be used ({error}); pip install 'astrokeras[umap]'") from None
    if len(vectors) <= neighbours:
        raise UsageError(f"UMAP of {len(vectors)} objects needs fewer --neighbours than that, got {neighbours}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_jobs value")  # a seed means one thread
        return UMAP(n_neighbors=neighbours, random_state=seed).fit_transform(vectors.astype(np.float32))
