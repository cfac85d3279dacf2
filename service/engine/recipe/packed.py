"""Arrays within JSON, exact to the bit and half as long as their decimals."""

from __future__ import annotations

import base64
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.domain.schema import Value


class Packed(Value):
    """One array: `data` is base64 of its little-endian bytes in C order."""

    dtype: Literal["<f8", "<i4"]
    shape: tuple[int, ...]
    data: str

    @classmethod
    def of(cls, array: NDArray[np.float64] | NDArray[np.int32]) -> Packed:
        """Return an array of float64 or int32 packed."""
        dtype: Literal["<f8", "<i4"] = "<f8" if array.dtype == np.float64 else "<i4"
        raw = np.ascontiguousarray(array, dtype=dtype).tobytes()
        return cls(dtype=dtype, shape=array.shape, data=base64.b64encode(raw).decode("ascii"))

    @cached_property
    def array(self) -> NDArray[Any]:
        """The array, read-only.

        Raises:
            ValueError: the bytes are not those of such an array.
        """
        raw = base64.b64decode(self.data, validate=True)
        return np.frombuffer(raw, dtype=self.dtype).reshape(self.shape)
