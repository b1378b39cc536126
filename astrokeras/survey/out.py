"""Where a directory that is renamed into its place may be."""

from pathlib import Path

from astrokeras.errors import UsageError


def check_out_is_not_here(out: str | Path) -> None:
    """Refuse the directory that one is in, and those above it: what replaces it would leave the caller nowhere.

    Raises:
        UsageError: it is one of them.
    """
    if Path.cwd().resolve().is_relative_to(Path(out).resolve()):
        raise UsageError(
            f"--out {out} is the directory you are in, or one above it; the result is put in place as a whole, "
            "so name a new directory, as in --out results"
        )
