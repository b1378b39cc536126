"""Every target on real data, by linear probes on features that know nothing of it; prints Markdown.

    python benchmarks/targets.py --data DIR --weights FILE [efigi] [kids9]

DIR holds `efigi/` (SDSS colour stamps with Hubble types and attributes) and `kids9/` (nine aligned bands of one field
and a catalogue); FILE is a MobileNetV2 without its top. Votes and coarse labels are made of EFIGI's types, by the rule
that stands here. The commands run as a user would type them, one after the other; what two of them differ by is paired.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score

from astrokeras.evaluation.bootstrap import resample

WEIGHTS = "--init imagenet --imagenet-weights mobilenet_v2.weights.h5"
FROZEN = "--budget 100 --budget 400 --repeats 2 --mode frozen"
FULL = "--init scratch --budget 400 --repeats 4 --mode full --epochs 20 --min-steps 300"

FILES = {
    "types.toml": """galaxy = ["early", "late"]
early = ["elliptical", "lenticular"]
late = ["spiral", "irregular"]
spiral = ["Sa-Sb", "Sbc-Sd"]
""",
    "questions.toml": """[questions.shape]
answers = ["smooth", "disk", "artifact"]

[questions.bar]
answers = ["bar_yes", "bar_no"]
after = "disk"
""",
}
CONVERT = """convert --images 'efigi/stamps/{id}.jpg' --bands i,r,g --catalog efigi.csv --size 88
    --splits train=0.6,val=0.1,test=0.3"""
EFIGI = f"""
{CONVERT} --label morphology --columns T,Bar_Length,Inner_Ring,Perturbation,smooth,disk,artifact,bar_yes,bar_no
    --out efigi/records
finetune efigi/records --target class --target 'ordinal(T)' --target 'votes(tree=questions.toml)'
    --target 'tags(Bar_Length,Inner_Ring,Perturbation,threshold=0.25)' {WEIGHTS} {FROZEN} --out efigi/targets
finetune efigi/records --target 'class(refine=true)' {WEIGHTS} {FROZEN} --out efigi/refined
finetune efigi/records --target class {FULL} --out efigi/alone
finetune efigi/records --target class --target 'ordinal(T)' {FULL} --out efigi/joint
{CONVERT} --label kind --out efigi/kinds
finetune efigi/kinds --target 'hierarchy(label,tree=types.toml)' {WEIGHTS} {FROZEN} --out efigi/hierarchy
export efigi/targets --check --out efigi/served
predict efigi/targets efigi/records --out efigi/answers.parquet
"""
KIDS9 = """
convert --hcompress --images 'data/kids9/{band}.fits' --bands u,g,r,i --catalog data/kids9/catalog.fits
    --zero-point u=0,g=0,r=0,i=0 --columns MAG_AUTO_J,MAG_AUTO_Ks --size 32
    --split-by sky --splits train=0.6,val=0.1,test=0.3 --out kids9/records
pretrain kids9/records --epochs 10 --out kids9/magnitudes
finetune kids9/records --target 'regression(MAG_AUTO_J,MAG_AUTO_Ks,uncertainty=true,unit=mag)' --init scratch
    --init kids9/magnitudes --budget 100 --budget 400 --repeats 2 --mode frozen --out kids9/regression
