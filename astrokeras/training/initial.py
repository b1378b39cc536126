"""Where an encoder starts from: random weights, ImageNet's, those of an earlier run, or of an encoder that ships."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from astrokeras.config import DEFAULT_IMAGENET_BACKBONE, MAX_MODEL_BYTES, PretrainConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.files import digest
from astrokeras.models.backbone import needs_three_channels
from astrokeras.models.encoder import build_encoder
from astrokeras.models.joined import encoders_of
from astrokeras.models.limits import check_weights_file
from astrokeras.models.rgb_bands import three_bands
from astrokeras.models.saving import ENCODER, load_model
from astrokeras.models.stretch import stretch_kind
from astrokeras.models.turns import without_turns
from astrokeras.records.directory import RecordsDirectory
from astrokeras.shipped_encoders.card import encoder_names, is_shipped, read_card
from astrokeras.shipped_encoders.load import encoder_for
from astrokeras.training.imagenet import WORDS, channels_of, imagenet_record, is_imagenet
from astrokeras.training.origins import is_random, shortened
from astrokeras.training.run_directory import load_run

# How much noisier or quieter than what an encoder was stretched for new records may be before it is worth a word.
_FACTOR = 2.0


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is asked of a start, by the names of the options; None where it may be as it comes.

    Attributes:
        init: one of `imagenet.WORDS`, the name of an encoder that comes with the package, or the directory of a run.
        backbone: name of the network.
        size: side of the stamps after cropping.
        resize: side to which they are resampled.
        stretch: of the flux.
        imagenet_weights: file of them.
        imagenet_bands: names of the bands for red, green and blue, with ``imagenet:rgb``.
        max_model_bytes: see `models.limits`.
    """

    init: str
    backbone: str | None = None
    size: int | None = None
    resize: int | None = None
    stretch: str | None = None
    imagenet_weights: str | None = None
    imagenet_bands: tuple[str, ...] = ()
    max_model_bytes: int = MAX_MODEL_BYTES

    @classmethod
    def of(cls, config: PretrainConfig) -> Self:
        """Return what the options of a pre-training ask for."""
        return cls(**{field.name: getattr(config, field.name) for field in dataclasses.fields(cls)})

    @property
    def network(self) -> dict[str, Any]:
        """What `build_encoder` takes."""
        options = {name: getattr(self, name) for name in ("backbone", "size", "resize")}
        return {**options, "stretch": self.stretch or "auto"}


@dataclasses.dataclass(frozen=True)
class Start:
    """A start, ready to be built.

    Attributes:
        network: backbone, size, resize and stretch, by these names, what follows from the start filled in.
        record: what it is, for ``run.json``: ``kind`` (``scratch``, ``imagenet``, ``encoder``, ``run`` or ``joined``);
            of an encoder that comes with the package its ``name`` and the ``sha256`` of its weights; of a run its
            ``path``, ``command``, ``task`` or ``mode``, ``records``, the encoder's ``sha256`` and, under ``init``, what
            it started from itself; of several joined their ``parts``.
        build: gives the encoder; of random weights those of Keras's seed.
    """

    network: dict[str, Any]
    record: dict[str, Any]
    build: Callable[[], keras.Model]

    @property
    def random(self) -> bool:
        """Whether the weights, or those of a part, are random."""
        return is_random(self.record)


def find_start(asked: Asked, records: RecordsDirectory, report: Callable[[str], None]) -> Start:
    """Return what to start from.

    An earlier run brings its backbone, crop, resizing and stretch: an encoder is everything from raw flux to features,
    and goes on as it is.

    Args:
        asked: for what.
        records: what is trained on.
        report: gets a warning where the records differ much from what the encoder was stretched for.

    Raises:
        UsageError: options that the start contradicts or does not look at.
        WeightsUnavailable: there are no such weights of ImageNet.
        AstrokerasError: no such run, one for other bands, or weights that are not finite.
    """
    _refuse_ignored(asked)
    if is_shipped(asked.init):
        return _from_shipped(asked, records)
    if asked.init not in WORDS:
        return _from_run(asked, records, report)
    if is_imagenet(asked.init):
        return _from_imagenet(asked, records)
    options = dataclasses.replace(asked, backbone=asked.backbone or "compact").network
    needs_three_channels(options["backbone"])  # raises where there is none of this name
    return Start(options, {"kind": "scratch"}, lambda: build_encoder(records, **options))


