"""Networks from scratch on equal terms, and what is added to `compact`; prints Markdown for docs/results.md.

    python benchmarks/backbones.py --data DIR [kids9] [efigi] [--write]

DIR holds `kids9/` (nine aligned bands of one field and a catalogue) and `efigi/` (SDSS stamps with Hubble types).
Records are made if they are not there; what is whole of a comparison is not done again. All networks are trained from
scratch by one schedule (`--mode full` at the default rate), on the same draws of labels and the same test objects. The
variants of `compact` are in `compact_variants.py`. Differences to `compact` are paired, with 95 % intervals over test
objects and draws. Seconds of a fit, and images a second, are those of their moment; the time a stamp is in parts of
that of `compact`, measured in turns, without training.
"""

import argparse
import os
import platform
import shlex
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from real_data import write
from sklearn.metrics import balanced_accuracy_score

from astrokeras.evaluation.bootstrap import resample
from astrokeras.registration import PLUGINS
from astrokeras.survey.tables import markdown

VARIANTS = Path(__file__).with_name("compact_variants.py")
OTHERS = {"kids9": ("mobilenet_v2", "mobilenet_v3_small"), "efigi": ("mobilenet_v3_small",)}
CHANGED = ("compact_dropout", "compact_dct", "compact_inhibited", "compact_attention")
AUGMENTED = {
    "kids9": {"shifted": "dihedral|shift(2)", "static": "static(8)", "plain": "none"},
    "efigi": {"shifted": "dihedral|shift(2)", "static": "static(8)"},
}

RECORDS = {
    "kids9": """convert --hcompress --images 'data/kids9/{band}.fits' --bands u,g,r,i,Z,Y,J,H,Ks
        --catalog data/kids9/catalog.fits --zero-point u=0,g=0,r=0,i=0,Z=30,Y=30,J=30,H=30,Ks=30 --label LABEL_SG
        --size 32 --split-by sky --splits train=0.6,val=0.1,test=0.3 --out kids9/records""",
    "efigi": """convert --images 'efigi/stamps/{id}.jpg' --bands i,r,g --catalog data/efigi/catalog.csv
        --label morphology --size 88 --splits train=0.6,val=0.1,test=0.3 --out efigi/records""",
}
TERMS = {
    "kids9": "--budget 100 --repeats 4 --mode full",
    "efigi": "--budget 200 --repeats 3 --mode full --resize 48",
}
SHAPES = {"kids9": (32, 32, 9), "efigi": (48, 48, 3)}
STAMPS, TURNS = 256, 9
WORDS = {
    "shifted": "compact, shifted by up to 2 px too",
    "static": "compact, the same in 8 versions made once",
    "plain": "compact, stamps as they are",
}


def commands(name: str) -> dict[str, list[str]]:
    """Return the commands of an experiment by the directory that they make."""
    networks = "".join(f" --backbone {network}" for network in ("compact", *CHANGED, *OTHERS[name]))
    lines = {"records": RECORDS[name], "networks": f"finetune {name}/records{networks} {TERMS[name]}"}
    for run, chain in AUGMENTED[name].items():
        lines[run] = f"finetune {name}/records --backbone compact {TERMS[name]} --augment '{chain}'"
    return {
        run: [*shlex.split(line), *([] if run == "records" else ["--out", f"{name}/{run}", "--resume"])]
        for run, line in lines.items()
    }


def perform(name: str, work: Path) -> None:
    """Run the commands of an experiment as a user would type them, those that have not been run."""
    if name == "efigi" and not (work / name / "stamps").is_dir():
        with tarfile.open(work / "data" / name / "stamps.tar") as archive:
            archive.extractall(work / name, filter="data")
    for run, command in commands(name).items():
        if run == "records" and (work / name / run).is_dir():
            continue
        print(f"$ {shlex.join(['astrokeras', *command])}", file=sys.stderr, flush=True)
        environment = {**os.environ, PLUGINS: str(VARIANTS)}
        subprocess.run([sys.executable, "-m", "astrokeras", *command], cwd=work, check=True, env=environment, stdout=2)


