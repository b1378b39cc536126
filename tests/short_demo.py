"""Run by `test_demo.py` in a process of its own: the demo, but for how long and how often it trains."""

import dataclasses

from astrokeras import cli, demo
from astrokeras.demo import Step

# What stands later on a command line wins.
LESS = {"pretrain": ("--epochs", "2"), "finetune": ("--repeats", "1")}
FEWER_STEPS = ("--epochs", "1", "--min-steps", "10")


def shorter(step: Step) -> Step:
    """The same command, with less to train."""
    less = LESS.get(step.command[0], ()) + (FEWER_STEPS if "full" in step.command else ())
    return dataclasses.replace(step, command=(*step.command, *less))


if __name__ == "__main__":
    whole = demo.steps
    demo.steps = lambda *options: [shorter(step) for step in whole(*options)]
    cli.main()
