"""`weights.safetensors`: every array of a run, parameters, scaling and reference alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from collections.abc import Mapping

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]

MAX_BYTES = 4 << 30
_MAX_HEADER_BYTES = 4 << 20
_MAX_NAME = 200
_DTYPES: dict[str, type[np.generic]] = {"F32": np.float32, "F64": np.float64, "I64": np.int64}


def pack(tensors: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> bytes:
    """Return the bytes of the file; arrays are float32, float64 or int64."""
    arrays = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in tensors.items()}
    wrong = {name: str(array.dtype) for name, array in arrays.items() if array.dtype.type not in _DTYPES.values()}
    if wrong:
        raise TypeError(f"arrays of a type that a run folder does not hold: {wrong}")
    return save(arrays)


def unpack(content: bytes, name: str) -> Arrays:
    """Read the arrays; their sizes add up to the file's, so that none can be larger than what is there.

    Raises
    ------
    ForecastError
        A header that does not describe the file, another type, a value that is not finite.

    """
    header_bytes = int.from_bytes(content[:8], "little")
    if len(content) < 8 or header_bytes > min(_MAX_HEADER_BYTES, len(content) - 8):
        raise _broken(name, "its header does not fit the file")
    try:
        entries = deserialize(content)  # type: ignore[no-untyped-call]  # written in Rust, without types
    except (SafetensorError, ValueError, OverflowError):
        raise _broken(name, "its header does not describe the file") from None
    return {key: _array(key, entry, name) for key, entry in entries}


def _array(key: str, entry: dict[str, Any], name: str) -> np.ndarray[Any, np.dtype[Any]]:
    shown = key[:_MAX_NAME]
    dtype = _DTYPES.get(entry["dtype"])
    if dtype is None:
        raise _broken(name, f"{shown!r} has type {entry['dtype']}, expected one of {', '.join(_DTYPES)}")
    if math.prod(entry["shape"]) * np.dtype(dtype).itemsize != len(entry["data"]):
        raise _broken(name, f"{shown!r} has another size than its shape says")
    array = np.frombuffer(entry["data"], dtype=dtype).reshape(entry["shape"]).copy()
    if not np.isfinite(array).all():
        raise _broken(name, f"{shown!r} holds values that are not finite")
    return array


def _broken(name: str, what: str) -> ForecastError:
    return ForecastError(
        f"run folder {name}: weights.safetensors cannot be used, {what}: "
        f"the file was changed or is not of this program: train again, or ask for another copy"
    )
