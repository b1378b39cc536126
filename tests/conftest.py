"""What all tests share: a quiet TensorFlow with two devices, seeded properties, a sample survey, the real data."""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from astrokeras.config import ConvertConfig, SimulateConfig, configure
from astrokeras.records.conversion.convert import convert
from astrokeras.survey.simulate import simulate

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

# A shell that starts the tests in the background has them and all they start ignore SIGINT, which some test.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Where several processes test side by side (pytest-xdist), each and what it starts takes its share of the processors.
if (_processes := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))) > 1:
    _share = str(max(1, (os.cpu_count() or 1) // _processes))
    for _variable in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(_variable, _share)

# Graphs of networks are many objects that live long: looking for garbage as often as Python does by itself costs 3 %.
gc.set_threshold(20_000, 20, 20)

settings.register_profile("seeded", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("seeded")

_REAL_DATA = Path(os.environ.get("ASTROKERAS_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long: one that comes last keeps a single processor busy."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Give TensorFlow two logical processors before its first operation, where a collected test imports it at all."""
    if "tensorflow" in sys.modules:
        import tensorflow as tf  # noqa: PLC0415 - starting it takes seconds that most tests need not spend

        (processor,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache directory of the tests' own, for their processes too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield Path(os.environ["XDG_CACHE_HOME"])


@pytest.fixture(scope="session")
def sample_survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated survey of two small fields in three bands."""
    out = tmp_path_factory.mktemp("sample") / "survey"
    simulate(SimulateConfig(str(out), fields=2, bands=("g", "r", "i"), size=256, objects=300, seed=1))
    return out


@pytest.fixture(scope="session")
def sample_config(sample_survey: Path) -> ConvertConfig:
    """How `sample_records` was converted."""
    return configure(
        ConvertConfig,
        images=str(sample_survey / "images" / "{field}_{band}.fits"),
        bands=("g", "r", "i"),
        out=str(sample_survey.parent / "records"),
        catalog=str(sample_survey / "catalog.fits"),
        zero_point="header:MAGZPT",
        label="CLASS",
        columns=("MAG_TRUE_r",),
        size=32,
        split_by="id",
        seed=2,  # by which no two objects of different splits lie within an arcsecond
        workers=1,
    )


@pytest.fixture(scope="session")
def sample_records(sample_config: ConvertConfig) -> Path:
    """Path of the records made from `sample_survey`: 32 pixels, nJy, labels star and galaxy."""
    convert(sample_config, report=lambda line: None)
    return Path(sample_config.running.out)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data that lies beside a checkout; it is no part of it."""
    if not _REAL_DATA.is_dir():
        pytest.skip(f"no real data at {_REAL_DATA}; name another place in ASTROKERAS_REAL_DATA")
    return _REAL_DATA
