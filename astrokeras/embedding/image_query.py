"""An image file as what is searched for: its embedding, and the stamp that was looked at."""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.table import Table

from astrokeras.config import EmbedConfig
from astrokeras.embedding.file import EmbeddingsFile
from astrokeras.embedding.inference.find_encoder import Encoder, find_encoder
from astrokeras.embedding.inference.images_subject import ImagesSubject
from astrokeras.embedding.inference.network import Runner
from astrokeras.embedding.inference.piece import ObjectsRead
from astrokeras.embedding.inference.table_workspace import TableWorkspace
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.progress import not_shown
from astrokeras.shipped_encoders.card import is_shipped
from astrokeras.survey.tables import write_table
from astrokeras.text import is_plain, printable


@dataclasses.dataclass(frozen=True)
class ImageQuery:
    """What an encoder says of one image.

    Attributes:
        name: the file, as the user named it.
        vector: ``[D]`` float32.
        flux: the stamp, ``[S, S, B]`` float32.
    """

    name: str
    vector: np.ndarray
    flux: np.ndarray


def encoder_for(file: EmbeddingsFile, name: str | None, max_bytes: int) -> Encoder:
    """Return the encoder that made the embeddings.

    Args:
        file: the embeddings, which name the checksum of their encoder.
        name: a run directory, a file, or an encoder that comes with the package; None for the one of these last that
            the embeddings name. A file that they name is not opened unasked: they may be a stranger's.
        max_bytes: see `models.limits`.

    Raises:
        UsageError: no encoder is named.
        AstrokerasError: it is another than the one that made them, or they do not say which did.
    """
    if file.encoder_sha256 is None:
        raise AstrokerasError(
            f"{file.path} does not say which encoder made it, so that no --image can be compared with it"
        )
    if name is None:
        name = file.encoder_name
        if name is None or not is_shipped(name):
            raise UsageError(f"--image: name the run or encoder that made {file.path} (--encoder)")
    encoder = find_encoder(name, max_bytes)
    if (encoder.about["sha256"], encoder.width) != (file.encoder_sha256, file.width):
        raise AstrokerasError(
            f"--encoder {name} is not the encoder that made {file.path} ({encoder.about['sha256'][:12]}… and "
            f"{file.encoder_sha256[:12]}…); embed the objects by it, or name the other"
        )
    return encoder


def embed_image(
    encoder: Encoder, image: str, like: str | None, report: Callable[[str], None], max_bytes: int
) -> ImageQuery:
    """Return what an encoder says of an image file, whose middle is cut as `embed` cuts it.

    Args:
        encoder: which.
        image: a file, or with ``{band}`` in its name a file for each band.
        like: records whose stamps to cut alike; those of the encoder's run if None.
        report: receives a line at a time.
        max_bytes: refuse models that claim more.

    Raises:
        UsageError: nothing says how to cut the stamp, or the name is none that can be read.
        AstrokerasError: the image is missing, damaged, or no image that the encoder takes.
    """
    template, unit = _as_template(image)
    with tempfile.TemporaryDirectory() as folder:
        catalog, out = Path(folder) / "catalog.parquet", Path(folder) / "query.parquet"
        write_table(Table({"id": np.array([unit], dtype=str)}), catalog)
        config = EmbedConfig(
            encoder=encoder.name, data=template, out=str(out), catalog=str(catalog), like=like,
            max_model_bytes=max_bytes,
        )  # fmt: skip

        def say(line: str) -> None:  # what is said of the catalogue is no matter, as it is ours
            if str(catalog) not in line:
                report(line)

        subject = ImagesSubject(encoder, config, template, say)
        (piece,), objects = subject.open(TableWorkspace(out), lambda line: None, not_shown, None)
        found = ObjectsRead()
        stamps = [stamp.copy() for part in piece.stamps(encoder.side, found) for stamp in part]
    if not stamps:
        reason, detail = found.why[0] if found.why else ("no_stamp", objects.plan.rejects.summary())
        raise AstrokerasError(f"--image {image}: {reason}: {detail}")
    with Runner(encoder.network, 1) as runner:
        (outputs,) = runner.outputs([(stamps[0][None], 1)])
    vector = outputs["embedding"][0]
    if not np.isfinite(vector).all():
        raise AstrokerasError(f"--image {image}: its embedding is not finite")
    return ImageQuery(image, vector, stamps[0])


def _as_template(image: str) -> tuple[str, str]:
    """Return the file as a template of one object's own files, and the name that stands for ``{id}`` in it.

    Raises:
        UsageError: there is no name to put there, or it has braces or stars.

    Example:
        >>> _as_template("new/arc.fits")
        ('new/{id}.fits', 'arc')
    """
    path = Path(image)
    if is_plain(image) and not any(odd in image.replace("{band}", "") for odd in "{}*"):
        for place in reversed(range(1 if path.is_absolute() else 0, len(path.parts))):
            ending = path.suffix if place == len(path.parts) - 1 else ""
            pieces = path.parts[place].removesuffix(ending).split("{band}")
            longest = max(range(len(pieces)), key=lambda number: len(pieces[number]))
            if name := pieces[longest]:
                pieces[longest] = "{id}"
                named = "{band}".join(pieces) + ending
                return str(Path(*path.parts[:place], named, *path.parts[place + 1 :])), name
    raise UsageError(
        f"--image {printable(image, keep='')}: expected the name of a file, without braces (but for {{band}}), stars "
        "and control characters"
    )
