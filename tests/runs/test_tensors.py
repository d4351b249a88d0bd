from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from forecast.errors import ForecastError
from forecast.runs.tensors import pack, unpack

ARRAYS = {
    "network.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "scale": np.array([0.5, 2.0]),
    "epochs": np.array(7),
    "terms": np.zeros((1, 4, 0)),
}


def file_of(header, data=b""):
    """A file of this header and data, whatever they are worth."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_arrays_come_back_bit_by_bit():
    back = unpack(pack(ARRAYS), "x")
    assert back.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert back[name].tobytes() == array.tobytes()
        assert back[name].flags.writeable


def test_a_view_is_written_as_it_reads():
    turned = np.arange(6.0).reshape(2, 3).T
    np.testing.assert_array_equal(unpack(pack({"a": turned}), "x")["a"], turned)


def test_other_types_are_not_written():
    with pytest.raises(TypeError, match="object"):
        pack({"a": np.array([{}])})


BROKEN = {
    "empty": b"",
    "shorter than a header's length": b"\0\0\0",
    "a pickle": b"\x80\x04\x8c\x05posix\x8c\x06system\x93.",
    "a header longer than the file": struct.pack("<Q", 1 << 20) + b"{}",
    "a header of exabytes": struct.pack("<Q", 2**63) + b"{}",
    "a header of many bytes": file_of(b" " * (5 << 20)),
    "no JSON": file_of(b"not json"),
    "a list": file_of([]),
    "a shape of exabytes": file_of({"a": entry(shape=(2**40, 2**40))}, bytes(8)),
    "a shape larger than its data": file_of({"a": entry(shape=(3,))}, bytes(8)),
    "a shape that overflows": file_of({"a": entry(shape=(2**62, 8), offsets=(0, 0))}),
    "a negative shape": file_of({"a": entry(shape=(-2,))}, bytes(8)),
    "offsets beyond the file": file_of({"a": entry(offsets=(0, 1 << 40))}, bytes(8)),
    "offsets backwards": file_of({"a": entry(offsets=(8, 0))}, bytes(8)),
    "overlapping arrays": file_of({"a": entry(), "b": entry()}, bytes(8)),
    "data that nobody describes": file_of({"a": entry()}, bytes(800)),
    "an unknown type": file_of({"a": entry(dtype="OBJ")}, bytes(8)),
    "a type that a run does not hold": file_of({"a": entry(dtype="F16", shape=(4,))}, bytes(8)),
    "bytes": file_of({"a": entry(dtype="U8", shape=(8,))}, bytes(8)),
    "not a number": pack({"a": np.array([1.0, np.nan])}),
    "infinite": pack({"a": np.array([np.inf], np.float32)}),
    "cut off": pack(ARRAYS)[:-1],
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_every_defect_is_one_line(content):
    with pytest.raises(ForecastError, match=r"run folder somewhere: weights\.safetensors cannot be used") as caught:
        unpack(content, "somewhere")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