"""
EXPERIMENTS = {"efigi": EFIGI, "kids9": KIDS9}


def simulated(catalog: pd.DataFrame) -> pd.DataFrame:
    """Return EFIGI with counts of votes, and with labels of different precision.

    From 5 to 39 volunteers each say disk the more often the later the type T is, and artifact in 3 % (10 % of dwarfs);
    those who say disk say bar as often as the bar is long. Of the labels half are early or late, and of the others
    three in ten say galaxy.
    """
    rng = np.random.default_rng(0)
    stage, odd = catalog["T"].to_numpy(), np.where(catalog["T"] == 11, 0.1, 0.03)
    disk = 1 / (1 + np.exp(-(stage + 0.5) / 1.5))
    chances = np.stack([(1 - odd) * (1 - disk), (1 - odd) * disk, odd], axis=1)
    votes = [rng.multinomial(n, p) for n, p in zip(rng.integers(5, 40, len(catalog)), chances, strict=True)]
    found = catalog.assign(**dict(zip(("smooth", "disk", "artifact"), np.transpose(votes), strict=True)))
    found["bar_yes"] = rng.binomial(found["disk"], catalog["Bar_Length"].clip(0, 1))
    found["bar_no"] = found["disk"] - found["bar_yes"]
    spiral = np.where(stage <= 3, "Sa-Sb", "Sbc-Sd")
    fine = np.where(catalog["morphology"] == "spiral", spiral, catalog["morphology"])
    coarse = np.where(catalog["morphology"].isin(["elliptical", "lenticular"]), "early", "late")
    imprecise = np.where(rng.random(len(catalog)) < 0.3, "galaxy", fine)
    return found.assign(kind=np.where(rng.random(len(catalog)) < 0.5, coarse, imprecise))


def prepare(name: str, work: Path) -> None:
    """Put what an experiment needs into the directory in which its commands run."""
    shutil.rmtree(work / name, ignore_errors=True)
    (work / name).mkdir(parents=True)
    for file, text in FILES.items():
        (work / file).write_text(text, encoding="utf-8")
    if name == "efigi":
        with tarfile.open(work / "data" / "efigi" / "stamps.tar") as archive:
            archive.extractall(work / "efigi", filter="data")
        simulated(pd.read_csv(work / "data" / "efigi" / "catalog.csv")).to_csv(work / "efigi.csv", index=False)


def tables(directory: Path) -> str:
    """Return the tables of a comparison, one a target: mean and spread of its scores on the test split.

    Of several numbers each has a table of its own.
    """
    rows = pd.read_csv(directory / "comparison.csv")
    targets = list(json.loads((directory / "run.json").read_text(encoding="utf-8"))["targets"])
    parts = []
    for target in targets:
        prefix = f"test_{target}_" if len(targets) > 1 else "test_"
        scores = [column[:-5] for column in rows.columns if column.startswith(prefix) and column.endswith("_mean")]
        scores = [score for score in scores if "calibration_error" not in score]  # a matter of the temperature
        others = [f"test_{other}_" for other in targets if other.startswith(f"{target}_")]
        names = [score.removeprefix(prefix) for score in scores if not score.startswith(tuple(others))]
        for what, group in _grouped(names).items():
            title = ", ".join(f"`{one}`" for one in (target if len(targets) > 1 else "", what) if one)
            parts.append((f"{title}:\n\n" if title else "") + _table(rows, prefix, group))
    return "\n\n".join(parts)


def _grouped(names: list[str]) -> dict[str, dict[str, str]]:
    """Return scores by the number that they are of, "" for all of them: what they are called in its table, by name."""
    plain = [name for name in names if not any(name.startswith(f"{other}_") for other in names if other != name)]
    found: dict[str, dict[str, str]] = {"": {name: name for name in plain}}
    for name in names:
        if name not in plain:
            score = max((one for one in plain if name.startswith(f"{one}_")), key=len)
            found.setdefault(name.removeprefix(f"{score}_"), {})[name] = score
    few = {name: name for group in found.values() if len(group) < 3 for name in group}  # too few for a table
    return {"": found[""] | few} | {what: group for what, group in found.items() if what and len(group) >= 3}


def _table(rows: pd.DataFrame, prefix: str, names: dict[str, str]) -> str:
    """Return lines of arm, budget and these scores; methods that say nothing of them are left out."""
    head = ["arm", "labels", *(title.replace("_", " ") for title in names.values())]
    lines = [head, ["---"] * len(head)]
    for _, row in rows.iterrows():
        means = [row[f"{prefix}{name}_mean"] for name in names]
        if np.isfinite(means).any():
            spreads = [row[f"{prefix}{name}_spread"] for name in names]
            lines.append([row["arm"], str(row["labels"]), *map(_value, means, spreads)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _value(mean: float, spread: float) -> str:
    if np.isnan(mean):
        return "–"
    return f"{mean:.3f}" if np.isnan(spread) else f"{mean:.3f} ± {spread:.3f}"


# In words what differs, then of both the run with the names of label and answer.
PAIRS = {
    "efigi": (
        ("trained together with T, less alone", ("joint", "class_label", "class_class"), ("alone", "label", "class")),
        (
            "refined labels, less plain ones",
            ("refined", "label", "class"),
            ("targets", "class_label", "class_class"),
        ),
    ),
    "kids9": (),
}


def differences(name: str, work: Path) -> str:
    """Return a table of how much runs with the same draws and test objects differ, with 95 % intervals."""
    lines = [["`class`", "labels", "difference in balanced accuracy [95 % interval]"], ["---"] * 3]
    for words, *sides in PAIRS[name]:
        tables = [pd.read_parquet(work / name / run / "predictions.parquet") for run, _, _ in sides]
        for labels in sorted(set(tables[0]["labels"])):
            told, truths = {}, []
            for number, (table, (_, truth, answer)) in enumerate(zip(tables, sides, strict=True)):
                mine = table[table["labels"] == labels].sort_values(["repeat", "id"])
                repeats = mine["repeat"].nunique()
                told[number] = mine[answer].to_numpy().reshape(repeats, -1)
                truths.append(mine[truth].to_numpy().reshape(repeats, -1)[0])
            if not np.array_equal(*truths):
                raise SystemExit(f"{words}: the runs have other test objects")
            found = resample(
                told, truths[0], balanced_accuracy_score, strata=np.unique(truths[0], return_inverse=True)[1]
            )
            difference = found.difference(0, 1)
            value = f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
            lines.append([words, str(labels), value])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if PAIRS[name] else ""


def run(name: str, work: Path) -> str:
    """Run one experiment; its commands and tables in Markdown."""
    prepare(name, work)
    began, sections = time.perf_counter(), []
    for line in EXPERIMENTS[name].strip().replace("\n    ", " ").splitlines():
        command = shlex.split(line)
        typed = shlex.join(["astrokeras", *command])
        print(f"$ {typed}", file=sys.stderr, flush=True)
        subprocess.run(
            [sys.executable, "-m", "astrokeras", *command], cwd=work, stdout=subprocess.DEVNULL, text=True, check=True
        )
        table = tables(work / command[-1]) if command[0] == "finetune" else ""
        sections.append(f"```\n$ {typed}\n```" + (f"\n\n{table}" if table else ""))
    minutes = (time.perf_counter() - began) / 60
    where = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    stamp = f"Run on {time.strftime('%Y-%m-%d')}, {where}, {minutes:.0f} minutes for all of it."
    return "\n\n".join(filter(None, [stamp, *sections, differences(name, work)]))


def main() -> None:
    """Run what was asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="efigi, kids9; both if none is named")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("targets"), help="directory to run in")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    for name, target in (("data", given.data), ("mobilenet_v2.weights.h5", given.weights)):
        (given.work / name).unlink(missing_ok=True)
        (given.work / name).symlink_to(target.resolve())
    for name in given.experiments or EXPERIMENTS:
        print(run(name, given.work), flush=True)


if __name__ == "__main__":
    main()
