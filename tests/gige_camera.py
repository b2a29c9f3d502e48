"""Aravis' fake GigE Vision camera on the loopback, as a process: `python tests/gige_camera.py SERIAL LOST`.

LOST packets of 1000 never leave it. It is the library's own camera; Debian's program for it comes with a desktop.
"""

from __future__ import annotations

import ctypes
import sys

from edge.adapters.camera_aravis import LIBRARY


def main() -> None:
    """Be a camera until the standard input ends."""
    arv = ctypes.CDLL(LIBRARY)
    arv.arv_gv_fake_camera_new.restype = ctypes.c_void_p
    arv.arv_gv_fake_camera_new.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
    arv.g_object_set.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_double, ctypes.c_void_p)
    arv.arv_gv_fake_camera_is_running.argtypes = (ctypes.c_void_p,)
    camera = arv.arv_gv_fake_camera_new(b"127.0.0.1", sys.argv[1].encode())
    arv.g_object_set(camera, b"gvsp-lost-ratio", int(sys.argv[2]) / 1000, None)
    print("running" if arv.arv_gv_fake_camera_is_running(camera) else "not running", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
