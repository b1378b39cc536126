"""Find the encoder that a user names: the one of a run, or a file."""

import dataclasses
from pathlib import Path
from typing import Any

import keras

from astrokeras.config import MAX_MODEL_BYTES
from astrokeras.embedding.inference.network import KeptNetwork, Network, loaded
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.fits import MODEL, load_fitted_encoder
from astrokeras.files import digest
from astrokeras.models.saving import ENCODER, load_model
from astrokeras.shipped_encoders.card import encoder_names, is_shipped, read_card
from astrokeras.shipped_encoders.load import load_encoder
from astrokeras.training.run_directory import RUN_FILE, load_run

_FILE = "encoder.keras"


class EncoderNetwork(KeptNetwork):
    """An encoder in a ``.keras`` file or a sub-directory of a fine-tuning run, whose only output is ``embedding``."""

    @classmethod
    def checksum(cls, path: Path) -> str:
        """Return the checksum of a file, or of the one in a directory that holds the weights of the encoder."""
        if not path.is_dir():
            return digest(path)
        if (path / MODEL).is_file():
            return digest(path / MODEL)
        noted = load_run(path).get("encoder")
        if not isinstance(noted, dict) or not isinstance(noted.get("sha256"), str):
            raise AstrokerasError(f"{path / RUN_FILE} is damaged: it does not say which encoder it goes with")
        return noted["sha256"]  # which reading compares

    def read(self) -> keras.Model:
        """Return a model from flux to ``embedding`` [N, D] float32."""
        path = Path(self.path)
        if path.is_dir():
            encoder = load_fitted_encoder(path, load_run(path, finished=True), self.max_bytes)
        else:
            encoder = load_model(path, ENCODER, max_bytes=self.max_bytes)
        if len(encoder.output_shape) != 2:
            raise AstrokerasError(f"{path} gives {encoder.output_shape}, expected an encoder, which gives [N, D]")
        flux = keras.Input(encoder.input_shape[1:], dtype="float32")
        return keras.Model(flux, {"embedding": keras.ops.cast(encoder(flux), "float32")})


@dataclasses.dataclass(frozen=True)
class ShippedNetwork(Network):
    """An encoder that comes with the package, whose only output is ``embedding`` [N, D].

    Attributes:
        name: see `encoders.card`.
        sha256: of its weights.
    """

    name: str
    sha256: str

    def load(self) -> keras.Model:
        """See `Network.load`."""
        if read_card(self.name).sha256 != self.sha256:
            raise AstrokerasError(f"{self.name} is not the encoder that the work began with; begin again (--overwrite)")
        encoder = load_encoder(self.name)
        flux = keras.Input(encoder.input_shape[1:], dtype="float32")
        return keras.Model(flux, {"embedding": encoder(flux)})


@dataclasses.dataclass(frozen=True)
class Encoder:
    """An encoder with what is known of the stamps that it takes.

    Attributes:
        name: as the user named it.
        network: where it is.
        about: what tables say of it: ``path`` and ``sha256``.
        side: of the stamps, in pixels.
        n_bands: B.
        width: D, numbers of an embedding.
        kind: of its stretch; ``display`` for colour pictures.
        records: what a run says of the records that it was trained on; None for a file.
    """

    name: str
    network: Network
    about: dict[str, Any]
    side: int
    n_bands: int
    width: int
    kind: str
    records: dict[str, Any] | None


def find_encoder(name: str, max_bytes: int = MAX_MODEL_BYTES) -> Encoder:
    """Return the encoder of a run (of a fine-tuning run the winner's), of one of its sub-directories, or in a file.

    Or the one of this name that comes with the package.

    Args:
        name: of an encoder, directory or file.
        max_bytes: see `models.limits`.

    Raises:
        UsageError: there is nothing of this name.
        AstrokerasError: it is no encoder, or damaged.

    Example:
        >>> find_encoder("runs/contrastive").side  # doctest: +SKIP
        64
    """
    if is_shipped(name):
        return _shipped(name)
    path = Path(name)
    records = None
    if path.is_dir():
        run = load_run(path, finished=True)
        records = run.get("records")
        if not isinstance(records, dict):
            raise AstrokerasError(f"{path / RUN_FILE} is damaged: it does not say what records it was trained on")
        path = path if run["command"] == "classifier" else path / _FILE
        if path.suffix == ".keras" and not path.is_file():
            raise AstrokerasError(f"{name} has no {_FILE}; give a finished pretrain or finetune run")
    elif not path.is_file():
        raise UsageError(
            f"{name}: there is no such run directory, no such file of an encoder (.keras), and no such encoder in the "
            f"package ({', '.join(encoder_names())})"
        )
    network = EncoderNetwork(str(path), EncoderNetwork.checksum(path), max_bytes)
    model = loaded(network)
    return Encoder(
        name=name,
        network=network,
        about={"path": name, "sha256": network.sha256},
        side=model.input_shape[1],
        n_bands=model.input_shape[3],
        width=model.outputs[0].shape[-1],
        kind=_stretch_kind(model),
        records=records,
    )


def _shipped(name: str) -> Encoder:
    card = read_card(name)
    network = ShippedNetwork(name, card.sha256)
    model = loaded(network)
    return Encoder(
        name=name,
        network=network,
        about={"name": name, "sha256": card.sha256},
        side=card.size,
        n_bands=len(card.bands),
        width=model.outputs[0].shape[-1],
        kind=_stretch_kind(model),
        records={"bands": list(card.bands), "unit": card.unit},
    )


def _stretch_kind(model: keras.Model) -> str:
    return next(layer.kind for layer in model._flatten_layers() if layer.name == "stretch")
