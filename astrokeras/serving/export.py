"""Export what a run has trained as a SavedModel that TensorFlow Serving takes as it is."""

import re
import shutil
from pathlib import Path

import tensorflow as tf

from astrokeras.config import ExportConfig
from astrokeras.errors import AstrokerasError
from astrokeras.files import write_json
from astrokeras.serving.check import check_export
from astrokeras.serving.pretrained import Pretrained, load_pretrained
from astrokeras.serving.served import ServedModel, ServedTasks
from astrokeras.serving.trained import Trained, load_trained
from astrokeras.training.run_directory import load_run


def export(config: ExportConfig) -> dict:
    """Write ``OUT/VERSION/``, under a temporary name first, since a server may be watching.

    Returns:
        ``path``, ``version``, ``signatures``, ``classes`` (none of a pre-training), and under ``checked`` whether
        `check_export` was passed.

    Raises:
        AstrokerasError: the run is none, the version exists, or what was written does not answer as the model does.
    """
    trained = _load(config.run, config.max_model_bytes)
    out = Path(config.out)
    if out.exists() and not out.is_dir():
        raise AstrokerasError(f"{out} is a file; --out must be a directory")
    taken = [int(p.name) for p in out.iterdir() if re.fullmatch(r"\d+", p.name)] if out.is_dir() else []
    version = config.version or max(taken, default=0) + 1
    if version in taken:
        raise AstrokerasError(f"{out / str(version)} exists already; give another --version, or none for the next")
    module = ServedTasks(trained) if isinstance(trained, Pretrained) else ServedModel(trained.model, trained.targets)
    temporary = out / f".{version}.part"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        tf.saved_model.save(module, str(temporary), signatures=module.signatures)
        _describe(trained, temporary)
        if config.check:
            check_export(temporary, trained)
        temporary.rename(out / str(version))
    except (OSError, tf.errors.OpError) as error:
        raise AstrokerasError(
            f"cannot write {out / str(version)}: {getattr(error, 'strerror', None) or error}"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return {
        "path": str(out / str(version)),
        "version": version,
        "signatures": list(module.signatures),
        "classes": list(trained.classes),
        "checked": config.check,
    }


def _load(run_directory: str, max_bytes: int) -> Trained | Pretrained:
    """Return what a fine-tuning run, one of its sub-directories or a pre-training run has trained."""
    if load_run(run_directory, finished=True)["command"] == "pretrain":
        return load_pretrained(run_directory, max_bytes)
    return load_trained(run_directory, max_bytes)


def _describe(trained: Trained | Pretrained, directory: Path) -> None:
    """Write what a client has to know of the flux, where TensorFlow Serving leaves files alone."""
    extra = directory / "assets.extra"
    extra.mkdir()
    known = {
        "bands": list(trained.bands),
        "unit": trained.unit,
        "size": trained.side,
        "classes": list(trained.classes),
        "outputs": trained.outputs,
        "fingerprint": trained.run["records"].get("fingerprint"),
        "versions": trained.run.get("versions"),
    }
    if isinstance(trained, Trained):
        known["winner"] = trained.run["result"].get("winner")
    write_json(extra / "astrokeras.json", known)
