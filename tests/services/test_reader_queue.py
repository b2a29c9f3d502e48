"""The questions that wait for the reader: none is lost, none is answered twice, the most urgent goes first."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from edge.adapters.reader_link import Question
from edge.services.reader_queue import QuestionQueue

LIMIT = 4


def asked(number: int, expires_us: int = 1000, peer: bytes = b"") -> Question:
    """A question of a station of its own, unless a peer is named."""
    return Question(f"q{number}", "read", 1, f"f{number}", b"", {}, expires_us, peer or b"p%d" % number)


#: What happens next: so much time passes, then a station asks with so much time, or so many are taken.
STEPS = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.one_of(
            st.tuples(st.just("ask"), st.integers(0, 8), st.integers(-5, 80)),
            st.tuples(st.just("take"), st.integers(1, 3), st.just(0)),
        ),
    ),
    max_size=60,
)


@given(STEPS)
def test_every_question_leaves_once_and_the_most_urgent_first(steps: list[tuple[int, tuple[str, int, int]]]) -> None:
    """Whatever is asked when, each question is taken or refused with a reason, once; no batch is too large (L12)."""
    queue, now_us, added = QuestionQueue(LIMIT), 0, 0
    left: Counter[str] = Counter()
    waiting: dict[str, Question] = {}
    for pause_us, (what, number, time_us) in steps:
        now_us += pause_us
        refused = queue.expire(now_us)
        if what == "ask":
            added += 1
            question = asked(added, now_us + time_us, b"station %d" % number)
            waiting[question.question_id] = question
            refused += queue.add(question, now_us)
        for one in refused:
            assert one.why
            left[one.question.question_id] += 1
            del waiting[one.question.question_id]
        if what == "take":
            batch = queue.take(number)
            most_urgent = sorted(waiting.values(), key=lambda question: question.expires_us)[:number]
            assert batch == most_urgent
            assert all(question.expires_us > now_us for question in batch)
            left.update(question.question_id for question in batch)
            for question in batch:
                del waiting[question.question_id]
        assert len(queue) == len(waiting) <= LIMIT
    left.update(question.question_id for question in queue.take(LIMIT))

    assert left == Counter({f"q{number}": 1 for number in range(1, added + 1)})


def test_of_equal_deadlines_the_first_to_come_goes_first() -> None:
    """The order is fair where deadlines do not decide."""
    queue = QuestionQueue()
    for number in (3, 1, 2):
        queue.add(asked(number), 0)

    assert [question.question_id for question in queue.take(9)] == ["q3", "q1", "q2"]


def test_the_limit_is_named() -> None:
    """One question more than may wait is refused at once, by the limit's name (L12)."""
    queue = QuestionQueue(1)
    queue.add(asked(1), 0)
    (refused,) = queue.add(asked(2), 0)

    assert refused.question == asked(2)
    assert "max_waiting_questions" in refused.why


def test_a_question_that_comes_again_is_one_question() -> None:
    """A question sent twice, waiting, in work or answered, is worked on once."""
    queue = QuestionQueue()
    once = [queue.add(asked(1), 0), queue.add(asked(1), 0), queue.take(9)]
    again = [queue.add(asked(1), 0), queue.take(9)]
    queue.done(asked(1))
    late = [queue.add(asked(1), 0), queue.take(9)]

    assert once == [[], [], [asked(1)]]
    assert again == late == [[], []]


def test_a_newer_question_of_a_station_takes_the_place_of_its_older() -> None:
    """A station waits for one answer: what it asked before is refused, and said so."""
    queue = QuestionQueue(1)
    queue.add(asked(1, peer=b"a"), 0)
    (refused,) = queue.add(asked(2, peer=b"a"), 0)

    assert refused.question.question_id == "q1"
    assert "newer" in refused.why
    assert [question.question_id for question in queue.take(9)] == ["q2"]


def test_how_long_the_oldest_has_waited() -> None:
    """The age is that of the question that waits longest; nothing waits: not known, never 0."""
    queue = QuestionQueue()
    empty = queue.oldest_age_us(5)
    queue.add(asked(1), 10)
    queue.add(asked(2, 500), 30)

    assert (empty, queue.oldest_age_us(50), queue.next_expiry_us()) == (None, 40, 500)
