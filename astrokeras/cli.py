"""The command line: parse, call one function a command, print. TensorFlow is imported by commands that need it only."""

import contextlib
import functools
import io
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from astrokeras import __version__, config
from astrokeras.errors import AstrokerasError, Stopped, UsageError
from astrokeras.options import Command, json_option, options_of, shared_options, take_survey
from astrokeras.terminal import bar, interruptible, progress, report, show, without_chatter

_MODEL_BYTES = "Refuse models and files of weights that claim more bytes."
_TRAIN_HELPS = {
    "out": "Run directory to make.",
    "epochs": "Passes over the training records.",
    "batch_size": "Records a step, over all devices together.",
    "learning_rate": "Peak of the learning rate.",
    "size": "Crop the stamps to the middle SIZE pixels.  [default: as converted]",
    "resize": "Enlarge or shrink stamps to RESIZE pixels inside the encoder.",
    "stretch": "auto (asinh for fluxes, linear for JPEG and PNG levels), asinh or linear.",
    "augment": "default, none, or a chain as in 'dihedral|shift(2)|noise(0.5)': see the guide.",
    "devices": "auto, cpu:N or gpu:N; more than one trains with MirroredStrategy.",
    "max_model_bytes": _MODEL_BYTES,
    "overwrite": "Replace an existing run directory, which stays until the new run is complete.",
}


def _import_keras(*, tensorflow: bool = True) -> None:
    """Import Keras and its backend without the start-up chatter.

    Args:
        tensorflow: whether no other backend will do.

    Raises:
        UsageError: another is set.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    named = os.environ.get("KERAS_BACKEND")
    with without_chatter():
        try:
            import keras  # noqa: PLC0415
        except (ImportError, ValueError) as error:
            if not named:
                raise AstrokerasError(f"Keras cannot be imported: {error}") from error
            raise UsageError(
                f"Keras cannot be used with KERAS_BACKEND={named} ({error}); install that backend, or unset "
                "KERAS_BACKEND for TensorFlow"
            ) from error
        backend = keras.backend.backend()
        if backend == "tensorflow":
            import tensorflow as tf  # noqa: PLC0415

            tf.config.list_physical_devices()
    if tensorflow and backend != "tensorflow":
        raise UsageError(f"this command needs TensorFlow, but Keras is set to {backend}; unset KERAS_BACKEND")


def command(name: str, **options: Any) -> Callable:
    """Register a command with the options that all of them have."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def call(**values: Any) -> None:
            for shared in ("config", "debug"):
                values.pop(shared)
            # Results alone go to stdout, whatever the libraries print while they work.
            with contextlib.redirect_stdout(sys.stderr):
                result = function(**values)
            if result:
                click.echo(result)

        return cli.command(name, cls=Command, **options)(shared_options(call))

    return decorate


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="astrokeras")
def cli() -> None:
    """Turn an unlabelled photometric survey into a feature extractor.

    convert a survey's images to TFRecords, pretrain a network on its magnitudes or other tasks without labels,
    finetune it on the few labels there are against ImageNet weights and training from scratch, and export the winner
    for TensorFlow Serving.
    """


@command("simulate")
@options_of(
    config.SimulateConfig,
    {
        "out": "Directory to make.",
        "fields": "Number of image tiles; neighbours overlap.",
        "bands": "Filters.",
        "size": "Side of a tile in pixels.",
        "objects": "Stars and galaxies in the whole survey.",
    },
)
def simulate_command(**values: Any) -> str:
    """Make a small, realistic multi-band survey with a catalogue."""
    from astrokeras.survey.simulate import simulate  # noqa: PLC0415

    settings = config.SimulateConfig(**values)
    counts = simulate(settings, lambda fields: progress(fields, settings.fields))
    return f"{settings.out}: " + ", ".join(f"{name} {count}" for name, count in counts.items())


