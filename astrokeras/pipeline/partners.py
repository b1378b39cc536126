"""Which stamps show the same object: for each stamp another one of its group."""

import numpy as np


class Partners:
    """Rows in groups, in memory: three numbers a row.

    Args:
        codes: rows with the same one are a group, integers [N].
    """

    def __init__(self, codes: np.ndarray) -> None:
        # The rows group by group; where each row stands there, where its group begins, and how large that is.
        self.order = np.argsort(codes, kind="stable")
        self.place = np.empty(len(codes), np.int64)
        self.place[self.order] = np.arange(len(codes))
        _, member_of, self.counts = np.unique(codes, return_inverse=True, return_counts=True)
        self.first = (np.cumsum(self.counts) - self.counts)[member_of]
        self.counts = self.counts[member_of]

    def partners(self, rows: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return for each row another of its group, each as likely as the others; the row itself where it is alone.

        Shapes:
            rows [n], draws [n], uniform in [0, 1) -> [n] int64
        """
        count, first = self.counts[rows], self.first[rows]
        further = 1 + np.minimum((draws * (count - 1)).astype(np.int64), np.maximum(count - 2, 0))
        return self.order[first + (self.place[rows] - first + further) % count]
