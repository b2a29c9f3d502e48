"""`edge ask`: free questions, forms that are held to, tokens as they come, and every error in one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import pytest

from edge.cli import main
from edge.errors import ReaderError
from edge.readers import opening
from edge.readers.asking import stream
from edge.readers.drawn import drawn_frame
from tests.readers.played_vlm import PlayedAnswer, PlayedVlm


@pytest.fixture
def plate(tmp_path: Path) -> str:
    """An image file."""
    path = tmp_path / "plate.png"
    assert cv2.imwrite(str(path), drawn_frame())
    return str(path)


@pytest.fixture
def vlm(monkeypatch: pytest.MonkeyPatch) -> PlayedVlm:
    """A reader that answers "123" in three tokens, and an end that adds nothing."""
    played = PlayedVlm({}, says=("1", "2", "3", ""))
    monkeypatch.setattr(opening, "open_vlm", lambda *_, **__: played)
    return played


def test_a_free_question_is_held_to_nothing(plate: str, vlm: PlayedVlm, capsys: pytest.CaptureFixture[str]) -> None:
    """A question without a form goes to the model as it was asked, unconstrained; the answer stands alone on stdout."""
    assert main(["ask", plate, "What is this?"]) == 0

    out, err = capsys.readouterr()
    assert out == "123\n"
    assert vlm.asked == [("What is this?", None, 64)]
    assert err.startswith("first token ")
    assert "4 tokens" in err


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        (["What is the serial number? Digits only."], "[0-9]{1,64}"),
        (["Is the serial number 12345678AB? Only yes or no."], "yes|no"),
        (["What is the serial number? Digits only.", "--pattern", "[0-9]{8}"], "[0-9]{8}"),
    ],
)
def test_a_form_that_is_asked_for_holds_the_answer(
    words: list[str], pattern: str, plate: str, vlm: PlayedVlm, capsys: pytest.CaptureFixture[str]
) -> None:
    """Digits-only and yes-or-no questions are constrained; a pattern of one's own goes before."""
    assert main(["ask", "--json", "--cap", "5", plate, *words]) == 0

    found = json.loads(capsys.readouterr().out)
    assert vlm.asked == [(words[0], pattern, 5)]
    assert found["query"]["pattern"] == pattern
    assert found["query"]["fields"] == ["serial"]


def test_json_has_what_the_design_names(plate: str, vlm: PlayedVlm, capsys: pytest.CaptureFixture[str]) -> None:
    """One object: file, question, answer, why it ends, times, and how many tokens."""
    assert main(["ask", "--json", plate, "Is it AX-4711?"]) == 0

    out, err = capsys.readouterr()
    found = json.loads(out)
    assert err == ""
    assert (found["file"], found["question"], found["answer"], found["finish"], found["tokens"]) == (
        plate,
        "Is it AX-4711?",
        "123",
        "stop",
        4,
    )
    assert 0 <= found["ms"]["first_token"] <= found["ms"]["total"]
    assert found["query"]["value"] == "AX-4711"


