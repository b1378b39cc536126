"""What TensorBoard's HParams table needs, in which the fits can be sorted and compared.

TensorBoard averages trials of one name, in whatever run directories below its log directory they lie, and takes the
columns and what may stand in them from one declaration that it finds, wherever that lies, hiding what does not fit.
So there is no declaration (it then looks at all trials and all scalars), and the trials have no name of ours: they are
called by their place below the log directory, which no other has.
"""

from astrokeras.evaluation.arms import Arm
from astrokeras.evaluation.fitting import FineTuneResult
from astrokeras.training.board import Board


def write_trial(board: Board, place: str, arm: Arm, outcome: FineTuneResult) -> None:
    """Say which row of the table the scalars of the run `place` belong to."""
    values = {
        "arm": arm.name,
        "backbone": arm.backbone,
        "budget": outcome.draw.budget,
        "labels": outcome.draw.count,  # a number, by which budgets are in order
        "repeat": outcome.draw.repeat,
        "mode": outcome.schedule.mode,
        "learning_rate": outcome.schedule.learning_rate if outcome.schedule.trains else 0.0,
        "weight_decay": outcome.schedule.weight_decay if outcome.schedule.trains else 0.0,
        "statistics": outcome.schedule.statistics,
    }
    board.trial(place, values)
