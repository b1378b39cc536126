import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.training.distribution.strategy import check_batch_size, make_strategy

GPUS = len(tf.config.list_physical_devices("GPU"))


def test_a_fresh_process_can_split_its_cpu():
    program = (
        "import keras; from astrokeras.training.distribution.strategy import make_strategy\n"
        "print(make_strategy('cpu:3').num_replicas_in_sync)"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[3]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.split()[-1] == "3"


def test_devices_that_are_there_are_used():
    tf.zeros(1)
    assert make_strategy("cpu:1").num_replicas_in_sync == 1
    assert make_strategy("cpu:2").num_replicas_in_sync == 2
    assert make_strategy("auto").num_replicas_in_sync == max(GPUS, 1)


def test_devices_that_are_not_there():
    tf.zeros(1)
    with pytest.raises(AstrokerasError, match="cpu:7 must be set up before"):
        make_strategy("cpu:7")
    with pytest.raises(AstrokerasError, match=f"asks for 64 GPUs, TensorFlow sees {GPUS}"):
        make_strategy("gpu:64")


@pytest.mark.parametrize("devices", ["cpu", "cpu:0", "tpu:1", "gpu:-1", "cpu:1.5"])
def test_devices_that_make_no_sense(devices: str):
    with pytest.raises(UsageError, match="expected auto, cpu:N or gpu:N"):
        make_strategy(devices)


def test_several_machines_are_for_pretraining():
    with pytest.raises(UsageError, match="this command runs on one machine"):
        make_strategy("multi-worker")


def test_batches_must_be_divisible():
    strategy = make_strategy("cpu:2")
    check_batch_size(4, strategy)
    for batch_size in (0, 3):
        with pytest.raises(UsageError, match="positive multiple of the 2 devices"):
            check_batch_size(batch_size, strategy)
