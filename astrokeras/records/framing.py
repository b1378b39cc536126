"""Whether shards are files of whole records, before TensorFlow reads them.

TensorFlow believes the length that stands before a record, and a process that is told of 2^62 bytes ends without a
word. So the lengths are compared with the file first: no pixels are read, only twelve bytes a record, and that once a
process unless the file changes.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.metadata import CONVERT_JSON
from astrokeras.records.tfrecord import offsets

# Of use where the disk is far away: the time goes into waiting for it.
_THREADS = 8
_State = tuple[int, int, int, int]
# By path, as the file was when it was last found whole, and how many records it has.
_whole: dict[str, tuple[_State, int]] = {}


def check_framing(records: RecordsDirectory, split: str) -> None:
    """Make sure that the files of a split consist of as many records as they should have.

    Raises:
        AstrokerasError: a file is damaged, of another length, or gone.
    """
    paths, lengths = records.shards(split), records.shard_lengths(split)
    if sum(lengths) != records.count(split):
        raise AstrokerasError(f"{records.path / CONVERT_JSON} is damaged; convert the survey again")
    with ThreadPoolExecutor(min(_THREADS, max(len(paths), 1))) as threads:
        counts = list(threads.map(_count, paths))
    for path, count, expected in zip(paths, counts, lengths, strict=True):
        if count != expected:
            raise AstrokerasError(f"{path} has {count:,} records, expected {expected:,}; convert the survey again")


def _count(path: str) -> int:
    try:
        status = Path(path).stat()
        state = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if path not in _whole or _whole[path][0] != state:
            _whole[path] = (state, len(offsets(path)))
    except ValueError as error:
        raise AstrokerasError(f"{error}; convert the survey again") from None
    except OSError as error:
        raise AstrokerasError(f"cannot read {path}: {error.strerror}") from None
    return _whole[path][1]
