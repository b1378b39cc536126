"""Keep back what libraries say of themselves."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from astrokeras.errors import AstrokerasError


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Hold back what libraries write to file descriptor 2, past `sys.stderr`; it is shown if the block fails.

    Not where somebody ended it, nor with the package's own errors, which say it all in a line.
    """
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            yield
        except Exception as error:
            if not isinstance(error, AstrokerasError):
                chatter.seek(0)
                os.write(real, chatter.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)
