"""GigE Vision and USB3 Vision cameras of any maker through Aravis, the free library (Debian: libaravis-0.8-0).

Only the link: what a frame is worth is decided in `camera_genicam`. The library is called by ctypes, each function with
its types in one table, since its Python binding (PyGObject) belongs to the system's Python and not to edge's. Buffers
are popped by the one thread that uses the camera; Aravis fills them in threads of its own, which never call Python.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint, c_uint32, c_uint64, c_void_p
from typing import Any

from edge.adapters.camera import CameraLostError
from edge.adapters.camera_genicam import GenicamBuffer, choose_serial
from edge.adapters.camera_pixels import PFNC_NAMES
from edge.errors import CameraError, ConfigError

LIBRARY = "libaravis-0.8.so.0"
#: One is filled while another that came late waits; a camera that is triggered one by one needs no more.
NUM_BUFFERS = 4
#: ArvBufferStatus, by what it means for the frame; 0 is success.
_STATUS = {
    -1: "its state is unknown",
    1: "it was never filled",
    2: "packets did not come in time",
    3: "packets are missing",
    4: "packets have wrong numbers",
    5: "it is larger than the camera said",
    6: "it is still being filled",
    7: "its filling was given up",
}


class _Error(ctypes.Structure):
    """GError."""

    _fields_ = (("domain", c_uint32), ("code", c_int), ("message", c_char_p))


_Failure = POINTER(_Error)
_Out = POINTER(_Failure)

#: Every function that is used: what it gives, and what it takes.
_FUNCTIONS: dict[str, tuple[Any, Sequence[Any]]] = {
    "arv_update_device_list": (None, ()),
    "arv_get_n_devices": (c_uint, ()),
    "arv_get_device_id": (c_char_p, (c_uint,)),
    "arv_get_device_model": (c_char_p, (c_uint,)),
    "arv_get_device_serial_nbr": (c_char_p, (c_uint,)),
    "arv_camera_new": (c_void_p, (c_char_p, _Out)),
    "arv_camera_get_device": (c_void_p, (c_void_p,)),
    "arv_camera_is_feature_available": (c_int, (c_void_p, c_char_p, _Out)),
    "arv_camera_get_float": (c_double, (c_void_p, c_char_p, _Out)),
    "arv_camera_set_float": (None, (c_void_p, c_char_p, c_double, _Out)),
    "arv_camera_get_float_bounds": (None, (c_void_p, c_char_p, POINTER(c_double), POINTER(c_double), _Out)),
    "arv_camera_get_integer": (c_int64, (c_void_p, c_char_p, _Out)),
    "arv_camera_set_integer": (None, (c_void_p, c_char_p, c_int64, _Out)),
    "arv_camera_get_integer_bounds": (None, (c_void_p, c_char_p, POINTER(c_int64), POINTER(c_int64), _Out)),
    "arv_camera_set_string": (None, (c_void_p, c_char_p, c_char_p, _Out)),
    "arv_camera_execute_command": (None, (c_void_p, c_char_p, _Out)),
    "arv_camera_get_payload": (c_uint, (c_void_p, _Out)),
    "arv_camera_create_stream": (c_void_p, (c_void_p, c_void_p, c_void_p, _Out)),
    "arv_camera_start_acquisition": (None, (c_void_p, _Out)),
    "arv_camera_stop_acquisition": (None, (c_void_p, _Out)),
    "arv_device_get_feature": (c_void_p, (c_void_p, c_char_p)),
    "arv_device_dup_available_enumeration_feature_values_as_strings": (
        POINTER(c_char_p),
        (c_void_p, c_char_p, POINTER(c_uint), _Out),
    ),
    "arv_device_set_boolean_feature_value": (None, (c_void_p, c_char_p, c_int, _Out)),
    "arv_gc_float_get_type": (c_size_t, ()),
    "arv_stream_push_buffer": (None, (c_void_p, c_void_p)),
    "arv_stream_timeout_pop_buffer": (c_void_p, (c_void_p, c_uint64)),
    "arv_stream_try_pop_buffer": (c_void_p, (c_void_p,)),
    "arv_buffer_new_allocate": (c_void_p, (c_size_t,)),
    "arv_buffer_get_status": (c_int, (c_void_p,)),
    "arv_buffer_get_image_data": (c_void_p, (c_void_p, POINTER(c_size_t))),
    "arv_buffer_get_image_pixel_format": (c_uint32, (c_void_p,)),
    "arv_buffer_get_image_width": (c_int, (c_void_p,)),
    "arv_buffer_get_image_height": (c_int, (c_void_p,)),
    "arv_buffer_get_timestamp": (c_uint64, (c_void_p,)),
    "arv_buffer_get_frame_id": (c_uint64, (c_void_p,)),
    # GLib's own, which libaravis brings with it.
    "g_object_unref": (None, (c_void_p,)),
    "g_clear_error": (None, (_Out,)),
    "g_type_check_instance_is_a": (c_int, (c_void_p, c_size_t)),
    "g_free": (None, (c_void_p,)),
}


class AravisLink:
    """The camera of this serial number; without one, the only camera that Aravis finds.

    Raises:
        ConfigError: the library is not installed.
    """

    def __init__(self, serial: str | None) -> None:
        self._serial = serial
        self._arv: Any = _library()
        self._camera: int | None = None
        self._stream: int | None = None
        self._gone = False

    def connect(self) -> tuple[str, str]:
        """Find the device and open it.

        Raises:
            CameraLostError: it is not found, or used by another program.
        """
        self._gone = False
        self._arv.arv_update_device_list()
        found = {
            _text(self._arv.arv_get_device_serial_nbr(at)): (
                self._arv.arv_get_device_id(at),
                _text(self._arv.arv_get_device_model(at)),
            )
            for at in range(self._arv.arv_get_n_devices())
        }
        serial = choose_serial(self._serial, sorted(found), "Aravis")
        device_id, model = found[serial]
        error = _Failure()
        self._camera = self._arv.arv_camera_new(device_id, byref(error)) or None
        said = self._said(error)
        if said or self._camera is None:
            raise CameraLostError(
                f"camera {serial} cannot be opened ({said or 'no answer'}): end the program that uses it"
            )
        return model, serial

    def has(self, name: str) -> bool:
        """Whether the feature can be used now."""
        return bool(self._call("be asked for its features", "arv_camera_is_feature_available", name.encode()))

    def number(self, name: str) -> float:
        """A feature's number."""
        kind = "float" if self._is_float(name) else "integer"
        return float(self._call(f"say its {name}", f"arv_camera_get_{kind}", name.encode()))

    def bounds(self, name: str) -> tuple[float, float]:
        """Least and most of a feature."""
        made, kind = (c_double, "float") if self._is_float(name) else (c_int64, "integer")
        least, most = made(), made()
        self._call(
            f"say the bounds of {name}", f"arv_camera_get_{kind}_bounds", name.encode(), byref(least), byref(most)
        )
        return float(least.value), float(most.value)

    def set_number(self, name: str, value: float) -> None:
        """Set a feature; a whole one to the nearest whole number."""
        doing = f"set {name} to {value:g}"
        if self._is_float(name):
            self._call(doing, "arv_camera_set_float", name.encode(), value)
        else:
            self._call(doing, "arv_camera_set_integer", name.encode(), round(value))

    def choose(self, name: str, value: str) -> bool:
        """Set an enumeration, where it has this entry."""
        if not self.has(name):
            return False
        count, error = c_uint(), _Failure()
        device = self._arv.arv_camera_get_device(self._camera)
        entries = self._arv.arv_device_dup_available_enumeration_feature_values_as_strings(
            device, name.encode(), byref(count), byref(error)
        )
        known = {entries[at] for at in range(count.value)} if not self._said(error) and entries else set()
        self._arv.g_free(ctypes.cast(entries, c_void_p))
        if value.encode() not in known:
            return False
        self._call(f"set {name} to {value}", "arv_camera_set_string", name.encode(), value.encode())
        return True

    def switch(self, name: str, *, on: bool) -> bool:
        """Switch a feature on or off."""
        # Chunks are not asked for: no device of the tests has them, so nobody could say that they are read right. Frame
        # id and time stamp come with every frame of GigE Vision and USB3 Vision without them.
        if name == "ChunkModeActive" or not self.has(name):
            return False
        error = _Failure()
        device = self._arv.arv_camera_get_device(self._camera)
        self._arv.arv_device_set_boolean_feature_value(device, name.encode(), on, byref(error))
        self._fail(f"switch {name} {'on' if on else 'off'}", error)
        return True

    def write(self, name: str, value: str) -> None:
        """Set a text or an enumeration."""
        self._call(f"set {name} to {value}", "arv_camera_set_string", name.encode(), value.encode())

    def begin(self) -> None:
        """Open a stream with fresh buffers and begin the acquisition."""
        size = self._call("say the size of its frames", "arv_camera_get_payload")
        self._stream = self._call("open a stream", "arv_camera_create_stream", None, None) or None
        if self._stream is None:
            raise CameraLostError(f"{self._name()} opens no stream: check its network")
        for _ in range(NUM_BUFFERS):
            self._arv.arv_stream_push_buffer(self._stream, self._arv.arv_buffer_new_allocate(size))
        self._call("begin to expose", "arv_camera_start_acquisition")

    def end(self) -> None:
        """End the acquisition and throw the stream away, with every buffer in it."""
        try:
            self._call("stop exposing", "arv_camera_stop_acquisition")
        finally:
            self._drop_stream()

    def wait_ready(self, timeout_ms: int) -> bool:  # noqa: ARG002 - Aravis offers no question for it
        """Aravis does not tell: a trigger that the camera did not take shows as a frame that is missed."""
        return True

    def trigger(self) -> None:
        """Order one exposure."""
        self._call("take a trigger", "arv_camera_execute_command", b"TriggerSoftware")

    def grab(self, timeout_ms: int) -> GenicamBuffer | None:
        """The oldest buffer, copied."""
        if self._stream is None:
            raise CameraLostError(f"{self._name()} is not open")
        found = (
            self._arv.arv_stream_timeout_pop_buffer(self._stream, timeout_ms * 1000)
            if timeout_ms > 0
            else self._arv.arv_stream_try_pop_buffer(self._stream)
        )
        if not found:
            return None
        try:
            return self._buffer(found)
        finally:
            self._arv.arv_stream_push_buffer(self._stream, found)

    def close(self) -> None:
        """Close the device. One that is gone is let go in the background: each goodbye waits 2.5 s for an answer."""
        if self._gone:
            left, self._stream, self._camera = (self._stream, self._camera), None, None
            threading.Thread(target=_release, args=(self._arv, left), name="aravis release", daemon=True).start()
            return
        if self._camera is not None:
            with contextlib.suppress(CameraError):
                self._call("stop exposing", "arv_camera_stop_acquisition")
        self._drop_stream()
        camera, self._camera = self._camera, None
        if camera is not None:
            self._arv.g_object_unref(camera)

    def _drop_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            self._arv.g_object_unref(stream)

    def _buffer(self, found: int) -> GenicamBuffer:
        arv = self._arv
        frame_id, stamp_ns = int(arv.arv_buffer_get_frame_id(found)), int(arv.arv_buffer_get_timestamp(found))
        status = int(arv.arv_buffer_get_status(found))
        if status != 0:
            return GenicamBuffer(_STATUS.get(status, f"status {status}"), b"", "", 0, 0, frame_id=frame_id)
        size = c_size_t()
        where = arv.arv_buffer_get_image_data(found, byref(size))
        code = int(arv.arv_buffer_get_image_pixel_format(found))
        return GenicamBuffer(
            problem="",
            data=ctypes.string_at(where, size.value) if where else b"",
            pixel_format=PFNC_NAMES.get(code, f"{code:#010x}"),
            width_px=int(arv.arv_buffer_get_image_width(found)),
            height_px=int(arv.arv_buffer_get_image_height(found)),
            frame_id=frame_id,
            camera_ns=stamp_ns or None,
        )

    def _is_float(self, name: str) -> bool:
        device = self._arv.arv_camera_get_device(self._open())
        node = self._arv.arv_device_get_feature(device, name.encode())
        return bool(node) and bool(self._arv.g_type_check_instance_is_a(node, self._arv.arv_gc_float_get_type()))

    def _call(self, doing: str, function: str, *arguments: Any) -> Any:
        error = _Failure()
        given = getattr(self._arv, function)(self._open(), *arguments, byref(error))
        self._fail(doing, error)
        return given

    def _open(self) -> int:
        if self._camera is None:
            raise CameraLostError(f"{self._name()} is not open")
        return self._camera

    def _fail(self, doing: str, error: Any) -> None:
        if said := self._said(error):
            # GenTL-like errors of the network (a time-out, no access) mean that the device is gone; a refused value
            # comes back as an answer of the device.
            gone = any(word in said.lower() for word in ("timeout", "timed out", "not connected", "access denied"))
            sentence = f"{self._name()} cannot {doing} ({said})"
            if gone:
                self._gone = True
                raise CameraLostError(f"{sentence}: check its power and cable")
            raise CameraError(sentence)

    def _said(self, error: Any) -> str:
        """The library's own sentence, and its memory given back; empty where nothing failed."""
        if not error:
            return ""
        text = _text(error.contents.message)[:200]
        self._arv.g_clear_error(byref(error))
        return text or "no reason told"

    def _name(self) -> str:
        return f"camera {self._serial}" if self._serial else "the camera"


def _release(arv: Any, left: tuple[int | None, ...]) -> None:
    for one in left:
        if one is not None:
            arv.g_object_unref(one)


def _text(raw: bytes | None) -> str:
    return "" if raw is None else " ".join(raw.decode(errors="replace").split())


def _library() -> Any:
    try:
        arv = ctypes.CDLL(LIBRARY)
    except OSError:
        raise ConfigError(f"a camera of kind aravis needs {LIBRARY}: apt-get install libaravis-0.8-0") from None
    for name, (gives, takes) in _FUNCTIONS.items():
        function = getattr(arv, name)
        function.restype, function.argtypes = gives, takes
    return arv
