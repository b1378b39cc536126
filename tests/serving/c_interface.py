"""An exported model behind TensorFlow's C interface: the loader and the session of TensorFlow Serving.

`ask` starts this file as a process of its own, so that a request that kills the server does not kill the tests, and
which has neither TensorFlow's Python nor Keras.
"""

import ctypes
import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np

INVALID_ARGUMENT = 3
_TYPES = {1: np.float32, 2: np.float64, 3: np.int32, 9: np.int64, 10: np.bool_}
_STRING = 7
_Pointer = ctypes.c_void_p


def ask(model, signature, requests):
    """What the signature answers to each of the arrays: a dictionary of arrays, or (code, message)."""
    from tensorflow.core.protobuf import saved_model_pb2  # noqa: PLC0415 - the server must not have it

    content = saved_model_pb2.SavedModel()
    content.ParseFromString((Path(model) / "saved_model.pb").read_bytes())
    defined = content.meta_graphs[0].signature_def[signature]
    job = {
        "model": str(model),
        "input": defined.inputs["flux"].name,
        "outputs": {name: info.name for name, info in defined.outputs.items()},
        "requests": requests,
    }
    done = subprocess.run(
        [sys.executable, __file__], input=pickle.dumps(job), capture_output=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"the server died with {done.returncode}: {done.stderr[-2000:].decode()}"
    return pickle.loads(done.stdout)


class _Output(ctypes.Structure):
    _fields_ = (("operation", _Pointer), ("index", ctypes.c_int))


class Server:
    """A session on a saved model."""

    def __init__(self, directory):
        folder = Path(importlib.util.find_spec("tensorflow").origin).parent
        ctypes.CDLL(str(folder / "libtensorflow_framework.so.2"), mode=ctypes.RTLD_GLOBAL)
        self.library = ctypes.CDLL(str(folder / "libtensorflow_cc.so.2"), mode=ctypes.RTLD_GLOBAL)
        self.graph, options = self.call("TF_NewGraph"), self.call("TF_NewSessionOptions")
        tags = (ctypes.c_char_p * 1)(b"serve")
        status = self.call("TF_NewStatus")
        self.session = self.call(
            "TF_LoadSessionFromSavedModel", _Pointer(options), None, directory.encode(), tags, 1, _Pointer(self.graph),
            None, _Pointer(status),
        )  # fmt: skip
        code, message = self.state(status)
        if code:
            raise SystemExit(f"cannot load: {message}")

    def call(self, name, *arguments, returns=_Pointer):
        function = getattr(self.library, name)
        function.restype = returns
        return function(*arguments)

    def state(self, status):
        code = self.call("TF_GetCode", _Pointer(status), returns=ctypes.c_int)
        return code, self.call("TF_Message", _Pointer(status), returns=ctypes.c_char_p).decode()

    def output(self, name):
        operation, _, index = name.partition(":")
        found = self.call("TF_GraphOperationByName", _Pointer(self.graph), operation.encode())
        assert found, f"the graph has no {operation}"
        return _Output(found, int(index))

    def tensor(self, array):
        array = np.array(array, order="C")
        kind = next(number for number, dtype in _TYPES.items() if array.dtype == dtype)
        dimensions = (ctypes.c_int64 * max(array.ndim, 1))(*array.shape)
        made = self.call("TF_AllocateTensor", kind, dimensions, array.ndim, ctypes.c_size_t(array.nbytes))
        if array.nbytes:
            ctypes.memmove(self.call("TF_TensorData", _Pointer(made)), array.ctypes.data, array.nbytes)
        return made

    def array(self, tensor):
        tensor = _Pointer(tensor)
        rank = self.call("TF_NumDims", tensor, returns=ctypes.c_int)
        shape = [self.call("TF_Dim", tensor, axis, returns=ctypes.c_int64) for axis in range(rank)]
        kind = self.call("TF_TensorType", tensor, returns=ctypes.c_int)
        start = self.call("TF_TensorData", tensor)
        size = self.call("TF_TensorByteSize", tensor, returns=ctypes.c_size_t)
        if kind != _STRING:
            return np.frombuffer(ctypes.string_at(start, size) if size else b"", _TYPES[kind]).reshape(shape)
        count = int(np.prod(shape))
        texts = [self.text(_Pointer(start + i * (size // count))) for i in range(count)]
        return np.array(texts, dtype=object).reshape(shape)

    def text(self, held):
        size = self.call("TF_StringGetSize", held, returns=ctypes.c_size_t)
        return ctypes.string_at(self.call("TF_StringGetDataPointer", held), size).decode()

    def run(self, source, fetches, array):
        """What comes out at `fetches` (a dictionary of names), or (code, message)."""
        status, names = self.call("TF_NewStatus"), list(fetches)
        given, inputs = (_Output * 1)(self.output(source)), (_Pointer * 1)(self.tensor(array))
        outputs, results = (_Output * len(names))(*map(self.output, fetches.values())), (_Pointer * len(names))()
        self.call(
            "TF_SessionRun", _Pointer(self.session), None, given, inputs, 1, outputs, results, len(names), None, 0,
            None, _Pointer(status), returns=None,
        )  # fmt: skip
        code, message = self.state(status)
        return (code, message) if code else {n: self.array(t) for n, t in zip(names, results, strict=True)}


if __name__ == "__main__":
    job = pickle.loads(sys.stdin.buffer.read())
    server = Server(job["model"])
    answers = [server.run(job["input"], job["outputs"], request) for request in job["requests"]]
    assert "tensorflow.python" not in sys.modules
    sys.stdout.buffer.write(pickle.dumps(answers))
