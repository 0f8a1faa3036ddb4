# SPDX-License-Identifier: Apache-2.0
"""Arrays on a device: what other libraries say of theirs is read as it is, and what pygbt hands out says the same."""

from __future__ import annotations

import ctypes
import gc
from typing import Any

import numpy as np
import pytest
from emulator import EMULATED, as_cuda
from hypothesis import given, settings
from hypothesis import strategies as st

import pygbt
from pygbt import device_arrays, devices

DTYPES = ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint32", "bool", "complex64"]


class Interface:
    """An array of a library that has ``__cuda_array_interface__`` only."""

    def __init__(self, array: pygbt.DeviceArray, **changes: Any) -> None:
        self.array = array
        self.changes = changes

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self.array.__cuda_array_interface__, **self.changes}


class Dlpack:
    """An array of a library that has ``__dlpack__`` only, with or without the keyword of version 1."""

    def __init__(self, array: pygbt.DeviceArray, versioned: bool) -> None:
        self.array = array
        self.versioned = versioned
        self.asked: list[dict[str, Any]] = []

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()

    def __dlpack__(self, **keywords: Any) -> Any:
        self.asked.append(keywords)
        if not self.versioned and "max_version" in keywords:
            raise TypeError("max_version")
        return self.array.__dlpack__(**keywords)


def strided(x: np.ndarray, base: pygbt.DeviceArray, whole: np.ndarray) -> pygbt.DeviceArray:
    """What `x` is of `whole`, of its copy on the device."""
    offset = x.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    return pygbt.DeviceArray(base.pointer + offset, x.shape, x.dtype, strides=x.strides, owner=base)


def test_what_is_put_comes_back(cuda: str) -> None:
    rng = np.random.default_rng(0)
    for dtype in DTYPES:
        for shape in ((), (1,), (7,), (0,), (3, 0), (4, 5), (2, 3, 4)):
            x = (rng.random(shape) * 100).astype(dtype)
            found = device_arrays.put(x)
            assert (found.shape, found.dtype, found.size, found.nbytes) == (x.shape, x.dtype, x.size, x.nbytes)
            assert found.numpy().tobytes() == x.tobytes() and found.numpy().shape == x.shape


@pytest.mark.parametrize(
    "part", ["x", "x.T", "x[:, 2]", "x[::-1]", "x[::2, ::-3]", "x[3:3]", "x[1]", "x[:, 1:2]", "x[5:, 2:4].T"]
)
def test_strides_by_every_way(cuda: str, part: str) -> None:
    whole = np.arange(60, dtype=np.float32).reshape(10, 6)
    x = eval(part, {"x": whole})
    array = strided(x, device_arrays.put(whole), whole)
    assert array.c_contiguous == x.flags.c_contiguous
    for source in (array, Interface(array), Dlpack(array, True), Dlpack(array, False), array.copy()):
        found = device_arrays.view(source)
        assert found is not None
        assert (found.shape, found.dtype, found.ordinal) == (x.shape, x.dtype, 0)
        assert np.array_equal(found.numpy(), x) and found.numpy().flags.c_contiguous
        if x.size and source is not array and not isinstance(source, pygbt.DeviceArray):
            assert found.pointer == array.pointer  # no copy
    assert array.copy().pointer != array.pointer


@pytest.mark.parametrize("versioned", [False, True])
def test_dlpack_names_every_type(cuda: str, versioned: bool) -> None:
    for dtype in DTYPES:
        array = device_arrays.put(np.ones(3, dtype))
        found = device_arrays.view(Dlpack(array, versioned))
        assert found is not None and found.dtype == dtype
    swapped = pygbt.DeviceArray(array.pointer, (1,), ">f4", owner=array)
    with pytest.raises(BufferError, match="no name"):
        swapped.__dlpack__()
    gaps = pygbt.DeviceArray(array.pointer, (1,), "f4", strides=(6,), owner=array)
    with pytest.raises(BufferError, match="strides"):
        gaps.__dlpack__()


