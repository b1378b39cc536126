"""Tasks by name, each known once its module is imported here."""

from astrokeras.pretext import magnitudes
from astrokeras.pretext.base import TASKS, Task

MODULES = (magnitudes,)


def get_task(name: str) -> type[Task]:
    """The task of this name.

    Raises:
        UsageError: there is none; the message lists the close ones.
    """
    return TASKS.get(name)
