"""The comparison as tables: CSV, Markdown, LaTeX."""

import csv
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from astrokeras.config import FinetuneConfig
from astrokeras.evaluation.compare import Comparison, Measure
from astrokeras.evaluation.costs import COSTS, cost_table
from astrokeras.evaluation.fits import DONE
from astrokeras.evaluation.schedule import FEWSHOT, SEARCH
from astrokeras.evaluation.temperature import OUT_OF_FOLD, VALIDATION
from astrokeras.evaluation.words import in_markdown, listed, score_title
from astrokeras.files import write_atomically
from astrokeras.survey.tables import markdown
from astrokeras.text import shortened

_MOST = 120  # characters of a cell
_SHARED = ("arm", "init", "started_from", "backbone", "mode", "budget", "labels")  # of all repeats


def summarise(results: list[dict], measure: Measure) -> list[dict]:
    """Mean and spread over the repeats of each arm and budget.

    The spread is the sample standard deviation (n - 1), NaN of a single repeat. ``gain`` is the paired difference in
    the main score to the first arm, positive where it is better: the same draws of labels, so that what they share
    cancels. Fits that failed count in ``failed`` alone.
    """
    names = [key for key in results[0] if key.startswith(("test_", "val_")) or key.endswith("temperature")]
    origins = [key for key in results[0] if key.endswith("temperature_from")]
    key, done = f"test_{measure.main}", [r for r in results if r["status"] == DONE]
    baseline = {(r["budget"], r["repeat"]): r[key] for r in done if r["arm"] == results[0]["arm"]}
    rows = []
    for arm, budget in dict.fromkeys((r["arm"], r["budget"]) for r in results):
        every = [r for r in results if (r["arm"], r["budget"]) == (arm, budget)]
        mine = [r for r in every if r["status"] == DONE]
        row = {key: every[0][key] for key in _SHARED} | {"mode": modes_of(mine or every), "repeats": len(mine)}
        row["parameters"] = mine[0].get("parameters", "") if mine else ""
        for name in COSTS:
            row |= mean_and_spread(name, [r.get(name, math.nan) for r in mine])
        for name in names:
            row |= mean_and_spread(name, [r[name] for r in mine])
        row |= {name: ", ".join(dict.fromkeys(r.get(name) or "none" for r in mine)) for name in origins}
        pairs = [(r[key], _partner(baseline, r)) for r in mine]
        gains = [measure.sign * (own - other) for own, other in pairs if other is not None]
        reasons = [r["reason"] for r in every if r["status"] != DONE]
        row |= mean_and_spread("gain", gains)
        rows.append(row | {"failed": len(reasons), "reason": reasons[0] if reasons else ""})
    return rows


def modes_of(lines: list[dict]) -> str:
    """Return in which modes some fits were trained, the most frequent first, and how many in each if they differ.

    Example:
        >>> modes_of([{"mode": "frozen"}, {"mode": "full"}, {"mode": "full"}])
        'full (2), frozen (1)'
    """
    counts = Counter(line["mode"] for line in lines)
    return ", ".join(f"{mode} ({count})" if len(counts) > 1 else mode for mode, count in counts.most_common())


def _partner(baseline: dict[tuple[str, int], float], result: dict) -> float | None:
    """Return the score of the first arm on the same draw; None if its fit failed.

    A frozen arm that no seed changes has a single repeat of all labels, which stands for the others.
    """
    one = (result["budget"], 0) if result["budget"] == "all" else None
    return baseline.get((result["budget"], result["repeat"]), baseline.get(one))


