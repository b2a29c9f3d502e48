"""Text lines to fields: which text is the model, which the serial number, and why. Pure, and never an invention.

A value needs evidence: a key word that it belongs to, the product's pattern, or, for a model only, its shape and
place. Without any the field is empty. A text that stands at a field's key is told even where it breaks the pattern
(law L7): the core decides what that means. `WEIGHTS` turns the features of `candidates` into one score; 0 is the
threshold, which is what the answer "nothing there" scores.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from itertools import combinations

from edge.core.fields import FieldRule, Product, propose, violation
from edge.core.reading import FieldReading, TextLine
from edge.readers.linking.candidates import Candidate, candidates, surer_print, together
from edge.readers.linking.keys.keywords import FIELDS, fold, lexicon_of
from edge.readers.linking.links import RELATIONS, links
from edge.readers.linking.misprints import keyless, misprint
from edge.readers.linking.page.layout import Page, lay_out
from edge.readers.linking.surroundings import Surroundings
from edge.readers.linking.unread import printed_twice, with_key

#: What each feature is worth, by field, for candidates at a key ("keyed") and without one ("free"); the threshold is 0.
#: Fields of other names use "other". Trained by `training/linking/train.py` on made-up pages; "other" and what only a
#: product's pattern can say are set by hand.
WEIGHTS: Mapping[str, Mapping[str, Mapping[str, float]]] = json.loads(
    resources.files(__package__).joinpath("weights.json").read_text(encoding="utf-8")
)


_Scored = tuple[float, Candidate]

#: Fields speak for each other ("together"); the choice is settled after this many rounds or taken as it is.
_ROUNDS = 3
#: So many text heights apart two texts stand near each other.
_NEAR = 3.0
#: So much short of the threshold the only text of a model's form may be.
_MOST_SHORT = 1.0
#: From here on a key of another kind holds a text, as far as that is the plate's habit.
_HELD = 0.5
#: So well a value stands at what is left of a key before it is told.
_STANDS_WELL = 2.0
#: So many of a field's best candidates are looked at where another field wants the same text.
_RIVALS = 6


def link(lines: Sequence[TextLine], product: Product, size_px: tuple[int, int]) -> dict[str, FieldReading]:
    """Find every field of a product among the lines of one frame.

    Args:
        lines: what stands on the frame, in any order.
        product: the fields wanted, with their patterns and own key words.
        size_px: width and height of the frame.

    Returns:
        A reading for every field of the product; its text is empty where nothing is there.
    """
    del size_px  # Sizes are told in text heights; the frame's own says nothing about a plate in it.
    around, gathered = gather(lines, product)
    page = around.page
    found = {name: [(_score(name, candidate), candidate) for candidate in those] for name, those in gathered.items()}
    if "serial" in found:
        found["serial"] = _less_chance(around, found)
    chosen: dict[str, _Scored] = {}
    for _ in range(_ROUNDS):
        before = dict(chosen)
        for name, scored in found.items():
            chosen.pop(name, None)
            ranked = _ranked(name, scored, chosen)
            if ranked and ranked[0][0] > 0:
                chosen[name] = ranked[0]
        if chosen == before:
            break
    _settle(found, chosen)
    _come_home(found, chosen)
    if "model" in found and "model" not in chosen and (only := _only_fit(found["model"], chosen)):
        chosen["model"] = only
    readings = {}
    for name, rule in product.fields.items():
        others = {other: held for other, held in chosen.items() if other != name}
        ranked = _ranked(name, found[name], others)
        if name in chosen:
            score, best = chosen[name]
            ranked = [pair for pair in ranked if not any(_overlap(pair[1], held) for _, held in others.values())]
            reading = _reading(page, rule, [(score, surer_print(around, rule, best)), *_behind(ranked, best)])
        else:
            told = misprint(around, rule) or _at_unread_key(around, product, name, others)
            reading = told or FieldReading(name, why=_why_nothing(page, name, ranked))
        if page.left_out:
            reading = replace(reading, why=f"{reading.why}; {page.left_out} lines over the limit were not looked at")
        readings[name] = reading
    return readings


def _only_fit(models: Sequence[_Scored], chosen: Mapping[str, _Scored]) -> _Scored | None:
    """Give the one text of a page that has the form of the product's models, where that is not met by chance.

    It stands too near other keys to be sure by itself. For a serial number that is too little: an order code may have
    the same form.
    """
    fitting = [(score, one) for score, one in models if one.fits and one.features["specific"] == 1]
    score, best = max(fitting, key=lambda pair: pair[0], default=(0.0, None))
    if best is None or score <= -_MOST_SHORT or len({one.text for _, one in fitting}) > 1 or _is_others(best):
        return None
    return None if any(_overlap(best, held) for _, held in chosen.values()) else (0.0, best)


def _come_home(found: Mapping[str, Sequence[_Scored]], chosen: dict[str, _Scored]) -> None:
    """Give the model on the serial number's plate for one at a key of another plate, where one would do by itself.

    A part beside the plate has a key of its own, which outweighs any form and place of the model whose key is unread.
    """
    away = chosen.get("model")
    if away is None or away[1].link is None or not away[1].features["elsewhere"]:
        return
    others = {name: held for name, held in chosen.items() if name != "model"}
    at_home = [pair for pair in found["model"] if not pair[1].features["elsewhere"]]
    ranked = _ranked("model", at_home, others)
    if ranked and ranked[0][0] > 0:
        chosen["model"] = ranked[0]


def _is_others(one: Candidate) -> bool:
    """Say whether another kind's key holds a text as keys do on the plate, and is not its own first letters."""
    return one.features["theirs"] > _HELD and one.segments[0][1] >= one.piece.start