@command("convert")
@json_option
@options_of(
    config.ConvertConfig,
    {
        "images": "Image files, as in 'tiles/{field}_{band}.fits' or 'stamps/{id}.jpg'; with --survey a directory.",
        "bands": "Filters, blue to red; the order of the planes where one file holds all.",
        "out": "Records directory to make.",
        "survey": "Name or FILE.toml of the images' survey (docs/surveys.md): defaults of other options.",
        "name": "Name of the data set, the first part of the shards' names.",
        "catalog": "FITS, ECSV, VOTable, CSV, text or Parquet table of the objects.",
        "max_catalog_bytes": "Refuse tables that unpack to more bytes.",
        "detect": "Find the objects on these bands instead, as in r+i, and measure them (SEP).",
        "detect_threshold": "With --detect: sigma above the sky.",
        "detect_min_area": "With --detect: adjoining pixels above the threshold.",
        "ext": "Extension with the pixels: SCI, 2, or r=SCI_R,… for each band.  [default: the first]",
        "weight": "Weight or inverse variance images, named as --images; not positive or NaN is a bad pixel.",
        "weight_ext": "Extension with the weights, as --ext.",
        "mask": "Mask images, named as --images; what is not zero is a bad pixel.",
        "mask_ext": "Extension with the mask, as --ext.",
        "mask_bits": "Values of the mask's bits that mean bad, as in 1,4,8.  [default: all]",
        "valid": "Carry a mask of good pixels in every record.",
        "resample": "Resample bands that lie on another pixel grid than the first (needs reproject).",
        "hcompress": "Read HCOMPRESS too; its decoder is unsafe on damaged files.",
        "max_image_bytes": "Refuse images that claim more bytes of pixels.",
        "id_column": "Column with the ids, or several, as in RUN,OBJ.  [default: found by usual names, as the others]",
        "ra_column": "Column with the right ascension, ICRS.",
        "dec_column": "Column with the declination, ICRS.",
        "x_column": "Column with the pixel column; used where there is no WCS.",
        "y_column": "Column with the pixel row.",
        "origin": "What x and y call the first pixel, 0 or 1.  [default: 1 for *_IMAGE columns, else 0]",
        "field_column": "Column with the field; without one, or where it is '', the footprints decide.",
        "object_column": "Column that says which rows show the same object, at other times: for task epochs.",
        "magnitudes": "Magnitude columns, as in 'MAG_AUTO_{band}'.  [default: found by their usual names]",
        "magnitude_errors": "Magnitude error columns, as in 'MAGERR_AUTO_{band}'.",
        "measure": "Measure magnitudes and shapes on the stamps instead of taking them from the catalogue.",
        "fluxes": "Flux columns, where there are no magnitudes, as in 'FLUX_{band}'.",
        "flux_errors": "Flux error columns.",
        "flux_ivars": "Columns with the inverse variances of the fluxes, instead of errors.",
        "flux_zero_point": "Magnitude of a catalogue flux of 1: 22.5 for nanomaggies, 23.9 for µJy.",
        "catalog_bands": "Names of the bands in the catalogue's columns, in the order of --bands.  [default: --bands]",
        "zero_point": "25, u=0,g=0,…, header:MAGZPT or a table with a row a field; brings every band to nJy.",
        "pixel_scale": "Side of a pixel in arcsec; a WCS that says otherwise by 5 % is warned of.",
        "label": "Column with the class (text or integers); negative or empty is unlabelled.",
        "label_names": "Names of the classes, as in 0=star,1=galaxy.  [default: their values]",
        "columns": "Columns of numbers to carry along, as in z,ebv or PSFMAG[2] (counted from 0).",
        "where": "Rows to keep, as in 'r < 21 & FLAGS == 0'; missing values fulfil no comparison.",
        "size": "Side of a stamp in pixels.  [default: 64, or that of the files if each shows one object]",
        "splits": f"Shares of the splits, scaled to add up to 1.  [default: {config.DEFAULT_SPLITS}]",
        "split_by": "id, field, sky (areas of sky that share no pixel) or a column.  [default: id]",
        "cell_size": "With --split-by sky: side of an area, in arcmin (pixels without WCS).  [default: 50 areas]",
        "splits_from": "Records directory whose splits go on: what was in one stays there.",
        "edge": "What becomes of a stamp that reaches over the edge of its image.",
        "max_bad_fraction": "Reject stamps with a larger share of NaN pixels in any band.",
        "max_reject_fraction": "Fail at the end if a larger share of the rows is rejected.",
        "workers": "Processes.  [default: one a core]",
        "scheduler": "Work on the Dask cluster of this scheduler, as in tcp://host:8786, instead of in processes here.",
        "resume": "If OUT is complete already with the same options, that is fine.",
        "overwrite": "Replace an existing records directory, and drop unfinished work with other options.",
    },
    choices={"edge": ("reject", "pad"), "origin": (0, 1)},
    callbacks={"survey": take_survey},
    signed=("flux_zero_point",),
)
def convert_command(as_json: bool, **values: Any) -> str:
    """Convert a survey's images and catalogue to TFRecords."""
    from astrokeras.records.conversion.convert import convert  # noqa: PLC0415
    from astrokeras.records.inspect import describe  # noqa: PLC0415

    settings = config.ConvertConfig(**values)
    content = convert(settings, report, progress)
    return show(content, describe(content), as_json)


