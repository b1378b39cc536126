"""The comparison as a table (CSV, Markdown) and as a page with a figure (HTML)."""

import base64
import csv
import html
import io
import math
from collections.abc import Callable
from pathlib import Path
from string import Template

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from astrokeras.evaluation.compare import Comparison, Measure
from astrokeras.evaluation.fits import DONE
from astrokeras.evaluation.words import in_markdown, listed, score_title, shortened
from astrokeras.files import write_atomically
from astrokeras.survey.tables import markdown

_MOST = 120  # characters of a cell
_SHARED = ("arm", "init", "started_from", "backbone", "mode", "budget", "labels")  # of all repeats
_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>astrokeras: $title</title><style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .3rem .8rem; border-bottom: 1px solid #ddd }
td { text-align: right; white-space: nowrap }
td:first-child, td:nth-child(2) { text-align: left } img { max-width: 100% }
</style></head><body>
<h1>Was pre-training worth it?</h1>
<p>$summary</p>
<table><thead><tr>$head</tr></thead><tbody>
$body
</tbody></table>
<img alt="$scores against the number of labels" src="data:image/png;base64,$figure">
<p>$footnote</p>
</body></html>
""")


def summarise(results: list[dict], measure: Measure) -> list[dict]:
    """Mean and spread over the repeats of each arm and budget.

    The spread is the sample standard deviation (n - 1), NaN of a single repeat. ``gain`` is the paired difference in
    the main score to the first arm, positive where it is better: the same draws of labels, so that what they share
    cancels. Fits that failed count in ``failed`` alone.
    """
    names = [key for key in results[0] if key.startswith(("test_", "val_"))]
    key, done = f"test_{measure.main}", [r for r in results if r["status"] == DONE]
    baseline = {(r["budget"], r["repeat"]): r[key] for r in done if r["arm"] == results[0]["arm"]}
    rows = []
    for arm, budget in dict.fromkeys((r["arm"], r["budget"]) for r in results):
        every = [r for r in results if (r["arm"], r["budget"]) == (arm, budget)]
        mine = [r for r in every if r["status"] == DONE]
        row = {key: every[0][key] for key in _SHARED} | {"repeats": len(mine)}
        for name in names:
            row |= _mean_and_spread(name, [r[name] for r in mine])
        pairs = [(r[key], _partner(baseline, r)) for r in mine]
        gains = [measure.sign * (own - other) for own, other in pairs if other is not None]
        reasons = [r["reason"] for r in every if r["status"] != DONE]
        row |= _mean_and_spread("gain", gains)
        rows.append(row | {"failed": len(reasons), "reason": reasons[0] if reasons else ""})
    return rows


def _partner(baseline: dict[tuple[str, int], float], result: dict) -> float | None:
    """Return the score of the first arm on the same draw; None if its fit failed.

    A frozen arm that no seed changes has a single repeat of all labels, which stands for the others.
    """
    one = (result["budget"], 0) if result["budget"] == "all" else None
    return baseline.get((result["budget"], result["repeat"]), baseline.get(one))


def _mean_and_spread(name: str, values: list[float]) -> dict[str, float]:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return {f"{name}_mean": float(np.mean(values)) if values else math.nan, f"{name}_spread": spread}


def _cells(row: dict, first_arm: str, measure: Measure) -> list[str]:
    gain = "–" if row["arm"] == first_arm else _pm(row, "gain", sign="+")
    return [
        row["arm"], row["backbone"], str(row["budget"]), str(row["labels"]),
        *(_pm(row, f"test_{name}") for name in measure.scores), gain,
    ]  # fmt: skip


def _pm(row: dict, name: str, sign: str = "") -> str:
    mean, spread = row[f"{name}_mean"], row[f"{name}_spread"]
    if math.isnan(mean):
        return "–"
    return f"{mean:{sign}.3f}" + ("" if math.isnan(spread) else f" ± {spread:.3f}")


def _head(first_arm: str, measure: Measure) -> list[str]:
    return [
        "arm", "backbone", "budget", "labels", *(score_title(name) for name in measure.scores),
        f"gain over {first_arm}",
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
    if len({row["backbone"] for row in rows}) > 1:
        sentences.append("Arms differ in their network too (backbone), not only in where it starts from.")
    if len({row["mode"] for row in rows}) > 1:
        sentences.append("scratch has no weights to keep and was trained as in full mode, the others in two phases.")
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
    cells = [[in_markdown(cell, _MOST) for cell in _cells(row, first, measure)] for row in _by_budget(rows)]
    table = markdown([in_markdown(name, _MOST) for name in _head(first, measure)], cells)
    return f"{table}\n\n{footnote(rows, comparison, in_markdown)}"


def _by_budget(rows: list[dict]) -> list[dict]:
    return sorted(rows, key=lambda row: row["labels"])  # stable: arms keep their order


def write_reports(out: Path, rows: list[dict], results: list[dict], comparison: Comparison) -> None:
    """Write ``comparison.csv``, ``repeats.csv``, ``comparison.md`` and ``comparison.html``."""
    config, records, measure = comparison.config, comparison.records, comparison.measure
    _write_csv(out / "comparison.csv", rows)
    _write_csv(out / "repeats.csv", results)
    title, about = f"{records.name}, {config.mode}", _about(comparison)
    text = f"# {in_markdown(title, _MOST)}\n\n"
    text += (
        f"Records {in_markdown(config.records, 200)} ({records.fingerprint[:12]}), {in_markdown(about, 2000)}, "
        f"seed {config.seed}.\n\n"
    )
    text += comparison_table(rows, comparison) + "\n"
    write_atomically(out / "comparison.md", lambda path: path.write_text(text, encoding="utf-8"))
    first, short = rows[0]["arm"], shortened(title, _MOST)
    body = "\n".join(f"<tr>{_in_html('td', _cells(row, first, measure))}</tr>" for row in _by_budget(rows))
    shown = _shown(measure)
    page = _PAGE.substitute(
        title=html.escape(short),
        summary=html.escape(f"{short}: {about}, seed {config.seed}."),
        head=_in_html("th", _head(first, measure)),
        body=body,
        scores=html.escape(" and ".join(map(score_title, shown))),
        figure=base64.b64encode(_figure(rows, shown)).decode(),
        footnote=html.escape(footnote(rows, comparison, shortened)),
    )
    write_atomically(out / "comparison.html", lambda path: path.write_text(page, encoding="utf-8"))


def _about(comparison: Comparison) -> str:
    """Return what is learned: names of targets, and of their classes."""
    parts = []
    for name, target in comparison.targets.items():
        classes = f"{len(target.names)} classes ({listed(target.names)})" if target.names else ""
        parts.append(classes if name == "class" else f"{name}: {classes}" if classes else name)
    further = [name for name in comparison.tasks if name not in comparison.targets]
    return "; ".join(parts) + (f"; beside {', '.join(further)}" if further else "")


def _shown(measure: Measure) -> list[str]:
    """Return the scores of the figure: the main one, and the last of the others."""
    return [measure.main, *[name for name in measure.scores if name != measure.main][-1:]]


def _in_html(tag: str, cells: list[str]) -> str:
    return "".join(f"<{tag}>{html.escape(shortened(cell, _MOST))}</{tag}>" for cell in cells)


def _write_csv(path: Path, rows: list[dict]) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    write_atomically(path, write)


def _figure(rows: list[dict], scores: list[str]) -> bytes:
    """Return scores against the number of labels, one line an arm, as PNG."""
    figure = Figure(figsize=(4.5 * len(scores), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(1, len(scores), squeeze=False)[0], scores, strict=True):
        for arm in dict.fromkeys(row["arm"] for row in rows):
            mine = sorted((row for row in rows if row["arm"] == arm), key=lambda row: row["labels"])
            spread = np.nan_to_num([row[f"test_{name}_spread"] for row in mine])
            axes.errorbar(
                [row["labels"] for row in mine], [row[f"test_{name}_mean"] for row in mine], spread,
                marker="o", capsize=3, label=arm,
            )  # fmt: skip
        axes.set(xscale="log", xlabel="labelled training objects", ylabel=score_title(name))
        counts = sorted({row["labels"] for row in rows})
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()
