"""The user's own configuration of Keras decides nothing here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_LOOK = (
    "import keras; from keras.src.backend.config import keras_home;"
    "print(keras.backend.backend(), keras.config.image_data_format(), keras.config.floatx(), keras.config.epsilon(),"
    "keras_home())"
)
_OURS = ["tensorflow", "channels_last", "float32", "1e-07"]


def python(code: str, **environment: str) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if name not in ("KERAS_HOME", "KERAS_BACKEND")}
    environment = {**kept, "PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(
    "content",
    [
        {"image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.1, "backend": "torch"},
        ["backend", "jax"],
    ],
)
def test_whatever_stands_in_it_ours_is_the_same(tmp_path: Path, content: object):
    file = tmp_path / ".keras" / "keras.json"
    file.parent.mkdir()
    file.write_text(json.dumps(content))
    done = python(f"import astrokeras.models.encoder; {_LOOK}", HOME=str(tmp_path))
    assert done.stdout.split() == [*_OURS, str(tmp_path / ".keras")], done.stderr
    assert json.loads(file.read_text()) == content
    assert [entry.name for entry in file.parent.iterdir()] == ["keras.json"]


def test_the_users_own_directory_and_backend_are_kept(tmp_path: Path):
    (tmp_path / "keras.json").write_text(json.dumps({"image_data_format": "channels_first", "backend": "torch"}))
    code = f"import os, astrokeras.tasks.pretext.rotation; {_LOOK}; print(os.environ['KERAS_HOME'])"
    done = python(code, KERAS_HOME=str(tmp_path), KERAS_BACKEND="jax")
    assert done.stdout.split() == ["jax", *_OURS[1:], str(tmp_path), str(tmp_path)], done.stderr


def test_where_keras_was_there_first_images_have_their_bands_last_all_the_same(tmp_path: Path):
    (tmp_path / "keras.json").write_text(json.dumps({"image_data_format": "channels_first", "floatx": "float64"}))
    done = python(f"import keras, astrokeras; {_LOOK}", KERAS_HOME=str(tmp_path), KERAS_BACKEND="jax")
    assert done.stdout.split()[1:4] == _OURS[1:], done.stderr


def test_keras_is_not_imported_for_what_does_without():
    code = "import importlib.util, sys, astrokeras; assert importlib.util.find_spec('keras')"
    assert python(f"{code}; print('keras' in sys.modules)").stdout == "False\n"


@pytest.mark.parametrize("backend", ["torch", "nonsense"])
@pytest.mark.parametrize("command", ["pretrain", "predict"])
def test_a_backend_that_is_not_there_is_named(tmp_path: Path, command: str, backend: str):
    words = [command, "records", *(["records"] if command == "predict" else []), "--out", str(tmp_path / "out.csv")]
    done = python(f"from astrokeras.cli import main; main({words!r})", KERAS_BACKEND=backend)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: Keras cannot be used with KERAS_BACKEND={backend} (")
    assert len(done.stderr.splitlines()) == 1