def test_a_producer_is_asked_to_wait(cuda: str) -> None:
    source = Dlpack(device_arrays.put(np.ones(3)), True)
    device_arrays.view(source)
    assert [asked["stream"] for asked in source.asked] == [1]


def test_streams_are_waited_for(cuda: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = devices.load_cuda()
    waits: list[tuple[str, Any]] = []

    class Recorder:
        def __getattr__(self, name: str) -> Any:
            return getattr(module, name)

        def wait_for_stream(self, ordinal: int, stream: int) -> None:
            waits.append(("stream", stream))

        def wait_for_all(self, ordinal: int) -> None:
            waits.append(("all", ordinal))

    array = device_arrays.put(np.ones(3))
    monkeypatch.setattr(devices, "load_cuda", Recorder)
    for changes in ({"stream": 1}, {"stream": 2}, {"stream": None}, {"version": 2}):
        device_arrays.view(Interface(array, **changes))
    assert waits == [("stream", 1), ("stream", 2), ("stream", 1), ("all", 0)]


def test_what_is_not_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnHost:
        def __dlpack_device__(self) -> tuple[int, int]:
            return 1, 0

    monkeypatch.setattr(devices, "MODULE", "pygbt._no_such_module")  # it is not even loaded
    for x in (None, np.ones(3), [1.0], 3, "x", (1,), {}, OnHost(), object(), np.float32(1)):
        assert device_arrays.view(x) is None


def test_a_build_without_cuda_says_what_is_missing(cuda: str, monkeypatch: pytest.MonkeyPatch) -> None:
    array = Interface(device_arrays.put(np.ones(3)))
    monkeypatch.setattr(devices, "MODULE", "pygbt._no_such_module")
    with pytest.raises(NotImplementedError, match="no CUDA backend"):
        device_arrays.view(array)


def test_refusals(cuda: str) -> None:
    array = device_arrays.put(np.ones(3))
    with pytest.raises(TypeError, match=r"\.numpy\(\)"):
        np.asarray(array)
    with pytest.raises(ValueError, match="masked"):
        device_arrays.view(Interface(array, mask=array))
    with pytest.raises(BufferError, match="cuda:0"):
        array.__dlpack__(dl_device=(1, 0))
    with pytest.raises(ValueError, match="not a tensor"):
        devices.load_cuda().read_dlpack(devices.load_cuda().makers)
    with pytest.raises(TypeError, match="without dimensions"):
        len(device_arrays.put(1.0))
    with pytest.raises(ValueError, match="cuda:99"):
        device_arrays.empty(3, "f4", "cuda:99")
    assert len(array) == 3 and repr(array) == "DeviceArray(shape=(3,), dtype=float64, device='cuda:0')"


@pytest.mark.gpu
def test_memory_of_the_host_is_refused() -> None:
    x = np.ones(3)
    host = pygbt.DeviceArray(x.__array_interface__["data"][0], x.shape, x.dtype, owner=x)
    with pytest.raises(ValueError, match="not lie in the memory of a CUDA device"):
        device_arrays.view(Interface(host))


def test_memory_goes_with_its_last_user(cuda: str) -> None:
    module = devices.load_cuda()
    gc.collect()
    before = module.allocated_bytes()
    array = device_arrays.put(np.arange(1000.0))
    assert module.allocated_bytes() == before + 8000
    users = [device_arrays.view(Interface(array)), device_arrays.view(Dlpack(array, True)), array.__dlpack__()]
    kept = array.numpy()
    del array
    gc.collect()
    for user in users[:2]:
        assert user is not None and np.array_equal(user.numpy(), kept)
    assert module.allocated_bytes() == before + 8000
    users.clear()
    del user
    gc.collect()
    assert module.allocated_bytes() == before


@pytest.mark.parametrize("versioned", [False, True])
def test_a_capsule_that_a_consumer_took(cuda: str, versioned: bool) -> None:
    """The consumer renames it and calls the deleter when it is done, as the protocol has it."""
    module = devices.load_cuda()
    gc.collect()
    before = module.allocated_bytes()
    array = device_arrays.put(np.arange(3.0))
    capsule = array.__dlpack__(max_version=(1, 1) if versioned else None)
    name, deleter_at = (b"dltensor_versioned", 16) if versioned else (b"dltensor", 56)
    capsules = ctypes.pythonapi
    capsules.PyCapsule_GetPointer.restype = ctypes.c_void_p
    capsules.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    capsules.PyCapsule_SetName.argtypes = [ctypes.py_object, ctypes.c_char_p]
    tensor = capsules.PyCapsule_GetPointer(capsule, name)
    capsules.PyCapsule_SetName(capsule, b"used")
    with pytest.raises(ValueError, match="somebody has taken"):
        module.read_dlpack(capsule)
    del array, capsule
    gc.collect()
    assert module.allocated_bytes() == before + 24
    deleter = ctypes.c_void_p.from_address(tensor + deleter_at).value
    assert deleter is not None
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(deleter)(tensor)
    gc.collect()
    assert module.allocated_bytes() == before


def test_memory_that_runs_out(cuda: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = devices.load_cuda()
    gc.collect()
    before = module.allocated_bytes()
    with pytest.raises(MemoryError, match="out of memory"):
        device_arrays.empty(1 << 45, "u1", "cuda")
    assert module.allocated_bytes() == before
    assert device_arrays.put([1, 2]).numpy().tolist() == [1, 2]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_slice(data: st.DataObject) -> None:
    if EMULATED is None:
        pytest.skip("this build has no emulator")
    shape = tuple(data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=4)))
    whole = np.arange(max(1, int(np.prod(shape))), dtype=np.int16)[: int(np.prod(shape))].reshape(shape)
    parts = tuple(
        slice(data.draw(st.integers(0, 5)), None, step)
        for step in (data.draw(st.sampled_from([1, 2, 3, -1, -2])) for _ in shape)
    )
    x = whole.transpose(data.draw(st.permutations(range(len(shape)))))[parts]
    with as_cuda():
        array = strided(x, device_arrays.put(whole), whole)
        for source in (array, Interface(array), Dlpack(array, True)):
            found = device_arrays.view(source)
            assert found is not None and np.array_equal(found.numpy(), x)


