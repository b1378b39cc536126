"""One plane of a plain file, mapped into memory."""

import io
import math
import mmap

import numpy as np


class MappedPlane:
    """The pixels of one plane, read by the kernel when they are touched, for as long as this is kept.

    Args:
        stream: the open file; it may be closed afterwards.
        offset: of the first pixel, in bytes.
        dtype: of the pixels, byte order included.
        shape: ``(height, width)``.
    """

    def __init__(self, stream: io.FileIO, offset: int, dtype: np.dtype, shape: tuple[int, int]) -> None:
        self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        self.pixels = np.frombuffer(self._map, dtype, math.prod(shape), offset).reshape(shape)
        self._offset, self._released = offset, offset // mmap.PAGESIZE * mmap.PAGESIZE

    def release(self, row: int) -> None:
        """Let go of the rows before this one: they no longer count as memory of this process, but can be read again."""
        end = self._offset + min(max(row, 0), len(self.pixels)) * self.pixels.strides[0]
        end -= end % mmap.PAGESIZE
        if end > self._released:
            self._map.madvise(mmap.MADV_DONTNEED, self._released, end - self._released)
            self._released = end