def _less_chance(around: Surroundings, found: Mapping[str, list[_Scored]]) -> list[_Scored]:
    """Leave out the serial numbers without a key that may fit by chance ("286998").

    That is where a key stands with its number hidden, where two would do, and on a plate with keys wherever no text of
    another field stands near.
    """
    serials = found["serial"]
    if any(score > 0 and one.link for score, one in serials):
        return serials
    would_do = {one.text for score, one in serials if score > 0 and _may_be_chance(one)}
    if "serial" in around.named or len(would_do) > 1:
        return [pair for pair in serials if not _may_be_chance(pair[1])]
    # Where no other field is asked for, none can stand near.
    if len(found) == 1 or not any(piece.kind in FIELDS or piece.separated for piece in around.page.pieces):
        return serials
    others = [one for name, those in found.items() if name != "serial" for score, one in those if score > 0]
    return [pair for pair in serials if not _may_be_chance(pair[1]) or any(_near(pair[1], one) for one in others)]


def _may_be_chance(one: Candidate) -> bool:
    """Say whether no key holds a text, and many others would fit the pattern as well.

    What is printed twice and is not plain and short is what the plate repeats under a bar code.
    """
    specific = one.features["specific"]
    return one.link is None and specific < 1 and not (specific and one.features["twice"])


def _near(one: Candidate, other: Candidate) -> bool:
    """Say whether two texts stand next to each other, or a line apart."""
    a, b = one.piece.rect, other.piece.rect
    reach = _NEAR * max(a.height, b.height)
    return (
        one.text not in other.text
        and one.piece.turn == other.piece.turn
        and max(a.left - b.right, b.left - a.right) < reach
        and max(a.top - b.bottom, b.top - a.bottom) < reach
    )


def _at_unread_key(
    around: Surroundings, product: Product, name: str, others: Mapping[str, _Scored]
) -> FieldReading | None:
    """Give the serial number that stands at what is left of its key, or that is printed twice; None where none is."""
    rule = product.fields[name]
    if name != "serial" or rule.pattern is not None or name in around.named:
        return None
    found: dict[str, tuple[Page, _Scored, str]] = {}
    for key, page in with_key(around.page, around.turn, name, around.lexicon):
        told = Surroundings(page, links(page, product.fields.keys()), around.lexicon)
        scored = [(_score(name, one), one) for one in candidates(told, rule) if one.link and one.link.key is key]
        ranked = _ranked(name, scored, others)
        if ranked and ranked[0][0] > _STANDS_WELL:
            found[ranked[0][1].text] = (page, ranked[0], page.lines[key.line].text)
    if len(found) == 1:
        page, best, left = next(iter(found.values()))
        reading = _reading(page, rule, [best])
        return replace(reading, why=f'key hardly read ("{left}"); {reading.why}')
    code = printed_twice(around, others["model"][1].text) if "model" in others else None
    return keyless(around.page, rule, code, "no key; printed twice, and nothing else is") if code else None


def _settle(found: Mapping[str, Sequence[_Scored]], chosen: dict[str, _Scored]) -> None:
    """Give two fields that want one text the pair of candidates that scores most together; one may be nothing."""
    best = {name: sorted(scored, key=lambda pair: -pair[0])[:_RIVALS] for name, scored in found.items()}
    for one, other in combinations(found, 2):
        if not best[one] or not best[other] or best[one][0][0] <= 0 or best[other][0][0] <= 0:
            continue
        first, second = best[one][0][1], best[other][0][1]
        if not _overlap(first, second) and not _same(one, first, other, second):
            continue
        others = {name: held for name, held in chosen.items() if name not in (one, other)}
        firsts = [(0.0, None), *(pair for pair in _ranked(one, best[one], others) if pair[0] > 0)]
        seconds = [(0.0, None), *(pair for pair in _ranked(other, best[other], others) if pair[0] > 0)]
        pairs = (
            (a + b + _beside(one, other, x, y), (a, x), (b, y))
            for a, x in firsts
            for b, y in seconds
            if x is None or y is None or not (_overlap(x, y) or _same(one, x, other, y))
        )
        _, *taken = max(pairs, key=lambda pair: pair[0])
        for name, (score, candidate) in zip((one, other), taken, strict=True):
            chosen.pop(name, None)
            if candidate is not None:
                chosen[name] = (score, candidate)


