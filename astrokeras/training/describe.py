"""A pre-training result as a table."""

from typing import Any

from astrokeras.survey.tables import markdown

_NAMES = {
    "val": "this network",
    "baseline_linear": "linear fit on aperture fluxes",
    "baseline_mean": "always the mean",
    "baseline_median": "always the median",
    "baseline_collapsed": "all in one cluster",
}


def describe(result: dict[str, Any]) -> str:
    """Markdown: the network's validation metrics above those of the baselines on the same objects."""
    measured = [key for key in _NAMES if result.get(key)]
    if not measured:
        return "no validation split: nothing was measured"
    metrics = [name for name in result[measured[0]] if name != "loss"]
    rows = [[_NAMES[key], *(_number(result[key].get(name)) for name in metrics)] for key in measured]
    epochs = "1 epoch" if result["epochs"] == 1 else f"{result['epochs']} epochs"
    speed = f"{epochs}, {result['images_per_second']:.0f} images/s"
    if result.get("input_wait") is not None:
        speed += f", {result['input_wait']:.0%} of the time waiting for input"
    return markdown(["validation split", *metrics], rows) + f"\n\n{speed}; {result['legend']}."


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
