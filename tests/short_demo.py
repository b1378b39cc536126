"""Run by `test_demo_steps.py` in a process of its own: the demo, but for how long and how often it trains."""

import dataclasses

from astrokeras import cli, demo_steps
from astrokeras.demo_steps import Step

LESS = {"pretrain": ("--epochs", "2"), "finetune": ("--repeats", "1")}
FEWER_STEPS = ("--epochs", "1", "--min-steps", "10")


def shorter(step: Step) -> Step:
    """The same command, with less to train."""
    command = list(step.command)
    less = LESS.get(command[0], ()) + (FEWER_STEPS if "full" in command else ())
    for name, value in zip(less[::2], less[1::2], strict=True):
        if name in command:
            command[command.index(name) + 1] = value
        else:
            command += [name, value]
    return dataclasses.replace(step, command=tuple(command))


if __name__ == "__main__":
    whole = demo_steps.steps
    demo_steps.steps = lambda *options: [shorter(step) for step in whole(*options)]
    cli.main()
