"""How much of a stream runs in parallel: set here, since TensorFlow's tuner holds up whoever is done with a stream.

`tf.data` tunes a stream in a thread that sleeps between its looks, longer each time, up to a minute, and whoever
drops an iterator waits for that thread. It is meant to be woken, but is told so before it can see why, and so often
goes back to sleep (``Model::OptimizeLoop`` and ``CancellationManager::StartCancel`` in TensorFlow's source; seen with
2.21 by ``benchmarks/tuner.py``). A stream that is read anew each epoch stands still for seconds at the end of some.
"""

import os

import tensorflow as tf

# Each holds a batch.
_MOST_CALLS = 16
PARALLEL_CALLS = min(os.cpu_count() or 1, _MOST_CALLS)


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Return the dataset, and what is made of it, without TensorFlow's tuner: ``AUTOTUNE`` must not be used in it."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
