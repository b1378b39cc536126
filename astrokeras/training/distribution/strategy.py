"""Which devices to train on."""

import re

import tensorflow as tf

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.training.distribution.worker_cluster import MULTI_WORKER

_MOST_CPUS = 64


def _mirrored(devices: list[str]) -> tf.distribute.Strategy:
    # Without a communication library for it, replicas on CPUs reduce by copying to one of them.
    on_cpu = devices[0].startswith("CPU")
    return tf.distribute.MirroredStrategy(
        devices, cross_device_ops=tf.distribute.ReductionToOneDevice() if on_cpu else None
    )


def _cpus(count: int) -> tf.distribute.Strategy:
    if count > _MOST_CPUS:
        raise UsageError(
            f"--devices cpu:{count}: expected at most {_MOST_CPUS}; logical devices share the cores there are"
        )
    try:
        tf.config.set_visible_devices([], "GPU")
        if count > 1:
            cpu = tf.config.list_physical_devices("CPU")[0]
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    except RuntimeError:
        # TensorFlow has started its devices already; they may still be what is asked for.
        if tf.config.list_logical_devices("GPU") or len(tf.config.list_logical_devices("CPU")) < count:
            raise AstrokerasError(
                f"--devices cpu:{count} must be set up before TensorFlow is first used in a process; "
                "start a fresh process"
            ) from None
    if count == 1:
        return tf.distribute.get_strategy()
    return _mirrored([f"CPU:{index}" for index in range(count)])


def _gpus(count: int) -> tf.distribute.Strategy:
    found = len(tf.config.list_physical_devices("GPU"))
    if count > found:
        raise AstrokerasError(f"--devices gpu:{count} asks for {count} GPUs, TensorFlow sees {found}")
    if count == 1:
        return tf.distribute.get_strategy()
    return _mirrored([f"GPU:{index}" for index in range(count)])


def make_strategy(devices: str) -> tf.distribute.Strategy:
    """Return the strategy for ``auto`` (all GPUs, otherwise the CPU), ``cpu:N`` or ``gpu:N``, all of one process.

    ``cpu:N`` splits the CPU into N logical devices. Call this before anything else uses TensorFlow.

    Raises:
        UsageError: `devices` is none of these.
        AstrokerasError: there are not as many, or TensorFlow has started with others.
    """
    if devices == "auto":
        found = len(tf.config.list_physical_devices("GPU"))
        return _gpus(found) if found else tf.distribute.get_strategy()
    if devices == MULTI_WORKER:
        raise UsageError(
            f"--devices {devices}: this command runs on one machine (pretrain runs on several); "
            "expected auto, cpu:N or gpu:N"
        )
    parts = re.fullmatch(r"(cpu|gpu):([1-9]\d*)", devices)
    if parts is None:
        raise UsageError(f"--devices {devices}: expected auto, cpu:N or gpu:N with N from 1")
    return (_cpus if parts[1] == "cpu" else _gpus)(int(parts[2]))


def check_batch_size(batch_size: int, strategy: tf.distribute.Strategy) -> None:
    """Make sure that every replica gets the same share of a batch, never none.

    Raises:
        UsageError: the batch size is not a multiple of the number of replicas.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size < 1 or batch_size % replicas:
        raise UsageError(f"--batch-size {batch_size} must be a positive multiple of the {replicas} devices used")
