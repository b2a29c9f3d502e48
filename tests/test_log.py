"""Logs: one JSON object a line on a service, and who said it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from edge import log


@pytest.fixture(autouse=True)
def _leave_no_trace() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_service_logs_one_json_object_a_line() -> None:
    """Each line names process, level, time in UTC and event, and keeps the keys that it was given."""
    out = io.StringIO()
    log.configure("inspector", stream=out)
    structlog.get_logger().info("frame rejected", reason="glare", text="a\nb")

    (line,) = out.getvalue().splitlines()
    said = json.loads(line)
    assert (said["process"], said["level"], said["event"]) == ("inspector", "info", "frame rejected")
    assert (said["reason"], said["text"]) == ("glare", "a\nb")
    assert said["timestamp"].endswith("Z")


def test_lines_below_the_level_are_not_written() -> None:
    """A station that wants warnings hears no chatter."""
    out = io.StringIO()
    log.configure("inspector", level="warning", stream=out)
    structlog.get_logger().info("frame rejected")

    assert out.getvalue() == ""


def test_a_log_on_a_full_disk_does_not_end_the_process() -> None:
    """Lines that the disk does not take are given up, one by one; nothing is raised at who says them."""
    with Path("/dev/full").open("w", encoding="utf-8", buffering=1) as full:
        log.configure("inspector", stream=full)
        for _ in range(3):
            structlog.get_logger().error("the disk is full")
        with suppress(OSError):
            full.close()

        assert full.closed
