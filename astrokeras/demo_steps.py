"""A look at real galaxies, and the whole way on the sample survey, as the commands that a user would type."""

import dataclasses
from pathlib import Path

BANDS = "u,g,r,i,z"
COMPARISONS = ("frozen", "classes")  # the fine-tuning runs whose tables end the demo
_DATA = Path(__file__).resolve().parents[1] / "data"
_SAMPLE, _GALAXIES = _DATA / "sample", _DATA / "galaxies"
# A spiral, one seen edge-on, a smooth red one, and the trail of a satellite.
_QUERIES = ("46.20426+1.02342", "88.93713+0.05312", "60.86323+0.12745", "76.81702+0.98825")


@dataclasses.dataclass(frozen=True)
class Step:
    """One command, and a line on what it is for."""

    why: str
    command: tuple[str, ...]


def steps(out: Path, seed: int, imagenet_weights: str | None, overwrite: bool) -> list[Step]:
    """Return the commands, in their order. Outside a checkout the sample survey is simulated, and has no galaxies."""
    survey = _SAMPLE if _SAMPLE.is_dir() else out / "survey"
    seeded = ("--seed", str(seed))
    replace = ("--overwrite",) if overwrite else ()
    weights = ("--imagenet-weights", imagenet_weights) if imagenet_weights else ()
    way = [
        *(_look(out / "galaxies", seeded, replace) if _GALAXIES.is_dir() else ()),
        Step(
            "cut a stamp of every object, bring all bands to nJy, and split by area of sky so that nothing leaks",
            (
                "convert", "--images", f"{survey}/images/{{field}}_{{band}}.fits", "--bands", BANDS,
                "--catalog", f"{survey}/catalog.fits", "--zero-point", "header:MAGZPT", "--label", "CLASS",
                "--size", "32", "--split-by", "sky", "--cell-size", "1.7", "--splits", "train=0.6,val=0.1,test=0.3",
                "--out", f"{out}/records", *seeded, *replace,
            ),
        ),
        Step("look at what is there", ("inspect", f"{out}/records", "--sheet", f"{out}/stamps.png")),
        Step(
            "pre-train on the magnitudes of all objects, no labels needed",
            ("pretrain", f"{out}/records", "--epochs", "20", "--out", f"{out}/magnitudes", *seeded, *replace),
        ),
        Step(
            "fit a classifier on what each network sees, with few labels: what is pre-training worth?",
            (
                "finetune", f"{out}/records", "--init", "scratch", "--init", "imagenet", "--init", f"{out}/magnitudes",
                *weights, "--budget", "20", "--budget", "100", "--repeats", "3", "--mode", "frozen",
                "--out", f"{out}/frozen", *seeded, *replace,
            ),
        ),
        Step(
            "train everything: does it still help when the network from scratch may learn too?",
            (
                "finetune", f"{out}/records", "--init", "scratch", "--init", f"{out}/magnitudes",
                "--budget", "100", "--repeats", "3", "--mode", "full", "--out", f"{out}/classes", *seeded, *replace,
            ),
        ),
        Step(
            "classify every object",
            ("predict", f"{out}/classes", f"{out}/records", "--out", f"{out}/predictions.csv", *replace),
        ),
        Step(
            "export the winner for TensorFlow Serving",
            ("export", f"{out}/classes", "--out", f"{out}/models/classes"),
        ),
    ]  # fmt: skip
    return way if survey.is_dir() else [_simulate(survey), *way]


def _look(out: Path, seeded: tuple[str, ...], replace: tuple[str, ...]) -> list[Step]:
    """Return the steps on real galaxies with an encoder that ships."""
    embeddings, asked = f"{out}/embeddings.parquet", [f"--id={name}" for name in _QUERIES]
    return [
        Step(
            "take 96 real pictures as records: objects of SDSS, most of them galaxies",
            (
                "convert", "--images", f"{_GALAXIES}/images/{{id}}.jpg", "--bands", "i,r,g",
                "--catalog", f"{_GALAXIES}/catalog.csv", "--size", "88", "--out", f"{out}/records", *seeded, *replace,
            ),
        ),
        Step(
            "embed them with an encoder that comes with astrokeras, pre-trained on SDSS without labels",
            ("embed", "sdss-gri-mobilenet", f"{out}/records", "--out", embeddings, *seeded, *replace),
        ),
        Step(
            "lay them out: galaxies that look alike lie side by side (open map.html in a browser)",
            (
                "map", embeddings, "--method", "tsne", "--perplexity", "12", "--viewer", "sdss",
                "--stamp-size", "64", "--out", f"{out}/map.parquet", *seeded, *replace,
            ),
        ),
        Step(
            "find more of the same (look at similar.png)",
            (
                "search", embeddings, *asked, "--count", "11", "--out", f"{out}/similar.csv",
                "--sheet", f"{out}/similar.png", *seeded, *replace,
            ),
        ),
    ]  # fmt: skip


def _simulate(survey: Path) -> Step:
    from astrokeras.survey.simulate import SAMPLE  # noqa: PLC0415 - astropy takes a while, and a checkout needs none

    options = {"fields": SAMPLE.fields, "size": SAMPLE.size, "objects": SAMPLE.objects, "seed": SAMPLE.seed}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return Step("make the sample survey", ("simulate", "--out", str(survey), "--bands", ",".join(SAMPLE.bands), *words))


def next_commands(out: Path) -> list[Step]:
    """Return what to try after the demo."""
    return [
        Step("watch the runs", ("tensorboard", "--logdir", str(out))),
        Step(
            "give ImageNet weights the same chance",
            (
                "astrokeras", "finetune", f"{out}/records", "--init", "imagenet", "--resize", "64",
                "--budget", "100", "--mode", "full", "--out", f"{out}/classes-imagenet",
            ),
        ),
        Step(
            "serve the classifier",
            (
                "docker", "run", "-p", "8501:8501", "-v", f"{out.resolve()}/models/classes:/models/classes",
                "-e", "MODEL_NAME=classes", "tensorflow/serving",
            ),
        ),
    ]  # fmt: skip
