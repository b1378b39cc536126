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

from astrokeras.config import FinetuneConfig
from astrokeras.evaluation.compare import EvaluationSet
from astrokeras.evaluation.words import in_markdown, listed, shortened
from astrokeras.files import write_atomically
from astrokeras.records.directory import Records
from astrokeras.survey.tables import markdown
from astrokeras.tasks.classification import SCORES as METRICS

_TITLES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1", "auroc": "AUROC"}
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
<img alt="Balanced accuracy and AUROC against the number of labels" src="data:image/png;base64,$figure">
<p>$footnote</p>
</body></html>
""")


def summarise(results: list[dict]) -> list[dict]:
    """Mean and spread over the repeats of each arm and budget.

    The spread is the sample standard deviation (n - 1), NaN of a single repeat. ``gain`` is the paired difference in
    balanced accuracy to the first arm: the same draws of labels, so that what they share cancels.
    """
    baseline = {
        (r["budget"], r["repeat"]): r["test_balanced_accuracy"] for r in results if r["arm"] == results[0]["arm"]
    }
    rows = []
    for arm, budget in dict.fromkeys((r["arm"], r["budget"]) for r in results):
        mine = [r for r in results if (r["arm"], r["budget"]) == (arm, budget)]
        row = {key: mine[0][key] for key in _SHARED} | {"repeats": len(mine)}
        for split in ("test", "val"):
            for name in METRICS:
                if f"{split}_{name}" in mine[0]:
                    row |= _mean_and_spread(f"{split}_{name}", [r[f"{split}_{name}"] for r in mine])
        # A frozen arm that no seed changes has a single repeat of all labels, which stands for the others.
        gains = [
            r["test_balanced_accuracy"] - baseline.get((r["budget"], r["repeat"]), baseline[r["budget"], 0])
            for r in mine
        ]
        rows.append(row | _mean_and_spread("gain", gains))
    return rows


def _mean_and_spread(name: str, values: list[float]) -> dict[str, float]:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return {f"{name}_mean": float(np.mean(values)), f"{name}_spread": spread}


def _cells(row: dict, first_arm: str) -> list[str]:
    gain = "–" if row["arm"] == first_arm else _pm(row, "gain", sign="+")
    return [
        row["arm"], row["backbone"], str(row["budget"]), str(row["labels"]),
        *(_pm(row, f"test_{name}") for name in METRICS), gain,
    ]  # fmt: skip


def _pm(row: dict, name: str, sign: str = "") -> str:
    mean, spread = row[f"{name}_mean"], row[f"{name}_spread"]
    if math.isnan(mean):
        return "–"
    return f"{mean:{sign}.3f}" + ("" if math.isnan(spread) else f" ± {spread:.3f}")


def _head(first_arm: str) -> list[str]:
    return ["arm", "backbone", "budget", "labels", *(_TITLES[name] for name in METRICS), f"gain over {first_arm}"]


def footnote(rows: list[dict], exam: EvaluationSet, say: Callable[[str, int], str]) -> str:
    """Return what the numbers are, and how far chance alone moves them; `say` makes a name fit for where it stands."""
    counts = np.unique(exam.labels, return_counts=True)[1]
    # The recall of each class is binomial, here with the row's own rate, and balanced accuracy is their mean.
    rates = [row["test_balanced_accuracy_mean"] for row in rows]
    errors = [math.sqrt(sum(rate * (1 - rate) / n for n in counts)) / len(counts) for rate in rates]
    sentences = [
        f"Mean ± standard deviation over {max(row['repeats'] for row in rows)} draw(s) of the labels, measured on the "
        f"same {len(exam.labels)} labelled {exam.split} objects; the gain is the paired difference in balanced "
        "accuracy.",
        f"The spread does not hold the choice of test objects: another test set of this size would move each balanced "
        f"accuracy by about ±{min(errors):.3f} to ±{max(errors):.3f} (binomial).",
    ]
    if len({row["backbone"] for row in rows}) > 1:
        sentences.append("Arms differ in their network too (backbone), not only in where it starts from.")
    if len({row["mode"] for row in rows}) > 1:
        sentences.append("scratch has no weights to keep and was trained as in full mode, the others in two phases.")
    for arm, before in dict.fromkeys((row["arm"], row["started_from"]) for row in rows if row["started_from"]):
        sentences.append(
            f"The pre-training of {say(arm, 100)} went on from {say(before, 200)}: its gain is that of both together."
        )
    if any(row["budget"] == "all" for row in rows):
        sentences.append("Of all labels there is one draw only: its spread is that of random starts, if there is any.")
    return " ".join(sentences)


def comparison_table(rows: list[dict], exam: EvaluationSet) -> str:
    """Return the comparison in Markdown."""
    first = rows[0]["arm"]
    cells = [[in_markdown(cell, _MOST) for cell in _cells(row, first)] for row in _by_budget(rows)]
    table = markdown([in_markdown(name, _MOST) for name in _head(first)], cells)
    return f"{table}\n\n{footnote(rows, exam, in_markdown)}"


def _by_budget(rows: list[dict]) -> list[dict]:
    return sorted(rows, key=lambda row: row["labels"])  # stable: arms keep their order


def write_reports(
    out: Path, rows: list[dict], results: list[dict], exam: EvaluationSet, config: FinetuneConfig, records: Records
) -> None:
    """Write ``comparison.csv``, ``repeats.csv``, ``comparison.md`` and ``comparison.html``."""
    _write_csv(out / "comparison.csv", rows)
    _write_csv(out / "repeats.csv", results)
    title = f"{records.name}, {config.mode}"
    text = f"# {in_markdown(title, _MOST)}\n\n"
    text += (
        f"Records {in_markdown(config.records, 200)} ({records.fingerprint[:12]}), {len(records.classes)} classes "
        f"({in_markdown(listed(records.classes), 2000)}), seed {config.seed}.\n\n"
    )
    text += comparison_table(rows, exam) + "\n"
    write_atomically(out / "comparison.md", lambda path: path.write_text(text, encoding="utf-8"))
    first, short = rows[0]["arm"], shortened(title, _MOST)
    body = "\n".join(f"<tr>{_in_html('td', _cells(row, first))}</tr>" for row in _by_budget(rows))
    page = _PAGE.substitute(
        title=html.escape(short),
        summary=html.escape(
            f"{short}: {len(records.classes)} classes ({listed(records.classes)}), seed {config.seed}."
        ),
        head=_in_html("th", _head(first)),
        body=body,
        figure=base64.b64encode(_figure(rows)).decode(),
        footnote=html.escape(footnote(rows, exam, shortened)),
    )
    write_atomically(out / "comparison.html", lambda path: path.write_text(page, encoding="utf-8"))


def _in_html(tag: str, cells: list[str]) -> str:
    return "".join(f"<{tag}>{html.escape(shortened(cell, _MOST))}</{tag}>" for cell in cells)


def _write_csv(path: Path, rows: list[dict]) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    write_atomically(path, write)


def _figure(rows: list[dict]) -> bytes:
    """Balanced accuracy and AUROC against the number of labels, one line an arm, as PNG."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(1, 2), ("balanced_accuracy", "auroc"), strict=True):
        for arm in dict.fromkeys(row["arm"] for row in rows):
            mine = sorted((row for row in rows if row["arm"] == arm), key=lambda row: row["labels"])
            spread = np.nan_to_num([row[f"test_{name}_spread"] for row in mine])
            axes.errorbar(
                [row["labels"] for row in mine], [row[f"test_{name}_mean"] for row in mine], spread,
                marker="o", capsize=3, label=arm,
            )  # fmt: skip
        axes.set(xscale="log", xlabel="labelled training objects", ylabel=_TITLES[name])
        counts = sorted({row["labels"] for row in rows})
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()
