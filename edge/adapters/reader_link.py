"""Frames from inspectors to the reader process, and its answers back. One reader may serve several stations of a PC.

Laws of this link:

1. A question has an id and at most one answer that counts: `ReaderLink.receive` gives only the answer to the newest
   question; older ones are dropped and counted.
2. The frame's own bytes travel with every question, so that a reader that was restarted in between knows all it needs;
   whenever a reader process appears it says hello, and a question that is still open and in time is sent again.
3. A question carries the moment after which nobody waits for its answer; what is not begun by then is answered as
   failed (L12).
4. Failure is an answer of its own (`ReadFailure`), never an empty reading (law L3).
5. A question carries its station's product: what is read is what its asker makes, whoever started the reader, and when.
6. A guest's question (`guest`: by the panel, not by a station) waits behind every station's, is broken off for it and
   begun again, and may be called off.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import zmq
from pydantic import TypeAdapter, ValidationError

from edge.adapters import sockets
from edge.core.inside import Inside
from edge.core.quality import Quality
from edge.core.reading import FreeAnswer, Reading

Task = Literal["judge", "read", "ask", "inside"]
#: Whose fault it is that a question was not answered.
#: "answer" is the model's, which said what its question profile does not allow.
Fault = Literal["reader", "image", "question", "busy", "late", "answer"]

SOCKET = "reader"

_NOT_UNDERSTOOD = "the reader does not understand the question: it is of another version of edge; restart it"

#: Answers and pieces of answers that wait for one peer to take them.
_MAX_UNSENT = 256


@dataclass(frozen=True, slots=True)
class Question:
    """One task on one frame: measure its quality, or read it. `image` is the encoded frame.

    `product` is the station's product file as JSON; empty: the reader's own. `expires_us` is CLOCK_MONOTONIC. The task
    "ask", which only guests have, is a free `question`, held to `pattern`, answered with at most `cap` tokens.
    A question `profile` (as JSON) says how it is asked and what its answer may be, in the place of pattern and cap.
    "inside", theirs too, asks what the model does for such a question, or for a `field`; in one `layer`, or in all.
    """

    question_id: str
    task: Task
    attempt: int
    frame_id: str
    image: bytes
    draft: Mapping[str, str]
    expires_us: int
    peer: bytes = b""
    product: str = ""
    guest: bool = False
    question: str = ""
    pattern: str | None = None
    cap: int = 64
    field: str = ""
    layer: int | None = None
    profile: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A guest's frame as read: its quality beside its reading, and the milliseconds that the quality took."""

    quality: Quality
    reading: Reading
    gate_ms: float


_QUESTION = TypeAdapter(Question)
_ANSWERS: Mapping[type, TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (Quality, Reading, FreeAnswer, Judged, Inside)
}