@command("inspect")
@click.argument("records", metavar="DIR")
@click.option("--verify", is_flag=True, help="Read every file, compare its checksum, and add up the rows.")
@click.option("--sheet", metavar="FILE.png", help="Write a contact sheet of stamps.")
@click.option("--sheet-by", type=click.Choice(["class"]), help="With --sheet: a row for each class.")
@json_option
def inspect_command(
    records: str, verify: bool, sheet: str | None, sheet_by: str | None, as_json: bool, seed: int
) -> str:
    """Show what is in a records directory."""
    from astrokeras.records.directory import Records  # noqa: PLC0415
    from astrokeras.records.inspect import describe  # noqa: PLC0415
    from astrokeras.records.picture import write_sheet  # noqa: PLC0415
    from astrokeras.records.verify import verify as verify_all  # noqa: PLC0415

    if sheet_by and not sheet:
        raise UsageError(f"--sheet-by {sheet_by} goes with --sheet FILE.png")
    opened = Records.load(records)
    if verify:
        verify_all(opened)
        report("every file is as it was written")
    if sheet:
        write_sheet(opened, sheet, seed, sheet_by)
        report(f"contact sheet in {sheet}")
    return show(opened.content, describe(opened.content), as_json)


@command("pretrain")
@json_option
@options_of(
    config.PretrainConfig,
    {
        **_TRAIN_HELPS,
        "task": "What the network learns to predict, as in rotation or 'magnitudes(loss=huber)'; once for each task.",
        "task_weight": "Weights of the tasks' losses, as in 1,0.3.  [default: 1 each]",
        "init": "Weights to start from: scratch, imagenet, or the directory of an earlier run.",
        "imagenet_weights": "With --init imagenet: file of the weights.  [default: Keras's own download]",
        "backbone": "compact, or any network of keras.applications.  [default: compact, mobilenet_v2 or as --init RUN]",
        "optimizer": "adamw, lamb (large batches) or sgd (Nesterov's momentum of 0.9).",
        "weight_decay": "Decoupled weight decay, times the learning rate a step.",
        "warm_up": "Rise of the learning rate: a share of the steps below 1, or their number.",
        "schedule": "What follows: half a cosine down to 0, or the same rate on.",
        "clip_norm": "Longest gradient, over all weights; longer ones are shortened.  [default: as they are]",
        "average": "Use the weights' moving average over the steps, with this decay, as in 0.999.  [default: none]",
        "patience": "Stop after this many epochs without a lower validation loss, and keep the best.  [default: never]",
        "precision": "float32, bfloat16, float16, or what trains clearly faster here (auto).",
        "devices": "auto, cpu:N or gpu:N; multi-worker by TF_CONFIG or Slurm, once for each worker.",
        "worker_timeout": "Seconds that a worker waits for the others when it starts.",
        "deterministic": "Use only operations that give the same bits every time (slower on GPUs).",
        "checkpoint_every": "Steps between checkpoints within an epoch.  [default: every 10 minutes]",
        "resume": "Go on from the last whole checkpoint.",
    },
    arguments=("records",),
    repeated=("task",),
    choices={
        "optimizer": ("adamw", "lamb", "sgd"),
        "schedule": ("cosine", "constant"),
        "precision": ("auto", "float32", "bfloat16", "float16"),
    },
)
def pretrain_command(as_json: bool, **values: Any) -> str:
    """Pre-train an encoder on a task that needs no labels."""
    if values["devices"] == "multi-worker":
        # A lost worker is our line to tell, not some ten of TensorFlow's.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _import_keras(tensorflow=False)
    from astrokeras.training.describe import describe  # noqa: PLC0415
    from astrokeras.training.pretrain import pretrain  # noqa: PLC0415

    result = pretrain(config.PretrainConfig(**values), report, bar)
    return show(result, describe(result), as_json) if result else ""


@command("finetune")
@json_option
@options_of(
    config.FinetuneConfig,
    {
        "init": "scratch, imagenet, or the directory of a pre-training run; once for each arm.",
        "budget": "Number of labelled training objects, or all; once for each budget.",
        "repeats": "Draws of the labelled objects; all arms share each draw.",
        "mode": "frozen: only the classifier is fitted; full: everything is trained; two-phase: one, then the other.",
        "backbone": "Network of the scratch arm.  [default: that of the first pre-training run, else compact]",
        "imagenet_backbone": "Network of the imagenet arm.",
        "imagenet_weights": "Weights file for the imagenet arm.  [default: Keras's own download]",
        **_TRAIN_HELPS,
        "size": "Crop the stamps to the middle SIZE pixels.  [default: as pre-trained, or as converted]",
        "resize": "Enlarge or shrink stamps to RESIZE pixels inside the encoder.  [default: as pre-trained]",
        "stretch": "auto, asinh or linear.  [default: as pre-trained, else auto]",
        "epochs": "Passes over the labelled objects.",
        "min_steps": "Train for at least this many steps, however few the labels.",
    },
    arguments=("records",),
    repeated=("init", "budget"),
    choices={"mode": ("frozen", "full", "two-phase")},
)
def finetune_command(as_json: bool, **values: Any) -> str:
    """Fine-tune classifiers on few labels and compare their starts."""
    _import_keras()
    from astrokeras.evaluation.finetune import finetune  # noqa: PLC0415

    result = finetune(config.FinetuneConfig(**values), report, bar)
    return show(result, result["table"], as_json)


