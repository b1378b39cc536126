"""What a command is: one description, from which the command line and the function of the package are made."""

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol


class Console(Protocol):
    """Where a command says what it does."""

    def report(self, line: str) -> None:
        """Say one line."""

    def progress(self, label: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Show how far some work is, see `astrokeras.progress.Progress`."""


@dataclasses.dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: how it is called, on the command line and in Python.
        help: the first line is the summary.
        config: the dataclass of its options, whose fields are made by `astrokeras.config.option`.
        run: does the work; what it needs is imported when it is called, so that ``--help`` stays quick.
        text: the result as people read it, from the options and the result.
        opened: the result as Python has it, from the same; the result itself if None.
        keras: whether Keras has to be imported first, with any backend or with TensorFlow.
        json: whether ``--json`` prints the whole result.
        prints: whether `run` writes to stdout itself; what libraries print while the others work goes to stderr.
        order: where the help lists it, smaller numbers first; those of equal numbers by name.
        example: a line of Python that calls the function.
        presets: options whose value decides the defaults of others, with the function that tells them.

    Example:
        >>> import dataclasses
        >>> from astrokeras.config import option
        >>> @dataclasses.dataclass(frozen=True)
        ... class GreetConfig:
        ...     name: str = option(help="Whom to greet.", group="Input", argument=True)
        >>> greet = Command("greet", "Say hello.", GreetConfig, lambda config, console: f"hello {config.name}")
        >>> greet.run(GreetConfig("you"), None)
        'hello you'
    """

    name: str
    help: str
    config: type
    run: Callable[[Any, Console], Any]
    text: Callable[[Any, Any], str] = lambda config, result: str(result or "")
    opened: Callable[[Any, Any], Any] | None = None
    keras: Literal["", "any", "tensorflow"] = ""
    json: bool = False
    prints: bool = False
    order: int = 1000
    example: str = ""
    presets: Mapping[str, Callable[[str], Mapping[str, Any]]] = dataclasses.field(default_factory=dict)
