"""The command line: gather the commands, run one, and end with the right exit code."""

import io
import sys

import click

from astrokeras import __version__
from astrokeras.commands import commands
from astrokeras.commands.click_command import click_command
from astrokeras.errors import AstrokerasError, Stopped
from astrokeras.terminal import interruptible, report


class _Commands(click.Group):
    """The commands, in the order in which a survey meets them; those of plug-ins after ours."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return names in that order, not sorted."""
        return list(commands())

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the command of this name; None if there is none."""
        return click_command(commands()[name]) if name in commands() else None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="astrokeras")
def cli() -> None:
    """Turn an unlabelled photometric survey into a feature extractor.

    convert a survey's images to TFRecords, pretrain a network on its magnitudes or other tasks without labels,
    finetune it on the few labels there are against ImageNet weights and training from scratch, and export the winner
    for TensorFlow Serving.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted (143 by SIGTERM)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        with interruptible():
            cli.main(args=arguments, prog_name="astrokeras", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        said = io.StringIO()
        error.show(file=said)
        report(said.getvalue().rstrip("\n"))
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        report("interrupted")
        sys.exit(130)
    except Stopped as stop:
        report(str(stop))
        sys.exit(stop.exit_code)
    except Exception as error:
        if "--debug" in arguments:
            raise
        known = isinstance(error, AstrokerasError)
        message = str(error) if known else f"unexpected {type(error).__name__}: {error} (--debug shows where)"
        report("error: " + " ".join(message.split()))
        sys.exit(error.exit_code if known else 1)
    sys.exit(0)