def test_tokens_are_printed_when_they_are_decided(
    plate: str, vlm: PlayedVlm, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --stream the text is the tokens one after the other; with --json each is an object before the answer."""
    assert main(["ask", "--stream", plate, "What is this?"]) == 0
    plain = capsys.readouterr().out
    assert main(["ask", "--stream", "--json", plate, "What is this?"]) == 0
    *tokens, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())

    assert plain == "123\n"
    assert [one["token"] for one in tokens] == ["1", "2", "3"]
    assert last["answer"] == "123"


def test_a_token_comes_before_the_next_is_decided() -> None:
    """Whoever takes the first token of a stream has it while the model is still at the second."""
    may_go_on = threading.Event()

    class Slow(PlayedVlm):
        """Waits after its first token."""

        def ask(self, *args: object, **options: object) -> PlayedAnswer:
            """Say one token, wait, say the rest."""
            tell = options["on_token"]
            assert callable(tell)
            answer = super().ask(drawn_frame(), "")
            tell(0, answer.tokens[0])
            may_go_on.wait(20)
            tell(0, answer.tokens[1])
            return answer

    told = stream(Slow({}), drawn_frame(), "What?")
    first = next(told)
    may_go_on.set()
    rest = list(told)

    assert first == "1"
    assert rest[0] == "2"
    assert isinstance(rest[-1], PlayedAnswer)


def test_an_answer_that_was_cut_is_told(plate: str, vlm: PlayedVlm, capsys: pytest.CaptureFixture[str]) -> None:
    """An answer cut at its cap is shown, called cut, and ends with 1."""
    vlm.finish = "length"
    codes = [main(["ask", plate, "What is this?"])]
    err = capsys.readouterr().err
    codes.append(main(["ask", "--json", plate, "What is this?"]))

    assert codes == [1, 1]
    assert "cut after" in err
    assert json.loads(capsys.readouterr().out)["finish"] == "length"


def test_a_reader_that_fails_is_an_error(plate: str, vlm: PlayedVlm, capsys: pytest.CaptureFixture[str]) -> None:
    """A failure of the reader is one sentence and no answer; in JSON an object with its error (L3)."""
    vlm.error = ReaderError("out of memory; take a smaller model")
    codes = [main(["ask", "--stream", plate, "What?"])]
    out, err = capsys.readouterr()
    codes.append(main(["ask", "--json", plate, "What?"]))

    assert codes == [1, 1]
    assert (out, err) == ("", "edge: out of memory; take a smaller model\n")
    assert json.loads(capsys.readouterr().out) == {"file": plate, "error": "out of memory; take a smaller model"}


def test_a_bad_image_is_an_error_before_the_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An image past a limit, or none, is named at once, as everywhere."""
    monkeypatch.setattr(opening, "open_vlm", lambda *_, **__: pytest.fail("the model was loaded"))
    empty = tmp_path / "empty.png"
    empty.write_bytes(b"")

    assert main(["ask", str(empty), "What?"]) == 1
    assert main(["ask", "--json", "missing.png", "What?"]) == 1
    out, err = capsys.readouterr()
    assert "is empty (0 bytes)" in err
    assert json.loads(out)["error"].startswith("missing.png cannot be opened")


def test_strange_characters_do_not_reach_the_terminal(
    plate: str, vlm: PlayedVlm, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control characters of an answer are escaped, streamed or not."""
    vlm.says = ("a\x1b[31m", "\n", "b")
    assert main(["ask", plate, "What?"]) == 0
    assert main(["ask", "--stream", plate, "What?"]) == 0

    assert capsys.readouterr().out == "a\\x1b[31m\\nb\n" * 2


def test_without_the_extra_it_says_what_to_install(plate: str) -> None:
    """Where torch is missing, one sentence names the extra, exit 1."""
    script = (
        "import importlib.util, sys; real = importlib.util.find_spec;"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'torch' else real(name, *rest);"
        "from edge.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, "ask", plate, "What?"], capture_output=True, text=True, check=False, timeout=60
    )

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == "edge: reader vlm needs torch: pip install 'edge-inspection[vlm]'\n"


def test_a_real_model_keeps_to_the_form(plate: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model of random weights answers yes or no, told token by token, where the question asks for that."""
    pytest.importorskip("transformers")
    from tests.readers.models.small_models import glm, save

    folder = save(glm(), tmp_path / "model")
    capsys.readouterr()
    code = main(["ask", "--stream", "--json", "--model", str(folder), plate, "Is the serial number A1? yes or no"])
    *tokens, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())

    assert code == 0
    assert last["answer"] in {"yes", "no", "none"}
    assert "".join(one["token"] for one in tokens) == last["answer"]
    assert tokens[0]["ms"] == last["ms"]["first_token"]