@dataclass(frozen=True, slots=True)
class ReadFailure:
    """The reader could not do its work; `why` is one sentence."""

    attempt: int
    why: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The reader's answer to one attempt's question."""

    attempt: int
    what: Quality | Reading


class ReaderLink:
    """The inspector's end. One question is open at a time; a new one replaces it. Poll `socket`, then `receive`."""

    def __init__(self, runtime_dir: Path, *, product: str = "", context: sockets.Context | None = None) -> None:
        """Connect to the reader of that runtime folder; `product` goes with every question."""
        self.num_dropped = 0
        self._product = product
        self._ids = (f"{time.monotonic_ns():x}-{number}" for number in itertools.count(1))
        self._open: Question | None = None
        self.socket = sockets.open_socket(context, zmq.DEALER)
        sockets.connect(self.socket, runtime_dir, SOCKET)

    def reads(self, product: str) -> None:
        """From the next question on, let this product be read."""
        self._product = product

    def ask(
        self, task: Task, attempt: int, frame_id: str, image: bytes, *, timeout_us: int, draft: Mapping[str, str]
    ) -> None:
        """Ask one question; never blocks. The answer comes by `receive`, or not at all: keep a timer."""
        expires_us = now_us() + timeout_us
        self._open = Question(next(self._ids), task, attempt, frame_id, image, draft, expires_us, product=self._product)
        self._send(self._open)

    def receive(self) -> Answered | ReadFailure | None:
        """The answer to the open question, or None when it has not come yet; never blocks."""
        while True:
            try:
                parts = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return None
            header = _parse_json(parts[0])
            if header.get("kind") == "hello":
                if self._open is not None and now_us() < self._open.expires_us:
                    self._send(self._open)
                continue
            if self._open is None or header.get("question_id") != self._open.question_id:
                self.num_dropped += 1
                continue
            question, self._open = self._open, None
            return _parse_answer(question, header, parts)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def _send(self, question: Question) -> None:
        header = {
            "question_id": question.question_id,
            "task": question.task,
            "attempt": question.attempt,
            "frame_id": question.frame_id,
            "draft": dict(question.draft),
            "expires_us": question.expires_us,
            "product": question.product,
        }
        try:
            self.socket.send_multipart([json.dumps(header).encode(), question.image], zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return  # nobody is there: the next hello sends it


class ReaderDesk:
    """The reader process's end: gives the questions that were asked, sends their answers."""

    def __init__(self, runtime_dir: Path, *, context: sockets.Context | None = None) -> None:
        self.num_bad_questions = 0
        self._called_off: list[tuple[bytes, str]] = []
        self.socket = sockets.open_socket(context, zmq.ROUTER)
        self.socket.setsockopt(zmq.SNDHWM, _MAX_UNSENT)
        sockets.bind(self.socket, runtime_dir, SOCKET)

    def receive(self) -> Question | None:
        """The next question, or None; never blocks. One that is not understood is answered as failed at once."""
        while True:
            try:
                peer, *parts = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return None
            if parts == [b""]:
                self._send(peer, {"kind": "hello"})
                continue
            header = _parse_json(parts[0])
            if header.get("kind") == "call_off":
                self._called_off.append((peer, str(header.get("question_id"))))
                continue
            question = _parse_question(parts, peer)
            if question is not None:
                return question
            self.num_bad_questions += 1
            if isinstance(question_id := header.get("question_id"), str):
                self._send(peer, {"kind": "failure", "question_id": question_id, "why": _NOT_UNDERSTOOD})

    def called_off(self) -> list[tuple[bytes, str]]:
        """The peers and ids of questions that nobody waits for any more, since the last call."""
        gone, self._called_off = self._called_off, []
        return gone

    def answer(self, question: Question, what: Quality | Reading | FreeAnswer | Judged | Inside) -> None:
        """Send the answer; one that nobody waits for any more is lost, which its asker's timer covers."""
        body = next(adapter for kind, adapter in _ANSWERS.items() if isinstance(what, kind)).dump_json(what)
        self._send(question.peer, {"kind": "answer", "question_id": question.question_id}, body)

    def piece(self, question: Question, text: str) -> None:
        """Send a piece of the answer ahead; the whole one holds it again, so that a lost piece costs nothing."""
        self._send(question.peer, {"kind": "piece", "question_id": question.question_id, "text": text})

    def fail(self, question: Question, why: str, fault: Fault = "reader") -> None:
        """Say that this question could not be answered."""
        told = {"kind": "failure", "question_id": question.question_id, "why": why, "fault": fault}
        self._send(question.peer, told)

    def close(self) -> None:
        """Close the socket; open questions, and lost answers, are asked for again of the next reader process."""
        self.socket.close()

    def _send(self, peer: bytes, header: Mapping[str, Any], *bodies: bytes) -> None:
        try:
            self.socket.send_multipart([peer, json.dumps(header).encode(), *bodies], zmq.NOBLOCK)
        except zmq.Again:
            return


def _parse_answer(question: Question, header: Mapping[str, Any], parts: list[bytes]) -> Answered | ReadFailure:
    if header.get("kind") == "failure":
        return ReadFailure(question.attempt, str(header.get("why")))
    try:
        kind = Quality if question.task == "judge" else Reading
        return Answered(question.attempt, _ANSWERS[kind].validate_json(parts[1]))
    except (ValidationError, IndexError) as error:
        return ReadFailure(question.attempt, f"the reader's answer cannot be understood ({type(error).__name__})")


def _parse_question(parts: list[bytes], peer: bytes) -> Question | None:
    try:
        return _QUESTION.validate_python({**_parse_json(parts[0]), "image": parts[1], "peer": peer})
    except (ValidationError, IndexError):
        return None


def _parse_json(data: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(data)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def now_us() -> int:
    """The clock that questions expire by, the same in every process of a PC (CLOCK_MONOTONIC)."""
    return time.monotonic_ns() // 1000
