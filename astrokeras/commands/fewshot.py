"""``astrokeras fewshot``."""

from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import FewshotConfig


def _run(config: FewshotConfig, console: Console) -> dict[str, Any]:
    from astrokeras.embedding.fewshot import fewshot  # noqa: PLC0415

    return fewshot(config, console.report)


def _text(_: FewshotConfig, result: dict[str, Any]) -> str:
    from astrokeras.survey.tables import markdown  # noqa: PLC0415
    from astrokeras.tasks.few_labels import METHODS  # noqa: PLC0415

    said = f"{result['out']}: by {METHODS[result['method']]}, from {sum(result['labels'].values())} labels"
    if not result["scores"]:
        return f"{said}; no labels are held out, so that nothing is known of how good they are"
    names = list(next(iter(result["scores"].values())))
    rows = [[METHODS[method], *(f"{found[name]:.3f}" for name in names)] for method, found in result["scores"].items()]
    head = [f"{result['held_out']} labels held out", *(name.replace("_", " ") for name in names)]
    return f"{said}\n\n{markdown(head, rows)}"


def _opened(config: FewshotConfig, _: dict[str, Any]) -> Any:
    from astrokeras.survey.tables import read_table  # noqa: PLC0415

    return read_table(config.out, text_columns=("id",))


FEWSHOT = Command(
    "fewshot",
    "Classify all objects from a handful of labels, by their embeddings alone.",
    FewshotConfig,
    _run,
    text=_text,
    opened=_opened,
    json=True,
    example='astrokeras.fewshot("embeddings.parquet", labels="labels.csv", out="classes.parquet")',
    order=130,
)