def _behind(ranked: Sequence[_Scored], best: Candidate) -> list[_Scored]:
    return [pair for pair in ranked if pair[1] is not best and pair[1].text != best.text]


def _beside(one: str, other: str, x: Candidate | None, y: Candidate | None) -> float:
    """Give what two candidates are worth to each other for standing together."""
    if x is None or y is None:
        return 0.0
    return (weights_of(one, x)["together"] + weights_of(other, y)["together"]) * together(x, y)


def gather(lines: Sequence[TextLine], product: Product) -> tuple[Surroundings, dict[str, list[Candidate]]]:
    """Give what is the same for all candidates of a page, and every field's candidates with their features."""
    lexicon = lexicon_of(product)
    page = lay_out(lines, lexicon)
    around = Surroundings(page, links(page, product.fields.keys()), lexicon)
    return around, {name: candidates(around, rule) for name, rule in product.fields.items()}


def weights_of(name: str, candidate: Candidate) -> Mapping[str, float]:
    """Give the weights that count for a candidate of a field."""
    return WEIGHTS.get(name, WEIGHTS["other"])["free" if candidate.link is None else "keyed"]


def _score(name: str, candidate: Candidate) -> float:
    """Add up what speaks for a candidate by itself."""
    weights = weights_of(name, candidate)
    return weights["bias"] + sum(weights[feature] * value for feature, value in candidate.features.items() if value)


def _ranked(name: str, found: Sequence[_Scored], chosen: Mapping[str, _Scored]) -> list[_Scored]:
    """Order one field's candidates, best first, less those that another field holds with a better score."""
    free = []
    for alone, candidate in found:
        weight = weights_of(name, candidate)["together"]
        near = max((together(candidate, other) for _, other in chosen.values()), default=0.0) if weight else 0.0
        score = alone + weight * near
        if not any(
            held >= score and (_overlap(candidate, other) or _same(name, candidate, at, other))
            for at, (held, other) in chosen.items()
        ):
            free.append((score, candidate))
    return sorted(free, key=lambda pair: (-pair[0], -len(pair[1].text)))


def _overlap(one: Candidate, other: Candidate) -> bool:
    return any(
        line == line_ and start < end_ and start_ < end
        for line, start, end in one.segments
        for line_, start_, end_ in other.segments
    )


def _same(name: str, one: Candidate, at: str, other: Candidate) -> bool:
    """Say whether one text, printed twice, would be both the model and the serial number: no plate has one for both."""
    return {name, at} == set(FIELDS) and fold(one.text) == fold(other.text)


def _reading(page: Page, rule: FieldRule, ranked: Sequence[_Scored]) -> FieldReading:
    value, best = ranked[0]
    cut = len(best.text) > rule.max_new_tokens
    proposals = propose(best.text, rule) if rule.pattern is not None and not best.fits and not cut else None
    characters = best.characters(page)
    why = [_place(best), _form(best, rule)]
    if best.left_out:
        why.append(f'left out "{best.left_out}"')
    why.append(f"score {value:.1f}")
    other = next((pair for pair in ranked[1:] if pair[0] > 0), None)
    if other is not None:
        why.append(f'runner-up "{other[1].text}" ({_place(other[1])}) is {value - other[0]:.1f} behind')
    else:
        why.append("runner-up is nothing")
    if proposals is not None and not proposals.complete:
        why.append("more texts were possible than were proposed")
    return FieldReading(
        name=rule.name,
        raw=best.raw[: rule.max_new_tokens] if cut else best.raw,
        text=best.text[: rule.max_new_tokens] if cut else best.text,
        rule=best.rule,
        characters=characters[: rule.max_new_tokens] if cut else characters,
        box=best.box(page),
        finish_reason="length" if cut else "stop",
        why="; ".join(part for part in why if part),
        alternatives=proposals.texts if proposals else (),
        measures={"link": round(value - max(other[0] if other else 0.0, 0.0), 3)},
    )


def _place(candidate: Candidate) -> str:
    if candidate.link is None:
        return "no key" if candidate.fits else "no key, by shape and place"
    sides = dict.fromkeys(RELATIONS, "") | {"inline": "after", "right": "right of", "below": "below", "above": "above"}
    place = f'{sides[candidate.link.relation]} key "{candidate.link.key.text}"'
    return (
        f'printed again without a key; "{candidate.instead}" {place} is read less surely'
        if candidate.instead
        else place
    )


def _form(candidate: Candidate, rule: FieldRule) -> str:
    if rule.pattern is None:
        return ""
    return violation(candidate.text, rule) or "matches the pattern"


def _why_nothing(page: Page, name: str, ranked: Sequence[_Scored]) -> str:
    keys = [piece.text for piece in page.pieces if piece.kind == name]
    if not page.pieces:
        return "no text"
    why = f'nothing fitting at key "{keys[0]}"' if keys else "no key, and nothing of the right form"
    if not ranked:
        return why
    value, nearest = ranked[0]
    return f'{why}; nearest "{nearest.text}" ({_place(nearest)}) is {max(-value, 0.0):.1f} short'
