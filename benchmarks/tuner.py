"""How long it takes to drop an iterator of `tf.data`, with TensorFlow's tuner and without.

    python benchmarks/tuner.py --seconds 3 --times 10

Why it takes so long stands in astrokeras/pipeline/tuning.py.
"""

import argparse
import time

import tensorflow as tf

from astrokeras.pipeline.tuning import untuned


def dropping(dataset: tf.data.Dataset, seconds: float) -> float:
    """Seconds that it takes after reading for so many."""
    iterator = iter(dataset)
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        next(iterator)
    began = time.perf_counter()
    del iterator
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="of reading before")
    parser.add_argument("--times", type=int, default=10)
    arguments = parser.parse_args()
    tuned = tf.data.Dataset.range(10**9).map(lambda number: number + 1, num_parallel_calls=2).prefetch(2)
    pairs = [
        (dropping(tuned, arguments.seconds), dropping(untuned(tuned), arguments.seconds))
        for _ in range(arguments.times)
    ]
    for name, seconds in zip(("with the tuner", "without"), zip(*pairs, strict=True), strict=True):
        print(f"{name}: {', '.join(f'{one:.2f}' for one in sorted(seconds))} s")


if __name__ == "__main__":
    main()
