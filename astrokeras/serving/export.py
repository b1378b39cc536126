"""Export a fine-tuned classifier as a SavedModel that TensorFlow Serving takes as it is."""

import re
import shutil
from pathlib import Path

import keras
import tensorflow as tf

from astrokeras.config import MAX_MODEL_BYTES, ExportConfig
from astrokeras.errors import AstrokerasError
from astrokeras.evaluation.fits import load_fit
from astrokeras.training.files import write_json
from astrokeras.training.run import load_run


class ServedClassifier(tf.Module):
    """A classifier from raw flux to named outputs.

    Shapes:
        flux ``[N, H, W, B]`` float32 → ``probabilities`` ``[N, C]``, ``class_names`` ``[N, C]`` in the order of the
        probabilities (repeated for each object, as the row format of TensorFlow Serving wants it), ``class_name``
        ``[N]`` the most probable, ``embedding`` ``[N, D]``.

    Units:
        flux in that of the records that the run was trained on; NaN pixels count as sky.
    """

    def __init__(self, model: keras.Model, classes: list[str]) -> None:
        super().__init__()
        self._encoder, self._logits = model.get_layer("encoder"), model.get_layer("logits")
        self._names = tf.constant(classes)
        spec = tf.TensorSpec(model.input_shape, tf.float32, name="flux")
        self.classify = tf.function(self._classify, input_signature=[spec])
        self.embed = tf.function(self._embed, input_signature=[spec])

    def _embed(self, flux: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"embedding": self._encoder(flux, training=False)}

    def _classify(self, flux: tf.Tensor) -> dict[str, tf.Tensor]:
        embedding = self._encoder(flux, training=False)
        probabilities = tf.nn.softmax(self._logits(embedding))
        return {
            "probabilities": probabilities,
            "class_names": tf.repeat(self._names[None], tf.shape(flux)[0], axis=0),
            "class_name": tf.gather(self._names, tf.argmax(probabilities, axis=1)),
            "embedding": embedding,
        }


def load_classifier(run_directory: str | Path, max_bytes: int = MAX_MODEL_BYTES) -> tuple[keras.Model, dict]:
    """The classifier of a fine-tuning run (its winner) or of one of its sub-directories, and its ``run.json``.

    Raises:
        AstrokerasError: `run_directory` is no such run.
    """
    run = load_run(run_directory, finished=True)
    if run["command"] not in ("finetune", "classifier"):
        raise AstrokerasError(f"{run_directory} is a {run['command']} run without classes; give a finetune run")
    model = load_fit(run_directory, run, max_bytes)
    made_for = (len(run["records"]["bands"]), len(run["records"]["classes"]))
    if (model.input_shape[-1], model.output_shape[-1]) != made_for:
        raise AstrokerasError(
            f"{run_directory}: its model has {model.input_shape[-1]} bands and {model.output_shape[-1]} classes, its "
            f"run says {made_for[0]} and {made_for[1]}; one of the two files is another's"
        )
    return model, run


def export(config: ExportConfig) -> dict:
    """Write ``OUT/VERSION/``, under a temporary name first, since a server may be watching.

    Returns:
        ``path``, ``version``, ``signatures`` and ``classes``.

    Raises:
        AstrokerasError: the run is none, or the version exists.
    """
    model, run = load_classifier(config.run, config.max_model_bytes)
    classes = run["records"]["classes"]
    out = Path(config.out)
    if out.exists() and not out.is_dir():
        raise AstrokerasError(f"{out} is a file; --out must be a directory")
    taken = [int(p.name) for p in out.iterdir() if re.fullmatch(r"\d+", p.name)] if out.is_dir() else []
    version = config.version or max(taken, default=0) + 1
    if version in taken:
        raise AstrokerasError(f"{out / str(version)} exists already; give another --version, or none for the next")
    module = ServedClassifier(model, classes)
    signatures = {"serving_default": module.classify, "embed": module.embed}
    temporary = out / f".{version}.part"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        tf.saved_model.save(module, str(temporary), signatures=signatures)
        extra = temporary / "assets.extra"
        extra.mkdir()
        kept = {key: run["records"][key] for key in ("bands", "unit", "classes", "fingerprint")}
        write_json(
            extra / "astrokeras.json", {**kept, "versions": run["versions"], "winner": run["result"].get("winner")}
        )
        temporary.rename(out / str(version))
    except (OSError, tf.errors.OpError) as error:
        raise AstrokerasError(
            f"cannot write {out / str(version)}: {getattr(error, 'strerror', None) or error}"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return {"path": str(out / str(version)), "version": version, "signatures": list(signatures), "classes": classes}
