# SPDX-License-Identifier: Apache-2.0
"""Arrays on a CUDA device: read from any library without a copy, and handed out so that any library takes them.

Two protocols carry them: ``__cuda_array_interface__`` (cupy, numba, torch) and ``__dlpack__`` (cupy, torch, jax). Below
Python there are addresses and strides only.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from . import devices

__all__ = ["DeviceArray", "empty", "like", "put", "take_rows", "view"]

CUDA, CUDA_MANAGED = 2, 13  # device types of DLPack
LEGACY_STREAM = 1  # waits for all ordinary ones, and they for it
_CODES = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}  # of DLPack, by kind of dtype
_KINDS = {code: kind for kind, code in _CODES.items()}


def c_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Strides in bytes of an array in C order."""
    strides = []
    for extent in reversed(shape):
        strides.append(itemsize)
        itemsize *= max(extent, 1)
    return tuple(reversed(strides))


class DeviceArray:
    """An array on a CUDA device that pygbt reads or hands out.

    Other libraries take it without a copy: ``cupy.asarray(a)``, ``torch.from_dlpack(a)``, ``jax.numpy.from_dlpack(a)``.
    Whatever pygbt hands out is finished: nobody has to wait for it.

    Attributes
    ----------
    pointer : int
        Address of element 0 on the device; 0 for an array without elements.
    shape : tuple of int
    strides : tuple of int
        In bytes.
    dtype : numpy.dtype
    ordinal : int
        Number of the device.
    """

    def __init__(
        self,
        pointer: int,
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        *,
        strides: tuple[int, ...] | None = None,
        ordinal: int = 0,
        owner: object = None,
    ) -> None:
        self.pointer = int(pointer)
        self.shape = tuple(int(extent) for extent in shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.strides = c_strides(self.shape, self.dtype.itemsize) if strides is None else tuple(map(int, strides))
        self.ordinal = int(ordinal)
        self._owner = owner  # keeps the memory

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def c_contiguous(self) -> bool:
        """Whether the elements lie side by side in C order."""
        usual = c_strides(self.shape, self.dtype.itemsize)
        return self.size == 0 or all(
            extent == 1 or stride == other
            for extent, stride, other in zip(self.shape, self.strides, usual, strict=True)
        )

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without dimensions")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype}, device='cuda:{self.ordinal}')"

    def _extent(self) -> tuple[int, int]:
        """First byte, counted from element 0, and number of bytes that the elements lie in."""
        if self.size == 0:
            return 0, 0
        reach = [(extent - 1) * stride for extent, stride in zip(self.shape, self.strides, strict=True)]
        low = sum(min(r, 0) for r in reach)
        return low, sum(max(r, 0) for r in reach) - low + self.dtype.itemsize

    def numpy(self) -> npt.NDArray[Any]:
        """A copy in C order on the host. Of an array with gaps, the bytes between its elements travel, too."""
        low, n_bytes = self._extent()
        raw = np.empty(n_bytes, np.uint8)
        devices.load_cuda().to_host(self.ordinal, self.pointer + low, raw)
        if self.size == 0:
            return np.empty(self.shape, self.dtype)
        strided: npt.NDArray[Any] = np.ndarray(self.shape, self.dtype, raw, -low, self.strides)
        return np.ascontiguousarray(strided).reshape(self.shape)

    def copy(self) -> DeviceArray:
        """The same elements in memory of their own, with the same strides."""
        low, n_bytes = self._extent()
        module = devices.load_cuda()
        memory = module.Memory(self.ordinal, n_bytes)
        module.copy(self.ordinal, memory.pointer, self.pointer + low, n_bytes)
        return DeviceArray(
            memory.pointer - low, self.shape, self.dtype, strides=self.strides, ordinal=self.ordinal, owner=memory
        )

    def __array__(self, *args: Any, **kwargs: Any) -> npt.NDArray[Any]:
        raise TypeError("a DeviceArray lies on a GPU; .numpy() copies it to the host")

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.pointer if self.size else 0, False),
            "strides": None if self.c_contiguous else self.strides,
            "stream": None,  # nothing is under way
            "version": 3,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return CUDA, self.ordinal

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A DLPack capsule; `stream` has nothing to wait for."""
        if dl_device is not None and tuple(dl_device) != self.__dlpack_device__():
            raise BufferError(f"the array lies on cuda:{self.ordinal}; .numpy() copies it to the host")
        if copy:
            return self.copy().__dlpack__(stream=stream, max_version=max_version)
        itemsize = self.dtype.itemsize
        if self.dtype.kind not in _CODES or not self.dtype.isnative or any(s % itemsize for s in self.strides):
            raise BufferError(f"DLPack has no name for dtype {self.dtype} with strides of {self.strides} bytes")
        return devices.load_cuda().dlpack_capsule(
            self.pointer,
            self.ordinal,
            _CODES[self.dtype.kind],
            8 * itemsize,
            self.shape,
            [stride // itemsize for stride in self.strides],
            self,
            max_version is not None and max_version[0] >= 1,
        )


def view(x: Any) -> DeviceArray | None:
    """`x` where it lies, or None if that is not a CUDA device. Work that its library has queued is waited for.

    Raises
    ------
    TypeError
        Its elements are of a type that NumPy does not have.
    ValueError
        It is masked, or not in the memory of a device of this process.
    NotImplementedError
        It is on a device, and this build or machine has no CUDA.
    """
    if x is None or isinstance(x, DeviceArray):
        return x
    if isinstance(x, np.ndarray | np.generic | str | bytes | int | float | list | tuple | dict):
        return None
    if callable(ready := getattr(x, "block_until_ready", None)):  # jax: its work may not even be queued yet
        ready()
    interface = getattr(x, "__cuda_array_interface__", None)
    if interface is not None:
        return _view_interface(x, interface)
    kind = getattr(x, "__dlpack_device__", None)
    if kind is None or int(kind()[0]) not in (CUDA, CUDA_MANAGED):
        return None
    return _view_dlpack(x, int(kind()[1]))


def _view_interface(x: Any, interface: dict[str, Any]) -> DeviceArray:
    module = devices.load_cuda()
    if interface.get("mask") is not None:
        raise ValueError(f"{type(x).__name__}: masked arrays on a GPU are not read; fill in what is masked")
    shape = tuple(interface["shape"])
    dtype = np.dtype(interface["typestr"])
    pointer = int(interface["data"][0] or 0)
    n = math.prod(shape)
    ordinal = module.ordinal_of(pointer) if n > 0 else 0
    if n > 0 and interface.get("version", 0) < 3:  # says nothing of its stream
        module.wait_for_all(ordinal)
    elif n > 0:  # numba names no stream, but leaves a copy from the host on the legacy default one
        module.wait_for_stream(ordinal, int(interface.get("stream") or LEGACY_STREAM))
    return DeviceArray(pointer, shape, dtype, strides=interface.get("strides"), ordinal=ordinal, owner=x)


def _view_dlpack(x: Any, ordinal: int) -> DeviceArray:
    module = devices.load_cuda()
    # The producer makes the legacy default stream wait for its work, and we for that stream.
    try:
        capsule = x.__dlpack__(stream=LEGACY_STREAM, max_version=(1, 0))
    except TypeError:  # older than the keyword
        capsule = x.__dlpack__(stream=LEGACY_STREAM)
    module.wait_for_stream(ordinal, LEGACY_STREAM)
    pointer, _, ordinal, shape, strides, code, bits, lanes = module.read_dlpack(capsule)
    if code not in _KINDS or lanes != 1 or bits % 8:
        raise TypeError(f"{type(x).__name__}: NumPy has no such elements (DLPack type {code} of {bits} bits)")
    dtype = np.dtype(f"{_KINDS[code]}{bits // 8}")
    if strides is not None:
        strides = tuple(stride * dtype.itemsize for stride in strides)
    return DeviceArray(pointer, shape, dtype, strides=strides, ordinal=ordinal, owner=capsule)


def empty(shape: int | tuple[int, ...], dtype: npt.DTypeLike, device: str | int = 0) -> DeviceArray:
    """An array in C order with anything in it, in memory that goes with it.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype
    device : str or int
        ``"cuda:1"``, or the number of the device.

    Raises
    ------
    MemoryError
        The device has no room.
    """
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    dtype = np.dtype(dtype)
    ordinal = devices.parse(device)[1] if isinstance(device, str) else int(device)
    memory = devices.load_cuda().Memory(ordinal, math.prod(shape) * dtype.itemsize)
    return DeviceArray(memory.pointer, shape, dtype, ordinal=ordinal, owner=memory)


def put(x: npt.ArrayLike, device: str | int = 0) -> DeviceArray:
    """A copy on the device of an array on the host, in C order."""
    values = np.asarray(x)
    array = empty(values.shape, values.dtype, device)
    devices.load_cuda().to_device(array.ordinal, array.pointer, np.ascontiguousarray(values))
    return array


def take_rows(array: DeviceArray, rows: npt.NDArray[np.int64]) -> DeviceArray:
    """Some rows of a matrix of machine numbers, in the given order, as an array of its own; `rows` lie in it."""
    taken = empty((len(rows), array.shape[1]), array.dtype, array.ordinal)
    devices.load_cuda().take_rows(
        array.ordinal, array.pointer, array.strides, array.shape[1], array.dtype.itemsize, rows, taken.pointer
    )
    return taken


def like(array: DeviceArray, template: Any) -> Any:
    """`array` as an object of the library that made `template`, without a copy.

    Known are cupy, torch, jax and numba; for a template of any other, `array` itself.
    """
    library = type(template).__module__.partition(".")[0]
    if library == "cupy":
        return as_cupy(array)
    if library == "torch":
        return import_module("torch").from_dlpack(array)
    if library in ("jax", "jaxlib"):
        return import_module("jax.numpy").from_dlpack(array)
    if library == "numba":
        return import_module("numba.cuda").as_cuda_array(array)
    return array


def handed_out(array: DeviceArray) -> Any:
    """`array` as users get it: a cupy.ndarray if cupy is installed, else itself."""
    if devices.MODULE != devices.CUDA_MODULE:  # the emulator's memory is no GPU's
        return array
    try:
        return as_cupy(array)
    except ImportError:
        return array


def as_cupy(array: DeviceArray) -> Any:
    """`array` as a cupy.ndarray on the same memory."""
    cupy = import_module("cupy")
    with cupy.cuda.Device(array.ordinal):
        return cupy.asarray(array)
