"""Pages in one file, which work from a disk without a network."""
