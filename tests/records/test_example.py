import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from astrokeras.records.example import decode, encode

FLOATS = arrays(np.uint32, st.integers(0, 9)).map(lambda bits: bits.view(np.float32))  # every NaN there is
INTEGERS = arrays(np.int64, st.integers(0, 9))
FEATURES = st.dictionaries(st.text(max_size=9), st.binary(max_size=300) | FLOATS | INTEGERS, max_size=6)


def bits(value: bytes | np.ndarray) -> tuple:
    return (value,) if isinstance(value, bytes) else (value.dtype.str, value.tobytes())


@given(FEATURES)
def test_decode_undoes_encode_bit_by_bit(features: dict):
    assert {name: bits(value) for name, value in decode(encode(features)).items()} == {
        name: bits(value) for name, value in features.items()
    }


@given(FEATURES)
def test_tensorflow_reads_the_same(features: dict):
    example = tf.train.Example.FromString(encode(features))
    assert set(example.features.feature) == set(features)
    for name, value in features.items():
        feature = example.features.feature[name]
        if isinstance(value, bytes):
            assert list(feature.bytes_list.value) == [value]
        elif value.dtype == np.float32:
            np.testing.assert_array_equal(np.float32(feature.float_list.value), value)
        else:
            assert list(feature.int64_list.value) == value.tolist()


def test_an_array_of_bytes_is_bytes():
    image = np.arange(24, dtype="<f4").reshape(2, 3, 4)
    assert encode({"image": image.view(np.uint8)}) == encode({"image": image.tobytes()})
    assert encode({"image": image.T.copy().T[:, ::2].view(np.float32).astype(np.uint8)}) == encode(
        {"image": image[:, ::2].astype(np.uint8).tobytes()}
    )


def test_parse_single_example_gives_every_bit():
    values = np.array([np.nan, -0.0, np.inf, 1e-45], dtype=np.float32)
    message = encode({"id": "ü 1".encode(), "magnitudes": values, "label": np.array([-1])})
    parsed = tf.io.parse_single_example(
        message,
        {
            "id": tf.io.FixedLenFeature([], tf.string),
            "magnitudes": tf.io.FixedLenFeature([4], tf.float32),
            "label": tf.io.FixedLenFeature([], tf.int64),
        },
    )
    assert parsed["id"].numpy().decode() == "ü 1"
    assert parsed["magnitudes"].numpy().tobytes() == values.tobytes()
    assert parsed["label"].numpy() == -1


@given(FEATURES)
def test_what_tensorflow_writes_is_read(features: dict):
    example = tf.train.Example()
    for name, value in features.items():
        feature = example.features.feature[name]
        if isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        elif value.dtype == np.float32:
            feature.float_list.value.extend(np.nan_to_num(value).tolist())
        else:
            feature.int64_list.value.extend(value.tolist())
    found = decode(example.SerializeToString())
    assert set(found) == set(features)
    for name, value in features.items():
        expected = np.nan_to_num(value) if getattr(value, "dtype", None) == np.float32 else value
        np.testing.assert_array_equal(found[name], expected)


def test_order_of_features_does_not_matter():
    assert encode({"a": b"1", "b": b"2"}) == encode({"b": b"2", "a": b"1"})


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="float64"):
        encode({"x": np.zeros(2)})


WHOLE = encode({"id": b"abc", "label": np.array([-1, 300]), "magnitudes": np.ones(3, np.float32)})


@settings(max_examples=400)
@given(st.binary(max_size=60) | st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=4))
def test_garbage_is_a_value_error(damage: bytes | list[tuple[int, int]]):
    message = bytearray(damage if isinstance(damage, bytes) else WHOLE)
    for at, byte in () if isinstance(damage, bytes) else damage:
        message[at] = byte
    try:
        found = decode(bytes(message))
    except ValueError as error:
        assert str(error)
    else:
        assert all(isinstance(value, bytes | np.ndarray) for value in found.values())


@pytest.mark.parametrize("length", range(1, len(WHOLE)))
def test_a_cut_message_is_a_value_error(length: int):
    with pytest.raises(ValueError):
        decode(WHOLE[:length])


@pytest.mark.parametrize(
    "message",
    [b"\x0a\x05\x0a\x03\x0a\x01a", b"\x0a\x07\x0a\x05\x0a\x01a\x12\x00", b"\x0a\x09\x0a\x07\x0a\x01a\x12\x02\x22\x00"],
    ids=["no value", "empty value", "unknown kind"],
)
def test_features_without_a_value_are_a_value_error(message: bytes):
    with pytest.raises(ValueError, match=r"not a tf\.train\.Example"):
        decode(message)