def _refuse_ignored(asked: Asked) -> None:
    """Refuse options that this start does not look at."""
    for option, value, wanted, fits in (
        ("--imagenet-weights", asked.imagenet_weights, "imagenet", is_imagenet(asked.init)),
        ("--imagenet-bands", asked.imagenet_bands, "imagenet:rgb", asked.init == "imagenet:rgb"),
    ):
        if value and not fits:
            raise UsageError(f"{option} was given, but --init is {asked.init}; say --init {wanted}")


def _from_imagenet(asked: Asked, records: RecordsDirectory) -> Start:
    """Return the start from weights of ImageNet, which are read before any other work is done."""
    options = dataclasses.replace(asked, backbone=asked.backbone or DEFAULT_IMAGENET_BACKBONE).network
    channels = channels_of(asked.init)
    if channels and not needs_three_channels(options["backbone"]):
        raise UsageError(
            f"--init {asked.init}: backbone '{options['backbone']}' has no ImageNet weights; use one of "
            "keras.applications, like mobilenet_v2"
        )
    weights = asked.imagenet_weights or "imagenet"
    order = three_bands(records, asked.imagenet_bands) if channels == "rgb" else None
    check_size_of(asked.imagenet_weights, asked.max_model_bytes)

    def build() -> keras.Model:
        return build_encoder(records, weights=weights, channels=channels, order=order, **options)

    check_finite(build(), f"--imagenet-weights {weights}")
    return Start(options, imagenet_record(asked.imagenet_weights, options["backbone"], channels), build)


def _from_shipped(asked: Asked, records: RecordsDirectory) -> Start:
    """Return the start from an encoder that comes with the package; stamps may be smaller than those it has seen."""
    card = read_card(asked.init)
    size = asked.size or min(card.size, records.size)
    encoder = encoder_for(asked.init, records, size)
    own = {
        "backbone": card.backbone,
        "size": size,
        "resize": card.resize,
        "stretch": encoder.get_layer("stretch").kind,
    }
    _check_brought(asked, own, records)
    record = {"kind": "encoder", "name": card.name, "backbone": card.backbone, "sha256": card.sha256}
    return Start(own, record, lambda: encoder_for(card.name, records, size))


def _from_run(asked: Asked, records: RecordsDirectory, report: Callable[[str], None]) -> Start:
    if not Path(asked.init).is_dir():
        raise AstrokerasError(
            f"--init {asked.init}: {asked.init} is not a run directory; expected {', '.join(WORDS)}, the directory of "
            f"a run, or an encoder that comes with the package ({', '.join(encoder_names())})"
        )
    run = load_run(asked.init, finished=True)
    if run["command"] not in ("pretrain", "finetune"):
        raise AstrokerasError(
            f"--init {asked.init}: that is a {run['command']} run, expected a pretrain or finetune run"
        )
    check_bands(asked.init, run, records)
    load = encoder_of(asked.init, records, asked.max_model_bytes)
    encoder = load()
    check_finite(encoder, f"--init {asked.init}")
    own = _options_of(encoder, run)
    _check_brought(asked, own, records)
    if own["size"] > records.size:
        raise UsageError(
            f"--init {asked.init} sees stamps of {own['size']} px, those in {records.path} have {records.size}; "
            f"convert with --size {own['size']} or more"
        )
    _warn_of_other_sky(encoder, asked.init, records, report)
    return Start(own, run_record(asked.init, run), load)


def _check_brought(asked: Asked, own: dict[str, Any], records: RecordsDirectory) -> None:
    """Refuse options that an encoder contradicts, which brings `own`."""
    for name, value in own.items():
        wanted = getattr(asked, name)
        if name == "stretch":
            wanted = None if wanted in (None, "auto") else stretch_kind(records.unit, wanted)
        if wanted not in (None, value):
            raise UsageError(
                f"--{name} {wanted}: --init {asked.init} brings {name} {value or 'none'} in its encoder; leave it out"
            )


def encoder_of(init: str, records: RecordsDirectory, max_bytes: int) -> Callable[[], keras.Model]:
    """Return what reads the encoder of a run.

    Raises:
        AstrokerasError: when it is called: there is none, it takes more than `max_bytes`, or other bands.
    """

    def load() -> keras.Model:
        encoder = without_turns(load_model(Path(init) / "encoder.keras", ENCODER, max_bytes=max_bytes))
        if encoder.input_shape[-1] != len(records.bands):
            raise AstrokerasError(
                f"--init {init}: its encoder takes {encoder.input_shape[-1]} bands, its run says {len(records.bands)}; "
                "one of the two files is another's"
            )
        if any(len(part.get_layer("stretch").sky) != len(records.bands) for part in encoders_of(encoder)):
            raise AstrokerasError(f"--init {init}: its encoder is not stretched for {len(records.bands)} bands")
        return encoder

    return load


