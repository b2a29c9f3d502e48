"""The kernel's structures, as its own header has them."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

from edge.adapters import camera_v4l2 as v4l2

STRUCTURES = {
    "v4l2_capability": v4l2.Capability,
    "v4l2_format": v4l2.Format,
    "v4l2_requestbuffers": v4l2.RequestBuffers,
    "v4l2_buffer": v4l2.Buffer,
    "v4l2_queryctrl": v4l2.ControlRange,
    "v4l2_control": v4l2.Control,
    "v4l2_streamparm": v4l2.StreamParameters,
}
OFFSETS = {
    ("v4l2_buffer", "flags"): v4l2.Buffer.flags.offset,
    ("v4l2_buffer", "timestamp"): v4l2.Buffer.timestamp.offset,
    ("v4l2_buffer", "sequence"): v4l2.Buffer.sequence.offset,
    ("v4l2_buffer", "memory"): v4l2.Buffer.memory.offset,
    ("v4l2_buffer", "m.offset"): v4l2.Buffer.offset.offset,
    ("v4l2_buffer", "length"): v4l2.Buffer.length.offset,
    ("v4l2_format", "fmt.pix.width"): v4l2.Format.fmt.offset,
    ("v4l2_format", "fmt.pix.sizeimage"): v4l2.Format.fmt.offset + v4l2.PixFormat.sizeimage.offset,
    ("v4l2_streamparm", "parm.capture.timeperframe"): v4l2.StreamParameters.numerator.offset,
    ("v4l2_queryctrl", "minimum"): v4l2.ControlRange.minimum.offset,
    ("v4l2_queryctrl", "flags"): v4l2.ControlRange.flags.offset,
    ("v4l2_capability", "device_caps"): v4l2.Capability.device_caps.offset,
}
NUMBERS = {
    "VIDIOC_QUERYCAP": v4l2.QUERYCAP,
    "VIDIOC_G_FMT": v4l2.G_FMT,
    "VIDIOC_S_FMT": v4l2.S_FMT,
    "VIDIOC_REQBUFS": v4l2.REQBUFS,
    "VIDIOC_QUERYBUF": v4l2.QUERYBUF,
    "VIDIOC_QBUF": v4l2.QBUF,
    "VIDIOC_DQBUF": v4l2.DQBUF,
    "VIDIOC_STREAMON": v4l2.STREAMON,
    "VIDIOC_STREAMOFF": v4l2.STREAMOFF,
    "VIDIOC_G_PARM": v4l2.G_PARM,
    "VIDIOC_QUERYCTRL": v4l2.QUERYCTRL,
    "VIDIOC_G_CTRL": v4l2.G_CTRL,
    "VIDIOC_S_CTRL": v4l2.S_CTRL,
    "V4L2_BUF_FLAG_ERROR": v4l2.BUFFER_ERROR,
    "V4L2_BUF_FLAG_TIMESTAMP_MASK": v4l2.TIMESTAMP_MASK,
    "V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC": v4l2.TIMESTAMP_MONOTONIC,
    "V4L2_CID_EXPOSURE_AUTO": v4l2.EXPOSURE_AUTO,
    "V4L2_EXPOSURE_MANUAL": v4l2.EXPOSURE_MANUAL,
    "V4L2_CID_EXPOSURE_ABSOLUTE": v4l2.EXPOSURE_ABSOLUTE,
    "V4L2_CID_EXPOSURE_AUTO_PRIORITY": v4l2.EXPOSURE_AUTO_PRIORITY,
    "V4L2_CID_AUTOGAIN": v4l2.AUTO_GAIN,
    "V4L2_CID_GAIN": v4l2.GAIN,
    "V4L2_CID_FOCUS_AUTO": v4l2.FOCUS_AUTO,
    "V4L2_CID_FOCUS_ABSOLUTE": v4l2.FOCUS_ABSOLUTE,
    "V4L2_CTRL_FLAG_DISABLED": v4l2.CONTROL_UNUSABLE,
    "V4L2_CAP_VIDEO_CAPTURE": v4l2.CAP_VIDEO_CAPTURE,
    "V4L2_CAP_STREAMING": v4l2.CAP_STREAMING,
    "V4L2_CAP_DEVICE_CAPS": v4l2.CAP_DEVICE_CAPS,
    "V4L2_PIX_FMT_YUYV": v4l2.fourcc("YUYV"),
    "V4L2_PIX_FMT_UYVY": v4l2.fourcc("UYVY"),
    "V4L2_PIX_FMT_GREY": v4l2.fourcc("GREY"),
    "V4L2_PIX_FMT_MJPEG": v4l2.fourcc("MJPG"),
    "V4L2_PIX_FMT_BGR24": v4l2.fourcc("BGR3"),
}


#: What a C compiler said of the header of Linux 6.1, in the order of the tables above.
RECORDED = [
    104,
    208,
    20,
    88,
    68,
    8,
    204,
    12,
    24,
    56,
    60,
    64,
    72,
    8,
    28,
    12,
    40,
    56,
    88,
    2154321408,
    3234878980,
    3234878981,
    3222558216,
    3227014665,
    3227014671,
    3227014673,
    1074026002,
    1074026003,
    3234616853,
    3225703972,
    3221771803,
    3221771804,
    64,
    57344,
    8192,
    10094849,
    1,
    10094850,
    10094851,
    9963794,
    9963795,
    10094860,
    10094858,
    1,
    1,
    67108864,
    2147483648,
    1448695129,
    1498831189,
    1497715271,
    1196444237,
    861030210,
]


def test_structures_and_numbers_are_the_kernels(tmp_path: Path) -> None:
    """Every size, offset and number that is used is what <linux/videodev2.h> says, by a C compiler if there is one."""
    expressions = [
        *(f"sizeof(struct {name})" for name in STRUCTURES),
        *(f"offsetof(struct {name}, {member})" for name, member in OFFSETS),
        *NUMBERS,
    ]
    compiler = shutil.which("cc") if Path("/usr/include/linux/videodev2.h").exists() else None
    said = RECORDED if compiler is None else ask(compiler, expressions, tmp_path)
    ours = [*map(ctypes.sizeof, STRUCTURES.values()), *OFFSETS.values(), *NUMBERS.values()]

    assert dict(zip(expressions, said, strict=True)) == dict(zip(expressions, ours, strict=True))
    assert said == RECORDED


def ask(compiler: str, expressions: list[str], folder: Path) -> list[int]:
    """What the header says."""
    lines = "".join(f'printf("%llu\\n", (unsigned long long)(unsigned)({one}));' for one in expressions)
    program = folder / "header.c"
    program.write_text(
        f"#include <stdio.h>\n#include <stddef.h>\n#include <linux/videodev2.h>\nint main(void) {{{lines}}}\n"
    )
    subprocess.run([compiler, "-o", folder / "header", program], check=True)
    said = subprocess.run([folder / "header"], capture_output=True, text=True, check=True).stdout
    return [int(line) for line in said.split()]
