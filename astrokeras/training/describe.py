"""A pre-training result as tables."""

from typing import Any

from astrokeras.survey.tables import markdown

_NAMES = {
    "val": "this network",
    "baseline_linear": "linear fit on aperture fluxes",
    "baseline_mean": "always the mean",
    "baseline_median": "always the median",
    "baseline_collapsed": "all in one cluster",
}
_RESIDUALS = {"mae": "mean error", "bias": "bias", "nmad": "NMAD"}
_SHORT = {"val": "", "baseline_linear": "linear fit: "}
_BETTER = "*"


def describe_scores(result: dict[str, Any]) -> str:
    """Return Markdown: the network's validation metrics above those of the baselines on the same objects.

    Where a baseline is better it is marked, and named below. Where the bias and the scatter of predicted magnitudes are
    known, a second table has them by band.
    """
    measured = [key for key in _NAMES if result.get(key)]
    if not measured:
        return "no validation split: nothing was measured"
    closer = _closer(result)
    metrics = [name for name in result[measured[0]] if name != "loss" and name not in closer]
    rows = [[_NAMES[key], *(_cell(result, key, name) for name in metrics)] for key in measured]
    parts = [markdown(["validation split", *metrics], rows)]
    if closer:
        parts.append(_by_band(result, [key for key in ("val", "baseline_linear") if result.get(key)]))
    for key, names in result.get("beaten_by", {}).items():
        parts.append(f"{_BETTER} better than this network: {_NAMES[key]}, in {', '.join(names)}.")
    epochs = "1 epoch" if result["epochs"] == 1 else f"{result['epochs']} epochs"
    speed = f"{epochs}, {result['images_per_second']:.0f} images/s"
    if result.get("input_wait") is not None:
        speed += f", {result['input_wait']:.0%} of the time waiting for input"
    return "\n\n".join([*parts, f"{speed}; {result['legend']}."])


def _closer(result: dict[str, Any]) -> list[str]:
    """Return the names of scores of which the second table is made, but for the mean error."""
    prefix = _prefix(result)
    return [n for n in result["val"] if prefix is not None and n.startswith((f"{prefix}bias", f"{prefix}nmad"))]


def _prefix(result: dict[str, Any]) -> str | None:
    """Return what stands before the names of the residuals' scores: the task's name, if there are several."""
    return next((name.removesuffix("bias") for name in result["val"] if name.endswith("bias")), None)


def _by_band(result: dict[str, Any], methods: list[str]) -> str:
    prefix = _prefix(result)
    every = f"{prefix}mae"
    suffixes = [name.removeprefix(every) for name in result["val"] if name == every or name.startswith(f"{every}_")]
    head = ["band", *(_SHORT[key] + words for key in methods for words in _RESIDUALS.values())]
    rows = [
        [
            suffix.removeprefix("_") or "all",
            *(_cell(result, key, f"{prefix}{name}{suffix}") for key in methods for name in _RESIDUALS),
        ]
        for suffix in suffixes
    ]
    return markdown(head, rows)


def _cell(result: dict[str, Any], key: str, name: str) -> str:
    value = result[key].get(name)
    mark = f" {_BETTER}" if name in result.get("beaten_by", {}).get(key, ()) else ""
    return "–" if value is None else f"{value:.3f}{mark}"