def check_size_of(weights: str | None, max_bytes: int) -> None:
    """Make sure that a file of weights claims no more than `max_bytes`, if there is one.

    Raises:
        AstrokerasError: it does.
    """
    if weights is None:
        return
    try:
        check_weights_file(Path(weights), max_bytes)
    except Exception as error:  # a file may be anything, and so may what is said of it
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise AstrokerasError(f"cannot read the weights in {weights}: {reason}") from error


def check_finite(encoder: keras.Model, where: str) -> None:
    """Make sure that a training can go on from these weights.

    Raises:
        AstrokerasError: it can't.
    """
    if not all(np.isfinite(value).all() for value in encoder.get_weights()):
        raise AstrokerasError(f"{where}: the weights to start from are not finite; start from others")


def _options_of(encoder: keras.Model, run: dict[str, Any]) -> dict[str, Any]:
    """Return what an encoder was built with, by the names of the options."""
    layers = {layer.name: layer for layer in encoder._flatten_layers()}
    return {
        "backbone": _backbone_of(run),
        "size": encoder.input_shape[1],
        "resize": layers["resize"].height if "resize" in layers else None,
        "stretch": layers["stretch"].kind,
    }


def _winner(run: dict[str, Any]) -> dict[str, Any]:
    """Return the line of a fine-tuning run's comparison whose encoder it kept."""
    return next(row for row in run["result"]["rows"] if row["arm"] == run["result"]["winner"]["arm"])


def _backbone_of(run: dict[str, Any]) -> str:
    backbone = run["options"]["backbone"] if run["command"] == "pretrain" else _winner(run)["backbone"]
    if backbone is None:
        raise AstrokerasError("the run.json of the run to start from does not say its backbone; repeat that run")
    return backbone


def _warn_of_other_sky(
    encoder: keras.Model, init: str, records: RecordsDirectory, report: Callable[[str], None]
) -> None:
    stretch = encoders_of(encoder)[0].get_layer("stretch")
    if stretch.kind == "display":
        return
    for band, sky, noise, old_sky, old_noise in zip(
        records.bands, records.sky, records.noise, stretch.sky, stretch.noise, strict=True
    ):
        if abs(sky - old_sky) > old_noise or not 1 / _FACTOR <= noise / old_noise <= _FACTOR:
            report(
                f"WARNING: the sky of {records.path} is {sky:.3g} ± {noise:.3g} in {band}, that of {init} was "
                f"{old_sky:.3g} ± {old_noise:.3g}; its encoder keeps its stretch"
            )


def check_bands(init: str, run: dict[str, Any], records: RecordsDirectory) -> None:
    """Make sure that a run was made for the bands and the unit of these records.

    Raises:
        AstrokerasError: it was not.
    """
    trained = {"bands": ", ".join(run["records"]["bands"]), "unit": run["records"]["unit"]}
    for what, value in {"bands": ", ".join(records.bands), "unit": records.unit}.items():
        if trained[what] != value:
            how = "pre-trained" if run["command"] == "pretrain" else "fine-tuned"
            raise AstrokerasError(f"--init {init} was {how} on {what} {trained[what]}, these records have {value}")


def run_record(init: str | Path, run: dict[str, Any]) -> dict[str, Any]:
    """Return what stands in ``run.json`` of a start from a run: with all that it started from itself."""
    file = Path(init) / "encoder.keras"
    if run["command"] == "pretrain":
        before = run.get("init") or {"kind": "scratch"}
    else:
        before = (run.get("starts") or {}).get(_winner(run)["arm"]) or {"kind": _winner(run)["init"]}
    return {
        "kind": "run",
        "path": str(Path(init).resolve()),
        "command": run["command"],
        "backbone": _backbone_of(run),
        "task": run["options"].get("task"),
        "mode": _mode_of(run),
        "split_column": run["options"].get("split_column"),
        "records": {name: run["records"][name] for name in ("path", "name", "fingerprint")},
        "sha256": digest(file) if file.is_file() else None,
        "init": shortened(before),
    }


def _mode_of(run: dict[str, Any]) -> str | None:
    """Return in which mode the encoder of a fine-tuning run was trained, which its fits may have chosen themselves."""
    chosen = run["result"]["winner"].get("mode") if run["command"] == "finetune" and run["result"] else None
    return chosen if isinstance(chosen, str) else run["options"].get("mode")