@command("predict")
@json_option
@options_of(
    config.PredictConfig,
    {
        "out": "Table to write: .parquet, .fits, .ecsv or .csv.",
        "catalog": "With an image template: the catalogue of the objects on those images.",
        "split": "With records: train, val, test or all.",
        "batch_size": "Records a step.",
        "zero_point": "Of new images, as for convert.  [default: as for the run's records]",
        "weight": "Weight or inverse variance images of new images, as for convert.",
        "weight_ext": "Extension with the weights.",
        "mask": "Mask images of new images, as for convert.",
        "mask_ext": "Extension with the mask.",
        "mask_bits": "Values of the mask's bits that mean bad, as in 1,4,8.  [default: all]",
        "hcompress": "Read HCOMPRESS too; its decoder is unsafe on damaged files.",
        "edge": "Stamps that reach over the edge of a new image.  [default: as for the run's records]",
        "max_image_bytes": "Refuse images that claim more bytes of pixels.  [default: 4 GiB]",
        "max_catalog_bytes": "Refuse tables that unpack to more bytes.",
        "workers": "With an image template: processes that cut the stamps.  [default: one a core]",
        "max_model_bytes": _MODEL_BYTES,
        "overwrite": "Replace an existing table.",
    },
    arguments=("run", "data"),
    choices={"edge": ("reject", "pad")},
)
def predict_command(as_json: bool, **values: Any) -> str:
    """Classify records, or the objects on new images of the survey."""
    _import_keras()
    from astrokeras.serving.predict import predict  # noqa: PLC0415

    result = predict(config.PredictConfig(**values), report, progress)
    counts = ", ".join(f"{name} {count}" for name, count in result["classes"].items())
    return show(result, f"{result['out']}: {result['predicted']} objects: {counts}", as_json)


@command("export")
@json_option
@options_of(
    config.ExportConfig,
    {
        "out": "Model directory, as TensorFlow Serving watches it: MODELS/NAME.",
        "version": "Version folder.  [default: one more than the last]",
        "check": "Serve it in a fresh process and compare with the run's model, before it is put in place.",
        "max_model_bytes": _MODEL_BYTES,
    },
    arguments=("run",),
)
def export_command(as_json: bool, **values: Any) -> str:
    """Export a fine-tuned classifier for TensorFlow Serving."""
    _import_keras()
    from astrokeras.serving.export import export  # noqa: PLC0415

    result = export(config.ExportConfig(**values))
    checked = ", checked" if result["checked"] else ""
    return show(result, f"{result['path']}: signatures {', '.join(result['signatures'])}{checked}", as_json)


@cli.command("demo", cls=Command)
@click.option("--out", required=True, help="Directory to make.")
@click.option("--imagenet-weights", help="Weights file for the imagenet arm.  [default: Keras's own download]")
@click.option("--overwrite", is_flag=True, help="Replace an existing directory.")
@shared_options
def demo_command(out: str, imagenet_weights: str | None, overwrite: bool, seed: int, **_: Any) -> None:
    """Go the whole way on the sample survey, in minutes."""
    from astrokeras.demo import COMPARISONS, next_commands, steps  # noqa: PLC0415

    for step in steps(Path(out), seed, imagenet_weights, overwrite):
        click.echo(f"\n# {step.why}\n$ {shlex.join(('astrokeras', *step.command))}")
        cli.main(args=list(step.command), prog_name="astrokeras", standalone_mode=False)
    for comparison in COMPARISONS:
        click.echo("\n" + (Path(out) / comparison / "comparison.md").read_text(encoding="utf-8"))
    click.echo("Three commands to try next:")
    for step in next_commands(Path(out)):
        click.echo(f"\n# {step.why}\n$ {shlex.join(step.command)}")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted (143 by SIGTERM)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        with interruptible():
            cli.main(args=arguments, prog_name="astrokeras", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        said = io.StringIO()
        error.show(file=said)
        report(said.getvalue().rstrip("\n"))
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        report("interrupted")
        sys.exit(130)
    except Stopped as stop:
        report(str(stop))
        sys.exit(stop.exit_code)
    except Exception as error:
        if "--debug" in arguments:
            raise
        known = isinstance(error, AstrokerasError)
        message = str(error) if known else f"unexpected {type(error).__name__}: {error} (--debug shows where)"
        report("error: " + " ".join(message.split()))
        sys.exit(error.exit_code if known else 1)
    sys.exit(0)