def test_as_the_library_of_another(cuda: str) -> None:
    array = device_arrays.put(np.ones(3))
    assert device_arrays.like(array, object()) is array and device_arrays.like(array, np.ones(1)) is array


@pytest.mark.gpu
@pytest.mark.parametrize("library", ["cupy", "torch", "jax", "numba"])
def test_libraries_share_the_memory(library: str) -> None:
    """There and back without a copy, and what they have under way is waited for."""
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    if library == "jax":
        jax = pytest.importorskip("jax")
        template = jax.device_put(x, jax.devices("gpu")[0])
    elif library == "torch":
        template = pytest.importorskip("torch").tensor(x, device="cuda")
    elif library == "numba":
        template = pytest.importorskip("numba.cuda").to_device(x)
    else:
        template = pytest.importorskip("cupy").asarray(x)
    seen = device_arrays.view(template)
    assert seen is not None and np.array_equal(seen.numpy(), x)
    given_out = device_arrays.put(x + 1)
    theirs = device_arrays.like(given_out, template)
    assert type(theirs).__module__.partition(".")[0] == type(template).__module__.partition(".")[0]
    back = device_arrays.view(theirs)
    assert back is not None and back.pointer == given_out.pointer
    assert np.array_equal(back.numpy(), x + 1)
    if library != "numba":
        late = device_arrays.view(sum([template * i for i in range(50)], template) * 2)
        assert late is not None and np.array_equal(late.numpy(), x * (1 + sum(range(50))) * 2)
