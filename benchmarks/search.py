"""Time and memory of a search among very many embeddings.

    python benchmarks/search.py [--rows 1000000] [--width 128] [--work DIR]

Writes a file of random embeddings, piece by piece, and searches it by the command in a process of its own: once just
after it was written. Time of the processors says what it costs where other processes keep them busy.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from astrokeras.embedding.file import schema

PIECE = 1 << 14
COMMAND = """
import resource, sys
from astrokeras.cli import main
try:
    main(sys.argv[1:])
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"peak {used.ru_maxrss // 1024} MiB, {used.ru_utime + used.ru_stime:.1f} s of the processors")
"""


def write(path: Path, rows: int, width: int) -> None:
    types, rng = schema(width), np.random.default_rng(0)
    with parquet.ParquetWriter(path, types, compression="zstd") as writer:
        for start in range(0, rows, PIECE):
            count = min(PIECE, rows - start)
            vectors = rng.standard_normal((count, width), dtype=np.float32)
            columns = [
                pa.array([f"object-{i:09d}" for i in range(start, start + count)]),
                pa.array(rng.uniform(0, 360, count)),
                pa.array(rng.uniform(-90, 90, count)),
                *(pa.nulls(count, pa.string()) for _ in range(2)),
                pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), width),
            ]
            writer.write_table(pa.table(columns, schema=types))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--work", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.work) as work:
        file = Path(work) / "embeddings.parquet"
        write(file, arguments.rows, arguments.width)
        size = file.stat().st_size / 2**20
        print(f"{arguments.rows:,} embeddings of {arguments.width} numbers, {size:,.0f} MiB, {os.cpu_count()} cores")
        for metric in ("cosine", "euclidean"):
            options = ["--metric", metric, "--id", "object-000000007", "--out", str(Path(work) / f"{metric}.parquet")]
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", COMMAND, "search", str(file), *options],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            used = re.search(r"peak .*", done.stdout)[0]
            print(f"{metric}: {time.perf_counter() - began:.1f} s with start-up, {used}", flush=True)


if __name__ == "__main__":
    main()
