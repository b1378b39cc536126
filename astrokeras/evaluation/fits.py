"""A trained network on the disk: whole, or in frozen mode its heads alone, beside an encoder that many share."""

import math
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras

from astrokeras.config import MAX_MODEL_BYTES, FinetuneConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.schedule import FEWSHOT
from astrokeras.files import digest, write_atomically
from astrokeras.models.saving import ENCODER, load_model
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.target import TARGETS, Target
from astrokeras.training.run_directory import RUN_FILE, check_same

MODEL, HEAD = "model.keras", "head.keras"
DONE = "done"


def targets_record(targets: Mapping[str, Target]) -> dict[str, Any]:
    """Return what ``run.json`` says of the targets: by name, which each is, all that was fitted, and its outputs."""
    return {
        name: {
            "target": TARGETS.name_of(type(target)),
            "config": target.config,
            "outputs": [output.record for output in target.outputs()],
        }
        for name, target in targets.items()
    }


def targets_of(run: dict[str, Any]) -> dict[str, Target]:
    """Return the targets that a ``run.json`` names.

    Raises:
        AstrokerasError: it names none, or what it says of them is damaged.
    """
    found = {}
    for name, noted in (run.get("targets") or {}).items():
        try:
            found[name] = TARGETS.get(noted["target"]).from_config(noted["config"])
        except (KeyError, TypeError, ValueError, UsageError) as error:
            raise AstrokerasError(
                f"{RUN_FILE} is damaged: it does not say what target {name[:40]} is ({error}); repeat the run"
            ) from None
    if not found:
        raise AstrokerasError(f"{RUN_FILE} is damaged: it does not say what was learned from labels; repeat the run")
    return found


def save_encoder(directory: Path, model: keras.Model, encoder: str) -> dict[str, Any]:
    """Write the encoder of a network into ``RUN/ARM``, if it is not there, and return what ``run.json`` says of it.

    Args:
        directory: of a fit, ``RUN/ARM/BUDGET/REPEAT``.
        model: with the layer ``encoder``.
        encoder: name of the file.
    """
    shared = directory.parents[1] / encoder
    if not shared.exists():
        write_atomically(shared, model.get_layer("encoder").save)
    return {"encoder": {"file": encoder, "sha256": digest(shared)}}


def save_fit(directory: Path, model: keras.Model, encoder: str | None) -> dict[str, Any]:
    """Write a trained network into ``RUN/ARM/BUDGET/REPEAT``.

    Args:
        directory: that one; it exists.
        model: with the layer ``encoder``, and one for each target.
        encoder: where only the heads were fitted, the name of their encoder's file in ``RUN/ARM``, written if it is not
            there; None writes the whole model.

    Returns:
        What belongs into ``run.json``: under ``encoder`` the ``file`` and its ``sha256``, or nothing.
    """
    if encoder is None:
        write_atomically(directory / MODEL, model.save)
        return {}
    kept = save_encoder(directory, model, encoder)
    heads = [layer for layer in model.layers if isinstance(layer, keras.Model) and layer.name != "encoder"]
    embedding = keras.Input(model.get_layer("encoder").output_shape[1:], dtype="float32", name="embedding")
    together = keras.Model(embedding, {head.name: head([embedding]) for head in heads}, name="heads")
    write_atomically(directory / HEAD, together.save)
    return kept


def refuse_fewshot(directory: Path, run: dict[str, Any]) -> None:
    """Refuse a run that has no network to ask.

    Raises:
        UsageError: it is one of ``--mode fewshot``.
    """
    options = run.get("options")
    if isinstance(options, dict) and options.get("mode") == FEWSHOT:
        raise UsageError(
            f"{directory} was made by --mode fewshot, which answers for the objects of its records only and has no "
            "model for others; classify them by astrokeras fewshot, or make a model by finetune --mode frozen"
        )