def mean_and_spread(name: str, values: list[float]) -> dict[str, float]:
    """Return ``NAME_mean`` and ``NAME_spread``, the deviation (n - 1); NaN where they are undefined."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return {f"{name}_mean": float(np.mean(values)) if values else math.nan, f"{name}_spread": spread}


def cells_of(row: dict, first_arm: str, measure: Measure) -> list[str]:
    """Return a line of the table as people read it; `head_of` is its head."""
    gain = "–" if row["arm"] == first_arm else _pm(row, "gain", sign="+")
    return [
        row["arm"], row["backbone"] or "–", row["mode"], str(row["budget"]), str(row["labels"]),
        *(_pm(row, f"test_{name}") for name in measure.scores), *_calibration(row, measure), gain,
    ]  # fmt: skip


def _calibration(row: dict, measure: Measure) -> list[str]:
    """Return the calibration error, and in brackets that before temperature scaling; of what has none a dash."""
    if not measure.calibration:
        return []
    names = (f"test_{measure.calibration}", f"test_{measure.calibration}_before_mean")
    if f"{names[0]}_mean" not in row or math.isnan(row[names[1]]):
        return ["–"]
    return [f"{_pm(row, names[0])} ({row[names[1]]:.3f})"]


def _pm(row: dict, name: str, sign: str = "") -> str:
    mean, spread = row[f"{name}_mean"], row[f"{name}_spread"]
    if math.isnan(mean):
        return "–"
    return f"{mean:{sign}.3f}" + ("" if math.isnan(spread) else f" ± {spread:.3f}")


def head_of(first_arm: str, measure: Measure) -> list[str]:
    """Return the head of the table."""
    return [
        "arm", "backbone", "mode", "budget", "labels", *(score_title(name) for name in measure.scores),
        *([f"{score_title(measure.calibration)} (before)"] if measure.calibration else []), f"gain over {first_arm}",
    ]  # fmt: skip


def footnote(rows: list[dict], comparison: Comparison, say: Callable[[str, int], str]) -> str:
    """Return what the numbers are, and how far chance alone moves them; `say` makes a name fit for where it stands."""
    exam, measure = comparison.exams[0], comparison.measure
    sentences = [
        f"Mean ± standard deviation over {max(row['repeats'] for row in rows)} draw(s) of the labels, measured on the "
        f"same {exam.count} labelled {exam.split} objects; the gain is the paired difference in "
        f"{score_title(measure.main)}.",
        *_chance(rows, comparison),
    ]
    if measure.calibration:
        whose = "answers as they are kept" if comparison.config.mode == FEWSHOT else "models as they are saved"
        sentences.append(
            "Calibration error: how far probabilities are from the share of right answers, of the "
            f"{whose}, and in brackets before temperature scaling{_fitted_on(rows, measure)}."
        )
    if len({row["backbone"] for row in rows}) > 1:
        sentences.append("Arms differ in their network too (backbone), not only in where it starts from.")
    sentences += how_trained(comparison.config)
    for arm, before in dict.fromkeys((row["arm"], row["started_from"]) for row in rows if row["started_from"]):
        sentences.append(
            f"The training of {say(arm, 100)} went on from {say(before, 200)}: its gain is that of both together."
        )
    if any(row["budget"] == "all" for row in rows):
        sentences.append("Of all labels there is one draw only: its spread is that of random starts, if there is any.")
    for row in rows:
        if row["failed"]:
            number = f"{row['failed']} of {row['failed'] + row['repeats']}"
            sentences.append(
                f"{number} fits of {say(row['arm'], 100)} with {row['budget']} labels failed: {say(row['reason'], 300)}"
            )
    return " ".join(sentences)


_FITTED_ON = {
    VALIDATION: "on validation objects",
    OUT_OF_FOLD: "on labels of each draw that were held out in turn (out of fold), as the validation split has none",
    "none": "not at all where no labels could be held out",
}


def _fitted_on(rows: list[dict], measure: Measure) -> str:
    """Return in words on what the temperatures of the first target were fitted."""
    key = measure.calibration.replace("calibration_error", "temperature_from")
    found = {one for row in rows for one in row.get(key, "").split(", ")}
    told = [words for one, words in _FITTED_ON.items() if one in found]
    return f", which was fitted {' and '.join(told)}" if told else ""


def how_trained(config: FinetuneConfig) -> list[str]:
    """Return in sentences by what the arms were trained as they were."""
    further = (
        [f"Every fit made {config.tune} further trials by Optuna (rate, decay, augmentation, layers)."]
        if config.tune
        else []
    )
    if config.mode == SEARCH:
        return [
            f"Each fit chose how it is trained by {config.trials} trials, as many for every arm, judged by labels of "
            "its own budget that were held out (how many fits chose which mode stands in the table, rate, decay and "
            "statistics in repeats.csv).",
            *further,
        ]
    fixed = f"The mode was fixed for all arms (--mode {config.mode}): another one may favour another arm."
    kept = "Arms of random weights have none to keep and were trained as in full mode."
    if config.mode == FEWSHOT:
        fixed += (
            " It trains no network: features are interpolated among those of all objects, labelled or not, so that the "
            "answers are for the objects of these records only (other ones: astrokeras fewshot)."
        )
    return [fixed, kept, *further] if config.mode == "two-phase" else [fixed, *further]


def _chance(rows: list[dict], comparison: Comparison) -> list[str]:
    """Return a sentence on how far the choice of the test objects moves a balanced accuracy, if that is the score."""
    (name, target), exam = next(iter(comparison.targets.items())), comparison.exams[0]
    if target.main_score != "balanced_accuracy":
        return []
    counts = np.unique(target.strata(exam.fields[name])[target.known(exam.fields[name])], return_counts=True)[1]
    # The recall of each class is binomial, here with the row's own rate, and balanced accuracy is their mean.
    rates = [row[f"test_{comparison.measure.main}_mean"] for row in rows if row["repeats"]]
    errors = [math.sqrt(sum(rate * (1 - rate) / n for n in counts)) / len(counts) for rate in rates]
    return [
        "The spread does not hold the choice of test objects: another test set of this size would move each balanced "
        f"accuracy by about ±{min(errors):.3f} to ±{max(errors):.3f} (binomial)."
    ]


def comparison_table(rows: list[dict], comparison: Comparison) -> str:
    """Return the comparison in Markdown."""
    first, measure = rows[0]["arm"], comparison.measure
    cells = [[in_markdown(cell, _MOST) for cell in line] for line in lines_of(rows, comparison)]
    table = markdown([in_markdown(name, _MOST) for name in head_of(first, measure)], cells)
    return f"{table}\n\n{footnote(rows, comparison, in_markdown)}"


def lines_of(rows: list[dict], comparison: Comparison) -> list[list[str]]:
    """Return the lines of the table as people read it; the last ones are those of simple methods."""
    first, measure = rows[0]["arm"], comparison.measure
    every = [*by_budget(rows), *by_budget(list(comparison.baselines))]
    return [cells_of(row, first, measure) for row in every]


def by_budget(rows: list[dict]) -> list[dict]:
    """Return lines in the order of their numbers of labels."""
    return sorted(rows, key=lambda row: row["labels"])  # stable: arms keep their order


def write_reports(out: Path, rows: list[dict], results: list[dict], comparison: Comparison) -> None:
    """Write ``comparison.csv``, ``.md`` and ``.tex``, and ``repeats.csv`` with a line for each fit.

    Simple methods stand in them behind the arms; in ``comparison.csv`` their mode is ``baseline``.
    """
    config, records, measure = comparison.config, comparison.records, comparison.measure
    write_csv(out / "comparison.csv", [*rows, *comparison.baselines])
    write_csv(out / "repeats.csv", results)
    title, about = f"{records.name}, mode {config.mode}", _about(comparison)
    text = f"# {in_markdown(title, _MOST)}\n\n"
    text += (
        f"Records {in_markdown(config.records, 200)} ({records.fingerprint[:12]}), {in_markdown(about, 2000)}, "
        f"seed {config.seed}.\n\n"
    )
    text += f"{comparison_table(rows, comparison)}\n\n{cost_table(rows)}\n"
    write_atomically(out / "comparison.md", lambda path: path.write_text(text, encoding="utf-8"))
    first = rows[0]["arm"]
    latex = in_latex(head_of(first, measure), lines_of(rows, comparison))
    write_atomically(out / "comparison.tex", lambda path: path.write_text(latex, encoding="utf-8"))


def _about(comparison: Comparison) -> str:
    """Return what is learned: names of targets, and of their classes."""
    parts = []
    for name, target in comparison.targets.items():
        classes = f"{len(target.names)} classes ({listed(target.names)})" if target.names else ""
        parts.append(classes if name == "class" else f"{name}: {classes}" if classes else name)
    further = [name for name in comparison.tasks if name not in comparison.targets]
    return "; ".join(parts) + (f"; beside {', '.join(further)}" if further else "")


def write_csv(path: Path, rows: list[dict]) -> None:
    """Write lines; a column that some of them lack is empty there."""

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(dict.fromkeys(name for row in rows for name in row)))
            writer.writeheader()
            writer.writerows(rows)

    write_atomically(path, write)


def in_latex(head: list[str], rows: list[list[str]]) -> str:
    """Return a table for a paper."""

    def line(cells: list[str]) -> str:
        return " & ".join(map(_tex, cells)) + r" \\"

    body = "\n".join(line(row) for row in rows)
    columns = "l" * 3 + "r" * (len(head) - 3)
    rule = "\\hline"
    return "\n".join([f"\\begin{{tabular}}{{{columns}}}", rule, line(head), rule, body, rule, "\\end{tabular}", ""])


_TEX = str.maketrans(
    {
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "±": r"$\pm$",
        "–": "--",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
    }
)


def _tex(text: str) -> str:
    return shortened(text, 120).translate(_TEX)
