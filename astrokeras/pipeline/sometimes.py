"""An augmentation of some of the stamps."""

from keras import KerasTensor, ops

from astrokeras.pipeline.augment import Chain


class Sometimes(Chain):
    """A chain that changes a share of the stamps and leaves the others as they are.

    Args:
        chain: what changes them.
        share: of the stamps, from 0 to 1.
    """

    def __init__(self, chain: Chain, share: float) -> None:
        super().__init__(chain.steps)
        self.share = share
        self.n_draws += 1

    def __call__(self, flux: KerasTensor, draws: KerasTensor, size: int | None = None) -> KerasTensor:
        """Return the stamps, see `Chain.__call__`; the last of an example's numbers decides whether it is changed."""
        size = size or flux.shape[1]
        edge = (flux.shape[1] - size) // 2
        plain = flux[:, edge : edge + size, edge : edge + size, :]
        changed = super().__call__(flux, draws[:, :-1], size)
        return ops.where(draws[:, -1, None, None, None] < self.share, changed, plain)
