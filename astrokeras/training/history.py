"""How a pre-training goes: its history as a file, as lines, as curves, and in the end as a result."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from astrokeras.files import write_atomically
from astrokeras.tasks.base import Curves, Scores
from astrokeras.training.board import Board
from astrokeras.training.checkpoints.checkpoint import History
from astrokeras.training.trainer import SPEEDS


def write_history(path: Path, history: History) -> None:
    """Write the history as CSV, one row an epoch."""
    names = list(dict.fromkeys(name for row in history for name in row))

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(history)

    write_atomically(path, write)


def head(scores: tuple[str, ...], baselines: dict[str, Scores]) -> list[str]:
    """Return the columns of `line`: the validation scores by name, and under them what the baselines reach."""
    names = _cells("epoch", "loss", "val loss", {name: name for name in scores}, "images/s", "waiting")
    lines = [names]
    for method, values in baselines.items():
        reached = {name: f"{values[name]:.3f}" if name in values else "–" for name in scores}
        lines.append(_cells("", "", method.replace("_", " ").rjust(19), reached, "", ""))
    return lines


def line(row: dict[str, Any], epochs: int, scores: tuple[str, ...]) -> str:
    """Return one epoch for the terminal, to stand under `head`."""
    validation = {name: f"{row[f'val_{name}']:.3f}" if f"val_{name}" in row else "" for name in scores}
    val_loss = f"{row['val_loss']:.4f}" if "val_loss" in row else ""
    speed = f"{row['images_per_second']:.0f}"
    waiting = f"{row['input_wait']:.0%}" if "input_wait" in row else ""
    return _cells(f"{row['epoch']}/{epochs}", f"{row['loss']:.4f}", val_loss, validation, speed, waiting)


def _cells(epoch: str, loss: str, val_loss: str, scores: dict[str, str], speed: str, waiting: str) -> str:
    middle = "".join(f"{value:>{max(8, len(name) + 2)}}" for name, value in scores.items())
    # A baseline's name runs over the two columns of the losses, which it does not have.
    return f"{epoch:>8}{loss:>9}{val_loss:>10}"[-27:] + middle + f"{speed:>10}{waiting:>9}"


def show_epoch(board: Board, row: dict[str, Any], baselines: dict[str, Scores]) -> None:
    """Show the points of one epoch; a baseline is a constant curve in the charts of the validation."""
    values = {name: value for name, value in row.items() if name != "epoch"}
    validation = {k.removeprefix("val_"): v for k, v in values.items() if k.startswith("val_")}
    board.scalars("train", {k: v for k, v in values.items() if not k.startswith("val_")}, row["epoch"])
    board.scalars("validation", validation, row["epoch"])
    for method, scores in baselines.items():
        board.scalars(method.replace("_", "-"), scores, row["epoch"])
    board.flush()


def show_closer(board: Board, looked: dict[str, tuple[Scores, Curves]], epoch: int) -> None:
    """Show what is known of all predictions: scores, and curves over the magnitude instead of the epoch."""
    for method, (scores, curves) in looked.items():
        run = "validation" if method == "val" else method.replace("_", "-")
        if method == "val":  # those of the baselines stand in every epoch
            board.scalars(run, scores, epoch)
        for name, points in curves.items():
            for step, value in points.items():
                board.scalars(run, {f"by magnitude/{name}": value}, step)


def summary(history: History, baselines: dict[str, Scores], kept: int) -> dict[str, Any]:
    """Return what goes into ``run.json``: the scores of the epoch `kept` (from 1), the baselines, the usual pace."""
    row = history[kept - 1]
    validation = {name.removeprefix("val_"): value for name, value in row.items() if name.startswith("val_")}
    # The first epoch of a process includes the tracing of the graph.
    usual = history[1:] or history
    speeds = {name: [row[name] for row in usual if name in row] for name in SPEEDS}
    pace = {name: float(np.median(values)) for name, values in speeds.items() if values}
    return {"val": validation, **baselines, "epochs": len(history), "epoch_kept": kept, **pace}