class Fits:
    """The fits of an experiment by network and number of labels; networks of other augmentations are called by them."""

    def __init__(self, directory: Path) -> None:
        self.lines: dict[str, pd.DataFrame] = {}
        self.answers: dict[str, pd.DataFrame] = {}
        for run in ("networks", *(run for run in WORDS if (directory / run).is_dir())):
            repeats = pd.read_csv(directory / run / "repeats.csv")
            predictions = pd.read_parquet(directory / run / "predictions.parquet")
            for arm, mine in repeats.groupby("arm", sort=False):
                network = WORDS.get(run, mine["backbone"].iloc[0])
                self.lines[network], self.answers[network] = mine, predictions[predictions["arm"] == arm]

    def told(self, network: str, labels: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the answers [R, N] of a network, and the labels [N] of the test objects in the order of their ids."""
        table = self.answers[network]
        table = table[table["labels"] == labels].sort_values(["repeat", "id"])
        repeats = table["repeat"].nunique()
        return table["class"].to_numpy().reshape(repeats, -1), table["label"].to_numpy().reshape(repeats, -1)[0]

    def difference(self, network: str, labels: int) -> str:
        """Return the score of a network with so many labels, and its paired difference to `compact`."""
        lines = self.lines[network]
        mean = lines.loc[lines["labels"] == labels, "test_balanced_accuracy"].mean()
        if network == "compact":
            return f"{mean:.3f}"
        (mine, truth), (reference, same) = self.told(network, labels), self.told("compact", labels)
        if not np.array_equal(truth, same):
            raise SystemExit(f"{network} was measured on other test objects than compact")
        strata = np.unique(truth, return_inverse=True)[1]
        found = resample({0: mine, 1: reference}, truth, balanced_accuracy_score, strata=strata).difference(0, 1)
        return f"{mean:.3f}, {found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def times(networks: list[str], shape: tuple[int, int, int]) -> dict[str, float]:
    """Return how long each network looks at a stamp, in parts of the time of the first: the median over turns."""
    import keras  # noqa: PLC0415

    os.environ[PLUGINS] = str(VARIANTS)
    from astrokeras.models.adapter import ChannelAdapter  # noqa: PLC0415
    from astrokeras.models.backbone import build_backbone, needs_three_channels  # noqa: PLC0415

    stamps = np.random.default_rng(0).random((STAMPS, *shape), np.float32)
    models, taken = {}, {network: [] for network in networks}
    for network in networks:
        flux = x = keras.Input(shape)
        if needs_three_channels(network):
            x = ChannelAdapter()(flux)
        models[network] = keras.Model(flux, build_backbone(network, tuple(x.shape[1:]), None)(x))
        models[network].predict_on_batch(stamps)
    for _ in range(TURNS):
        for network, model in models.items():
            began = time.perf_counter()
            model.predict_on_batch(stamps)
            taken[network].append(time.perf_counter() - began)
    first = np.array(taken[networks[0]])
    return {network: float(np.median(np.array(each) / first)) for network, each in taken.items()}


def table(name: str, directory: Path) -> str:
    """Return the table of an experiment in Markdown."""
    fits = Fits(directory)
    slow = times(["compact", *CHANGED, *OTHERS[name]], SHAPES[name])
    budgets = sorted(fits.lines["compact"]["labels"].unique())
    most = {network: lines[lines["labels"] == budgets[-1]] for network, lines in fits.lines.items()}
    rows = []
    for network, lines in most.items():
        costs = [f"{slow[network]:.2f}" if network in slow else "–"]
        costs += [f"{lines[cost].mean():.0f}" for cost in ("seconds", "images_per_second")]
        scores = [fits.difference(network, labels) for labels in budgets]
        rows.append([network, f"{int(lines['parameters'].iloc[0]):,}", *costs, *scores])
    head = ["network", "parameters", "time a stamp", "seconds a fit", "images a second"]
    return markdown([*head, *(f"{labels} labels" for labels in budgets)], rows)


def section(name: str, work: Path) -> str:
    """Return the commands of an experiment and its table."""
    told = [shlex.join(["astrokeras", *command]) for command in commands(name).values()]
    lines = "\n".join(f"$ {line.replace(' --resume', '')}" for line in told)
    where = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    return f"Run on {time.strftime('%Y-%m-%d')}, {where}.\n\n```\n{lines}\n```\n\n{table(name, work / name)}"


def main() -> None:
    """Run what was asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="kids9, efigi; both if none is named")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/backbones"), help="directory to run in")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    given = parser.parse_args()
    for name in given.experiments or RECORDS:
        (given.work / name).mkdir(parents=True, exist_ok=True)
        (given.work / "data").unlink(missing_ok=True)
        (given.work / "data").symlink_to(given.data.resolve())
        perform(name, given.work)
        text = section(name, given.work)
        print(text, flush=True)
        if given.write:
            write(f"backbones {name}", text)


if __name__ == "__main__":
    main()
