"""Repeat recipes and write what came of them into docs/results.md.

    python benchmarks/recipes.py NAME [NAME …] --data DIR --out DIR [--weights FILE] [--jobs N] [--write]

`--out` gets a directory for each recipe; stages that were done there before are left, so that the tables can be made
anew in seconds. Printed for each comparison: its command, the first words of its page, and by arm and number of labels
the score of `comparison.csv` with its spread over the draws and the paired difference of `differences.csv` to
ImageNet's weights (the best arm of them), or to training from scratch without them, with its 95 % interval. Arms that
differ by their seed alone (NAME-0, NAME-1, …) are one line: the mean over the seeds with the lowest and the highest,
then differences of these means. `--write` puts this between the marks in docs/results.md.
"""

import argparse
import html
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from real_data import write

from astrokeras.evaluation.bootstrap import Interval, resample_recalls
from astrokeras.repeat_recipe import read_recipe
from astrokeras.training.imagenet import is_imagenet

SCORE = "test_balanced_accuracy"
# Groups of arms of which each pair gets a line of its own.
_FEW = 4


def table(directory: Path) -> str:
    """Return the scores of a comparison, an arm in each line, as Markdown."""
    rows = pd.read_csv(directory / "comparison.csv")
    leads = pd.read_csv(directory / "differences.csv")
    arms = list(dict.fromkeys(leads["arm"]) | dict.fromkeys(leads["other"]))
    arms = [arm for arm in dict.fromkeys(rows["arm"]) if arm in arms]
    inits = dict(zip(rows["arm"], rows["init"], strict=True))
    general = [arm for arm in arms if is_imagenet(inits[arm])] or ["scratch"]
    means = rows.groupby("arm")[f"{SCORE}_mean"].mean()
    other = max(general, key=lambda arm: means[arm])
    counts = sorted(set(leads["labels"]))
    lines = [["arm", *(f"{count} labels" for count in counts)], ["---"] * (1 + len(counts))]
    lines += [[arm.replace("|", "\\|"), *(_cell(rows, leads, arm, other, count) for count in counts)] for arm in arms]
    note = (
        f"Balanced accuracy, mean ± standard deviation over {rows['repeats'].max():.0f} draws of the labels; then the "
        f"difference to {other} with its 95 % interval over test objects and draws."
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{note}"


def _cell(rows: pd.DataFrame, leads: pd.DataFrame, arm: str, other: str, count: int) -> str:
    row = rows[(rows["arm"] == arm) & (rows["labels"] == count)].iloc[0]
    mean, spread = row[f"{SCORE}_mean"], row[f"{SCORE}_spread"]
    cell = f"{mean:.3f}" if pd.isna(spread) else f"{mean:.3f} ± {spread:.3f}"
    of_count = leads[leads["labels"] == count]
    for sign, found in (
        (1, of_count[(of_count["arm"] == arm) & (of_count["other"] == other)]),
        (-1, of_count[(of_count["arm"] == other) & (of_count["other"] == arm)]),
    ):
        for _, lead in found.iterrows():
            low, high = sorted((sign * lead["low"], sign * lead["high"]))
            cell += f", {sign * lead['difference']:+.3f} [{low:+.3f}, {high:+.3f}]"
    return cell


def seeds(directory: Path) -> str:
    """Return the scores of tasks that were pre-trained with several seeds, and their differences, as Markdown.

    Nothing of a comparison that has none.
    """
    frame = pd.read_parquet(directory / "predictions.parquet")
    groups: dict[str, list[str]] = {}
    for arm in frame["arm"].unique():
        groups.setdefault(re.sub(r"-\d+$", "", arm), []).append(arm)
    if all(len(arms) == 1 for arms in groups.values()):
        return ""
    counts = sorted(frame["labels"].unique())
    floor = next(iter(groups))
    resampled, single = {}, {}
    for count in counts:
        of_count = frame[frame["labels"] == count]
        by_arm, labels = _hits(of_count[of_count["budget"] == of_count["budget"].iloc[0]])
        hits = {name: np.mean([by_arm[arm] for arm in arms], axis=0) for name, arms in groups.items()}
        resampled[count] = resample_recalls(hits, labels)
        single[count] = resample_recalls(by_arm, labels, samples=1).values
    lines = [["arm", *(f"{count} labels" for count in counts)], ["---"] * (1 + len(counts))]
    for name, arms in groups.items():
        cells = []
        for count in counts:
            cells.append(f"{resampled[count].values[name]:.3f}")
            if len(arms) > 1:
                each = [single[count][arm] for arm in arms]
                cells[-1] += f" ({min(each):.3f} to {max(each):.3f})"
            if len(groups) > _FEW and name != floor:
                cells[-1] += f", {_told(resampled[count].difference(name, floor))}"
        lines.append([f"{name} ({len(arms)} seeds)" if len(arms) > 1 else name, *cells])
    by_score = sorted(groups, key=lambda name: -sum(found.values[name] for found in resampled.values()))
    if len(groups) > _FEW:  # what one seed says is told against the floor alone
        by_score = [name for name in by_score if len(groups[name]) > 1]
    for one, other in itertools.combinations(by_score, 2):
        lines.append([f"{one} above {other}", *(_told(resampled[n].difference(one, other)) for n in counts)])
    note = (
        f"Balanced accuracy, mean over {frame['repeat'].nunique()} draws of the labels and all seeds of the "
        f"pre-training (in parentheses the lowest and the highest seed), on {frame['id'].nunique()} test objects; then "
        f"the differences of these means{f' to {floor}' if len(groups) > _FEW else ''} with their 95 % intervals over "
        "test objects and draws."
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{note}"


def _told(found: Interval) -> str:
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def _hits(frame: pd.DataFrame) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return whether each repeat is right for each test object, [R, N] by arm, and the objects' classes, [N]."""
    right = frame.assign(right=frame["class"] == frame["label"])
    by_arm = {
        arm: rows.pivot(index="repeat", columns="id", values="right").to_numpy(float)
        for arm, rows in right.groupby("arm", sort=False)
    }
    most = max(map(len, by_arm.values()))  # where all labels are taken some arms have one fit
    by_arm = {arm: np.broadcast_to(hits, (most, hits.shape[1])) for arm, hits in by_arm.items()}
    return by_arm, frame.groupby("id")["label"].first().to_numpy(str)


def chosen(directory: Path) -> str:
    """Return how often the fits of each arm chose which mode; nothing of a comparison in a fixed one."""
    if not (directory / "repeats.csv").is_file():
        return ""
    rows = pd.read_csv(directory / "repeats.csv")
    config = json.loads((directory / "run.json").read_text(encoding="utf-8"))["options"]
    if config["mode"] != "search":
        return ""
    told = [
        f"{arm}: {', '.join(f'{mode} {count}×' for mode, count in of_arm['mode'].value_counts().items())}"
        for arm, of_arm in rows.groupby("arm", sort=False)
    ]
    return f"What the fits chose: {'; '.join(told)}."


def section(name: str, out: Path) -> str:
    """Return the results of a recipe that is done."""
    recipe = read_recipe(name)
    parts = [f"`astrokeras recipe {name} --data DIR --out DIR` ({recipe.needs.get('time', '')})"]
    commands: list[str] = []
    alike: dict[str, list[str]] = {}
    for stage in recipe.stages:
        alike.setdefault(re.sub(r"-\d+$", "", stage), []).append(stage)
    for stage, command in recipe.stages.items():
        first, *others = alike[re.sub(r"-\d+$", "", stage)]
        if stage == first:
            seeds_too = f"   # and so for {', '.join(others)}" if others else ""
            commands.append(f"$ astrokeras {command}{seeds_too}")
        if command.startswith("finetune"):
            parts.append("\n".join(["```", *commands, "```"]))
            commands.clear()
            page = (out / stage / "comparison.html").read_text(encoding="utf-8")
            said = html.unescape(re.search(r'<p class="verdict">(.*?)</p>', page, re.DOTALL)[1])
            parts += [f"> {said}", seeds(out / stage) or table(out / stage), chosen(out / stage)]
    told = "\n\n".join(filter(None, parts)).split("\n\n")
    # What holds for several tables is said below the last.
    return "\n\n".join(part for i, part in enumerate(told) if part not in told[i + 1 :])


def main() -> None:
    """Repeat what was asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME", help="of a recipe")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", help="file of ImageNet's MobileNetV2 without its top")
    parser.add_argument("--jobs", default="1", help="stages that run beside each other")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    given = parser.parse_args()
    for name in given.names:
        weights = ["--imagenet-weights", given.weights] if given.weights else []
        words = [
            "recipe",
            name,
            "--data",
            str(given.data),
            "--out",
            str(given.out / name),
            "--jobs",
            given.jobs,
            *weights,
        ]
        code = subprocess.run([sys.executable, "-m", "astrokeras", *words], check=False).returncode
        text = section(name, given.out / name)
        print(text, flush=True)
        if code:
            raise SystemExit(code)  # a score is not as the recipe says: nothing is written
        if given.write:
            write(f"recipe {name}", text)


if __name__ == "__main__":
    main()
