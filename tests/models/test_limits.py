"""What models claim is looked at before anything is put into memory."""

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from astrokeras.errors import AstrokerasError
from astrokeras.models.limits import check_weights_file
from astrokeras.models.saving import ENCODER, load_model

Members = dict[str, bytes]
WEIGHTS = "model.weights.h5"


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Members:
    """The parts of a small model."""
    path = tmp_path_factory.mktemp("models") / "small.keras"
    network = keras.Sequential([keras.Input((8, 8, 2)), keras.layers.Conv2D(3, 3), keras.layers.Flatten()])
    network.save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, members: Members, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def altered(members: Members, *changes: tuple[str, str]) -> Members:
    text = members["config.json"].decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return {**members, "config.json": text.encode()}


def weights(make: Callable[[h5py.File], object]) -> bytes:
    whole = io.BytesIO()
    with h5py.File(whole, "w") as file:
        make(file)
    return whole.getvalue()


def huge(file: h5py.File) -> None:
    file.create_dataset("layers/conv2d/vars/0", (10**6, 10**6), "f4", chunks=(1000, 1000))


def test_a_model_within_the_limit_is_read(members: Members, tmp_path: Path):
    path = write(tmp_path / "small.keras", members, zipfile.ZIP_DEFLATED)
    model = load_model(path)
    assert model.count_params() == 2 * 9 * 3 + 3
    needed = max(len(members[WEIGHTS]), 4 * 57)
    load_model(path, max_bytes=needed)
    with pytest.raises(AstrokerasError, match=rf"would take .* bytes, --max-model-bytes allows {needed - 1:,}$"):
        load_model(path, max_bytes=needed - 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([('"filters": 3', '"filters": 10000000000')], "its weights would take 760,000,000,000 bytes"),
        ([("[null, 8, 8, 2]", "[null, 80000, 80000, 2]")], "the activations of one stamp would take"),
    ],
)
def test_layers_that_are_too_large_are_not_built(
    members: Members, tmp_path: Path, changes: list[tuple[str, str]], message: str
):
    path = write(tmp_path / "large.keras", altered(members, *changes))
    with pytest.raises(AstrokerasError, match=f"^cannot read the model .*large.keras .*: {message}"):
        load_model(path)
    assert keras.layers.Dense(2)(np.ones((1, 2), np.float32)).shape == (1, 2)  # nothing is left to be built


def test_what_is_packed_is_not_unpacked_if_it_is_too_large(members: Members, tmp_path: Path):
    bomb = {**members, WEIGHTS: bytes(8 << 20)}
    path = write(tmp_path / "bomb.keras", bomb, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(AstrokerasError, match=r"model\.weights\.h5 would take 8,388,608 bytes"):
        load_model(path, max_bytes=4 << 20)
    with pytest.raises(AstrokerasError, match=r"model\.weights\.h5 would take 33,554,432 bytes, more than 100 times"):
        load_model(write(path, {**members, WEIGHTS: bytes(32 << 20)}, zipfile.ZIP_DEFLATED))
    hollow = weights(lambda file: file.create_dataset("a", (5000, 2000), "f4", chunks=(100, 100)))
    with pytest.raises(AstrokerasError, match="the weights would take 40,000,000 bytes, more than 100 times"):
        load_model(write(path, {**members, WEIGHTS: hollow}))
    text = {**members, "config.json": b" " * (40 << 20) + members["config.json"]}
    with pytest.raises(AstrokerasError, match=r"config\.json in it has 41,94.* bytes, expected at most"):
        load_model(write(tmp_path / "text.keras", text, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (huge, "the weights would take 4,000,000,000,000 bytes"),
        (lambda file: file.update({"layers": h5py.ExternalLink("/etc/passwd", "/")}), "'layers' in it lie elsewhere"),
        (lambda file: file.update({"a": h5py.SoftLink("/b")}), "'a' in it lie elsewhere"),
        (lambda file: file.create_group("/".join("d" * 100)), "nested deeper"),
        (
            lambda file: file.create_dataset("a", (4,), "u1", external=[("/etc/hostname", 0, 4)]),
            "'a' in it are those of another file",
        ),
    ],
)
def test_weights_that_claim_too_much_or_lie_elsewhere(
    members: Members, tmp_path: Path, make: Callable[[h5py.File], object], message: str
):
    content = weights(make)
    path = write(tmp_path / "model.keras", {**members, WEIGHTS: content})
    with pytest.raises(AstrokerasError, match=message):
        load_model(path)
    (tmp_path / "mobilenet.h5").write_bytes(content)
    for file in (path, tmp_path / "mobilenet.h5"):
        with pytest.raises(AstrokerasError, match=message):
            check_weights_file(file)


def test_what_is_no_file_of_weights_is_left_to_keras(tmp_path: Path):
    (tmp_path / "text.h5").write_text("weights")
    check_weights_file(tmp_path / "text.h5")
    check_weights_file(tmp_path / "none.h5")


def encrypted(content: bytes) -> bytes:
    """With the flag of encryption set, in both of the headers of each member."""
    data = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(signature)
        while place >= 0:
            data[place + offset] |= 1
            place = data.find(signature, place + 1)
    return bytes(data)


def test_files_that_are_none_of_ours(members: Members, tmp_path: Path):
    path = tmp_path / "model.keras"

    def refused(message: str) -> None:
        with pytest.raises(AstrokerasError, match=rf"^cannot read the model .*model\.keras .*: .*{message}"):
            load_model(path)

    path.write_bytes(encrypted(write(path, members).read_bytes()))
    refused("is encrypted")
    write(path, members, zipfile.ZIP_LZMA)
    refused("compressed in a way")
    write(path, {**members, "assets/x": b""})
    refused("it holds .*'assets/x'; expected")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the name that comes twice
        with zipfile.ZipFile(write(path, members), "a") as archive:
            archive.writestr("config.json", b"{}")
    refused("it holds")
    write(path, {**members, "config.json": b'{"a":' * 100_000})
    refused("recursion")
    for text in ("[]", "null", '"model"', "{}", '{"class_name": "Dense"}', "\ud800"):
        write(path, {**members, "config.json": text.encode("utf-8", "surrogatepass")})
        refused("")
    layer = keras.saving.serialize_keras_object(keras.layers.Dense(3))
    write(path, {**members, "config.json": json.dumps(layer).encode()})
    refused("it is no network, but a Dense")
    path.write_bytes(b"")
    refused("not a zip file")


def test_code_in_a_model_is_not_run(members: Members, tmp_path: Path):
    network = keras.Sequential([keras.Input((8, 8, 2)), keras.layers.Lambda(lambda x: x + 1)])
    network.save(tmp_path / "code.keras")
    with pytest.raises(AstrokerasError, match="Lambda"):
        load_model(tmp_path / "code.keras")


def test_a_model_that_is_another_is_told(members: Members, tmp_path: Path):
    path = write(tmp_path / "model.keras", members)
    for layers in (ENCODER, {"encoder": keras.Model}):
        with pytest.raises(AstrokerasError, match=r"No such layer: (stretch|encoder)"):
            load_model(path, layers)
    keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)]).save(path)
    load_model(path)
    with pytest.raises(AstrokerasError, match=r"it takes inputs of shape \(None, 8\), expected"):
        load_model(path, ENCODER)
