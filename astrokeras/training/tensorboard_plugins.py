"""What the plugins of TensorBoard read beside scalars and pictures: charts, precision and recall, the projector."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from google.protobuf import text_format
from PIL import Image
from sklearn.decomposition import PCA
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalar
from tensorboard.plugins.pr_curve import summary as pr_curve
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from astrokeras.files import write_atomically
from astrokeras.text import printable
from astrokeras.training.board import Chart, Embedded

_THRESHOLDS = 101
_COMPONENTS = 50  # of the embeddings: the projector shows three at a time, and the files stay small
_MOST_TEXT = 80
_MARGIN = layout_pb2.MarginChartContent


def layout(categories: Mapping[str, Sequence[Chart]]) -> bytes:
    """Return the event that says which custom scalars there are."""
    found = layout_pb2.Layout()
    for title, charts in categories.items():
        category = found.category.add(title=title)
        for chart in charts:
            added = category.chart.add(title=chart.title)
            if chart.limits:
                low, high = chart.limits
                added.margin.series.append(_MARGIN.Series(value=chart.tags[0], lower=low, upper=high))
            else:
                added.multiline.tag.extend(f"^{re.escape(tag)}$" for tag in chart.tags)
    return custom_scalar.pb(found).SerializeToString()


def precision_recall(tag: str, hits: np.ndarray, scores: np.ndarray) -> bytes:
    """Return the event of a precision-recall curve, of [N] bool and [N] from 0 to 1."""
    inside = np.clip(np.nan_to_num(scores), 0.0, 1.0).astype(np.float32)
    return pr_curve.pb(tag, np.asarray(hits, bool), inside, num_thresholds=_THRESHOLDS).SerializeToString()


def write_projector(directory: Path, shown: Embedded) -> None:
    """Write what the projector reads: the first 50 principal components, the table of the objects, and their pictures.

    No checkpoint is needed; everything lies in the directory of the run, outside of which nothing is looked for.
    """
    vectors = _principal(shown.vectors)
    lines = "".join("\t".join(f"{number:.4g}" for number in vector) + "\n" for vector in vectors)
    write_atomically(directory / "vectors.tsv", lambda path: path.write_text(lines, encoding="utf-8"))
    table = _table(shown.columns)
    write_atomically(directory / "metadata.tsv", lambda path: path.write_text(table, encoding="utf-8"))
    write_atomically(directory / "sprite.png", lambda path: _sprite(shown.pictures).save(path, "PNG"))
    config = ProjectorConfig()
    embedding = config.embeddings.add(
        tensor_name="embedding", tensor_path="vectors.tsv", tensor_shape=list(vectors.shape),
        metadata_path="metadata.tsv",
    )  # fmt: skip
    embedding.sprite.image_path = "sprite.png"
    embedding.sprite.single_image_dim.extend(shown.pictures.shape[1:3])
    text = text_format.MessageToString(config)
    write_atomically(directory / "projector_config.pbtxt", lambda path: path.write_text(text, encoding="utf-8"))


def _principal(vectors: np.ndarray) -> np.ndarray:
    finite = np.nan_to_num(np.asarray(vectors, np.float64))
    most = min(_COMPONENTS, *finite.shape)
    return finite if finite.shape[1] <= most else PCA(most, svd_solver="full").fit_transform(finite)


def _table(columns: Mapping[str, Sequence[str]]) -> str:
    """Return lines of cells; the first one, of the names, is read as such where there are several columns."""
    rows = (columns, *zip(*columns.values(), strict=True))
    return "".join("\t".join(map(_cell, row)) + "\n" for row in rows)


def _cell(text: str) -> str:
    """Return a text as a cell of a line: no tab, no end of a line, and something in it."""
    return printable(text, keep="")[:_MOST_TEXT].strip() or "–"


def _sprite(pictures: np.ndarray) -> Image.Image:
    """Return the pictures side by side in a square, row by row."""
    count, height, width, _ = pictures.shape
    side = int(np.ceil(np.sqrt(count)))
    sheet = Image.new("RGB", (side * width, side * height))
    for number, picture in enumerate(pictures):
        sheet.paste(Image.fromarray(picture), (number % side * width, number // side * height))
    return sheet
