"""`tf.train.Example` messages without TensorFlow, whose import would take longer than a small conversion.

The wire format is that of protocol buffers (proto3) for ``tensorflow/core/example/example.proto``:
``Example{features=1}``, ``Features{map<string, Feature> feature=1}``, ``Feature{bytes_list=1 | float_list=2 |
int64_list=3}``, each list ``{repeated value=1}``, floats and integers packed. Tests hold it against TensorFlow's own.
"""

import functools
from collections.abc import Mapping

import numpy as np

Value = bytes | np.ndarray

_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3
_LENGTH_DELIMITED = 2
_FLOAT32, _INT64, _UINT8 = (np.dtype(name) for name in ("<f4", "<i8", "u1"))  # quicker to compare with than types


def encode(features: Mapping[str, Value]) -> bytes:
    """Serialize an Example; bytes, float32 ``[N]`` and int64 ``[N]`` values become the three kinds of list.

    Bytes are `bytes` or a uint8 array of any shape, which is spared a copy.
    """
    pieces: list[bytes | np.ndarray] = [b""]
    size = 0
    for name in sorted(features):
        kind, payload, length = _payload(features[name])
        head = _head(name, kind, length)
        pieces += (head, payload)
        size += len(head) + length
    pieces[0] = _tag(1, size)
    return b"".join(pieces)


def _payload(value: Value) -> tuple[int, bytes | np.ndarray, int]:
    """Return kind of list, content and number of bytes; arrays are copied but once, by `encode`."""
    if isinstance(value, bytes):
        return _BYTES_LIST, value, len(value)
    if value.dtype == _FLOAT32:
        return _FLOAT_LIST, np.ascontiguousarray(value), value.nbytes
    if value.dtype == _INT64:
        packed = b"".join([_varint(v & 0xFFFFFFFFFFFFFFFF) for v in value.tolist()])
        return _INT64_LIST, packed, len(packed)
    if value.dtype == _UINT8:
        return _BYTES_LIST, np.ascontiguousarray(value), value.nbytes
    raise TypeError(f"a record holds bytes, float32 or int64, not {value.dtype}")


@functools.lru_cache(maxsize=4096)
def _head(name: str, kind: int, length: int) -> bytes:
    """Return all that stands before the content of a feature; records of one data set differ little in it."""
    values = _tag(1, length)
    feature = _tag(kind, len(values) + length) + values
    key = _field(1, name.encode())
    value = _tag(2, len(feature) + length) + feature
    return _tag(1, len(key) + len(value) + length) + key + value


def _tag(number: int, length: int) -> bytes:
    """Return the key of a field and the length of what it holds."""
    return bytes([number << 3 | _LENGTH_DELIMITED]) + _varint(length)


def _field(number: int, payload: bytes) -> bytes:
    return _tag(number, len(payload)) + payload


@functools.lru_cache(maxsize=4096)
def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(message: bytes) -> dict[str, Value]:
    """Read an Example that `encode` wrote.

    Raises:
        ValueError: the bytes are no such message.
    """
    features: dict[str, Value] = {}
    try:
        for _, entry in _fields(_only(message)):
            parts = dict(_fields(entry))
            features[bytes(parts[1]).decode()] = _value(parts[2])
    except (IndexError, KeyError, StopIteration, UnicodeDecodeError) as error:
        raise ValueError(f"not a tf.train.Example: {error}") from None
    return features


def _value(feature: memoryview) -> Value:
    kind, values = next(iter(_fields(feature)))
    payload = _only(values)
    if kind == _BYTES_LIST:
        return bytes(payload)
    if kind == _FLOAT_LIST:
        return np.frombuffer(payload, dtype="<f4")
    if kind != _INT64_LIST:
        raise ValueError(f"not a tf.train.Example: feature kind {kind}")
    integers, position = [], 0
    while position < len(payload):
        value, position = _read_varint(payload, position)
        value &= (1 << 64) - 1
        integers.append(value - (1 << 64) if value >> 63 else value)
    return np.array(integers, dtype=np.int64)


def _only(message: bytes | memoryview) -> memoryview:
    return next((payload for _, payload in _fields(message)), memoryview(b""))


def _fields(message: bytes | memoryview) -> list[tuple[int, memoryview]]:
    view, position, found = memoryview(message), 0, []
    while position < len(view):
        key, position = _read_varint(view, position)
        if key & 7 != _LENGTH_DELIMITED:
            raise ValueError(f"not a tf.train.Example: wire type {key & 7}")
        length, position = _read_varint(view, position)
        if position + length > len(view):
            raise ValueError("not a tf.train.Example: it ends early")
        found.append((key >> 3, view[position : position + length]))
        position += length
    return found


def _read_varint(view: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("not a tf.train.Example: a varint is too long")