def load_fit(directory: str | Path, run: dict[str, Any], max_bytes: int = MAX_MODEL_BYTES) -> keras.Model:
    """Return the network in a run directory.

    Args:
        directory: of a fine-tuning run (its winner), or one of its sub-directories.
        run: its ``run.json``.
        max_bytes: see `models.limits`.

    Raises:
        AstrokerasError: files are missing or damaged, or the encoder is not the one that the heads were fitted to.
        UsageError: it is of ``--mode fewshot``.
    """
    directory = Path(directory)
    refuse_fewshot(directory, run)
    names = list(targets_of(run))
    layers = {"encoder": keras.Model, **dict.fromkeys(names, keras.Model)}
    if not (directory / HEAD).is_file():
        return load_model(directory / MODEL, layers, max_bytes=max_bytes)
    encoder = load_shared_encoder(directory, run, max_bytes)
    return _joined(encoder, load_heads(directory, max_bytes), names, directory / HEAD)


def load_shared_encoder(directory: Path, run: dict[str, Any], max_bytes: int = MAX_MODEL_BYTES) -> keras.Model:
    """Return the encoder that a fit left as it was, from the directory of its arm; arguments are those of `load_fit`.

    Raises:
        AstrokerasError: it is missing or damaged, or another one.
    """
    noted = run.get("encoder")
    try:
        # A name only: a file elsewhere is none of ours.
        shared = directory.resolve().parents[1] / Path(noted["file"]).name
        expected = noted["sha256"]
    except (TypeError, KeyError, IndexError):
        raise AstrokerasError(
            f"{directory / RUN_FILE} is damaged: it does not say which encoder it goes with"
        ) from None
    if not shared.is_file():
        raise AstrokerasError(
            f"{directory} holds heads alone, but their encoder {shared} is missing; move whole run directories"
        )
    if digest(shared) != expected:
        raise AstrokerasError(f"{shared} is not the encoder of {directory}; repeat the run")
    return load_model(shared, ENCODER, max_bytes=max_bytes)


def load_fitted_encoder(directory: Path, run: dict[str, Any], max_bytes: int = MAX_MODEL_BYTES) -> keras.Model:
    """Return the encoder of a fit, wherever it is kept; arguments and errors are those of `load_fit`."""
    if (directory / MODEL).is_file():
        return load_fit(directory, run, max_bytes).get_layer("encoder")
    return load_shared_encoder(directory, run, max_bytes)


def load_heads(directory: Path, max_bytes: int = MAX_MODEL_BYTES) -> keras.Model:
    """Return the heads in a directory that holds them alone: from the embedding, a layer for each target.

    Raises:
        AstrokerasError: the file is missing or damaged.
    """
    return load_model(directory / HEAD, max_bytes=max_bytes)


def _joined(encoder: keras.Model, heads: keras.Model, names: list[str], file: Path) -> keras.Model:
    try:
        flux = keras.Input(encoder.input_shape[1:], dtype="float32", name="flux")
        embedding = encoder(flux)
        outputs = {name: heads.get_layer(name)([embedding]) for name in names}
    except (ValueError, TypeError, AttributeError):
        raise AstrokerasError(f"{file} is damaged, or goes with another encoder; repeat the run") from None
    return keras.Model(flux, outputs if len(names) > 1 else outputs[names[0]], name="_".join(names))


def finished_fits(
    out: Path, places: Iterable[str], config: FinetuneConfig, records: RecordsDirectory
) -> dict[str, dict[str, Any]]:
    """Return the lines of results of the fits that are whole, by their place in a run directory.

    What another process has begun, and not ended, is removed.

    Raises:
        UsageError: one was made with other options; the message says which.
        AstrokerasError: one is of other records, or damaged.
    """
    found = {}
    for place in places:
        directory = out / place
        if not (directory / RUN_FILE).is_file():
            shutil.rmtree(directory, ignore_errors=True)
            shutil.rmtree(out / "tensorboard" / place, ignore_errors=True)
            continue
        result = check_same(directory, config, records)["result"]
        # JSON has no NaN.
        found[place] = {name: math.nan if value is None else value for name, value in result.items()}
    return found
