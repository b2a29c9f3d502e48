"""Writes the report of a run: one HTML file that needs no other file and no other host, in light and dark.

Evidence frames are embedded as small JPEGs with the boxes of the fields that were read drawn over them.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from PIL import Image

from simulator.story import Story, Summary, percentile

MAX_PICTURES = 400
"""Frames embedded in one report; beyond it parts with a difference or a retake come first, the rest go without."""
PICTURE_WIDTH_PX = 680
JPEG_QUALITY = 72

_SCRIPT = """
for (const button of document.querySelectorAll('.filters button')) button.onclick = () => {
  for (const other of document.querySelectorAll('.filters button'))
    other.setAttribute('aria-pressed', other === button);
  for (const part of document.querySelectorAll('details.part'))
    part.hidden = !(button.dataset.show === 'all' || part.classList.contains(button.dataset.show));
};
"""


def write(path: Path, summary: Summary, *, about: str, at: str) -> None:
    """Write the report; `about` says how the run was asked for."""
    path.write_text(page(summary, about=about, at=at), encoding="utf-8")


def page(summary: Summary, *, about: str, at: str) -> str:
    """The whole report as HTML."""
    css = resources.files("simulator").joinpath("report.css").read_text(encoding="utf-8")
    pictured = _pictured(summary.stories)
    parts = "".join(_part(story, pictured=story.number in pictured) for story in summary.stories)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>edge demo: {summary.as_named} of {len(summary.stories)} as named</title><style>{css}</style></head>"
        f"<body><main><h1>Nameplate inspection, a simulated line</h1>"
        f'<p class="soft">{escape(about)} · {escape(at)}</p>{_verdict(summary)}{_tiles(summary)}'
        f"{_problems(summary)}{_charts(summary)}{_memory(summary)}<h2>Parts</h2>{_filters(summary)}{parts}"
        f"</main><script>{_SCRIPT}</script></body></html>\n"
    )


def _pictured(stories: Sequence[Story]) -> set[int]:
    """The numbers of the parts whose frames are embedded: the most telling first, as far as the limit goes."""
    by_interest = sorted(stories, key=lambda s: (not s.differences, s.retake_helped is None, s.number))
    chosen: set[int] = set()
    pictures = 0
    for story in by_interest:
        pictures += len(_evidence(story))
        if pictures > MAX_PICTURES:
            break
        chosen.add(story.number)
    return chosen


def _verdict(summary: Summary) -> str:
    kind = "good" if summary.is_good else "bad"
    text = f"{summary.as_named} of {len(summary.stories)} outcomes are the ones that their scenes name"
    return f'<p class="verdict {kind}">{text}{"." if summary.is_good else "; see below what differs."}</p>'


def _tiles(summary: Summary) -> str:
    retaken, helped = summary.retakes
    told = [
        (f"{summary.triggers}", "triggers"),
        (f"{summary.outcomes}", "outcomes"),
        (f"{summary.messages}", f"messages, {summary.repeats} of them repeats"),
        ("gapless" if summary.is_gapless else "has a gap", "sequence"),
        (f"{summary.violations}", f"violations of the contract in {summary.checked} messages of every kind"),
        (f"{summary.wrong_passes}", "wrong passes"),
        (f"{helped} of {retaken}", "retakes that helped"),
        (_ms(percentile(summary.latencies_ms, 0.50)), "trigger to outcome, p50"),
        (_ms(percentile(summary.latencies_ms, 0.99)), "trigger to outcome, p99"),
    ]
    tiles = "".join(f'<div class="tile"><b>{escape(value)}</b><span>{name}</span></div>' for value, name in told)
    return f'<div class="tiles">{tiles}</div>'


def _problems(summary: Summary) -> str:
    rows = [*summary.problems]
    rows += [f"part {s.number} ({s.scene}): {'; '.join(s.differences)}" for s in summary.stories if s.differences]
    if not rows:
        return ""
    return "<h2>What differs</h2><ul>" + "".join(f'<li class="odd">{escape(row)}</li>' for row in rows) + "</ul>"


def _charts(summary: Summary) -> str:
    most = max(summary.reasons.values(), default=1)
    bars = "".join(
        f'<div class="bar {escape(kind)}"><span>{escape(kind)} · {escape(reason)}</span>'
        f'<i style="width:{100 * count / most:.0f}%"></i><em>{count}</em></div>'
        for (kind, reason), count in sorted(summary.reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    )
    return (
        f'<h2>Outcomes</h2><div class="two"><div class="panel"><p class="soft">By reason</p>{bars}</div>'
        f'<div class="panel"><p class="soft">Trigger to outcome</p>{_histogram(summary.latencies_ms)}</div></div>'
    )


def _histogram(latencies_ms: Sequence[float]) -> str:
    if not latencies_ms:
        return "<p>No outcome came.</p>"
    edges = [50, 100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, float("inf")]
    counts = [0] * len(edges)
    for value in latencies_ms:
        counts[next(index for index, edge in enumerate(edges) if value <= edge)] += 1
    most = max(counts)
    return "".join(
        f'<div class="bar pass"><span>{"more" if edge == float("inf") else f"up to {edge:.0f} ms"}</span>'
        f'<i style="width:{100 * count / most:.0f}%"></i><em>{count}</em></div>'
        for edge, count in zip(edges, counts, strict=True)
        if count
    )


def _memory(summary: Summary) -> str:
    if not summary.memory:
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{early:.0f} MiB</td><td>{late:.0f} MiB</td>"
        f"<td>{late / early - 1:+.1%}</td></tr>"
        for name, (early, late) in sorted(summary.memory.items())
    )
    return (
        '<h2>Memory</h2><div class="panel scroll"><table><thead><tr><th>process</th><th>early in the run</th>'
        f"<th>at its end</th><th>change</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _filters(summary: Summary) -> str:
    shown = [("all", "all", len(summary.stories))]
    shown += [(kind, kind, sum(_kind(s) == kind for s in summary.stories)) for kind in ("pass", "fail", "hold")]
    shown.append(("differs", "not as named", len(summary.stories) - summary.as_named))
    shown.append(("retaken", "with a retake", summary.retakes[0]))
    buttons = "".join(
        f'<button data-show="{key}" aria-pressed="{str(key == "all").lower()}">{name} {count}</button>'
        for key, name, count in shown
        if count
    )
    return f'<div class="filters">{buttons}</div>'


def _kind(story: Story) -> str:
    return "none" if story.outcome is None else str(story.outcome.get("disposition"))


def _part(story: Story, *, pictured: bool) -> str:
    outcome = story.outcome or {}
    classes = ["part", _kind(story)]
    classes += ["differs"] if story.differences else []
    classes += ["retaken"] if story.retake_helped is not None else []
    read = " · ".join(story.texts.values()) or "nothing read"
    mark = '<span class="odd">differs</span>' if story.differences else '<span class="soft">as named</span>'
    chip = f"{_kind(story)} · {outcome.get('reason', 'no outcome')}"
    differs = "".join(f'<p class="odd">{escape(each)}</p>' for each in story.differences)
    return (
        f'<details class="{escape(" ".join(classes))}"{" open" if story.differences else ""}><summary>'
        f'<span class="soft">{story.number}</span><span class="title">{escape(story.scene)}</span>'
        f'<span><span class="chip">{escape(chip)}</span></span><span class="read">{escape(read)}</span>'
        f'{mark}<span class="ms">{_ms(story.latency_ms)}</span></summary><div class="body">{differs}'
        f"<p>{escape(story.summary)}</p>{_named(story)}{_looks(story, pictured=pictured)}"
        f"{_fields(story)}{_facts(story)}</div></details>"
    )


def _named(story: Story) -> str:
    named = story.named
    least, most = named.attempts
    wanted = [f"{named.disposition} · {named.reason}", *named.defects, f"{least} to {most} looks"]
    wanted += [named.action] if named.action else []
    wanted += ["a retake that helps"] if named.helped else []
    chips = " ".join(f'<span class="chip plain">{escape(each)}</span>' for each in wanted)
    fault = f' <span class="chip plain">fault: {escape(story.fault)}</span>' if story.fault else ""
    detail = str((story.outcome or {}).get("detail") or "")
    said = f'<p class="soft">The station says: {escape(detail)}</p>' if detail else ""
    return f'<p><span class="soft">The scene names</span> {chips}{fault}</p>{said}'


def _looks(story: Story, *, pictured: bool) -> str:
    evidence = {kept.get("attempt"): kept for kept in _evidence(story)}
    figures = "".join(
        _look(story, attempt, evidence.get(attempt.get("number")), pictured) for attempt in story.attempts
    )
    return f'<div class="looks">{figures}</div>' if figures else ""


def _look(story: Story, attempt: Mapping[str, Any], kept: Mapping[str, Any] | None, pictured: bool) -> str:
    frame = _frame(story, kept) if kept is not None and pictured else None
    said = [f"<b>Look {attempt.get('number')}</b>"]
    if attempt.get("action"):
        said.append(escape(str(attempt["action"])))
    if attempt.get("cause"):
        said.append(f"because of {escape(', '.join(attempt['cause']))}")
    if attempt.get("exposure_us"):
        said.append(f"{attempt['exposure_us'] / 1000:.1f} ms, {escape(str(attempt.get('light') or 'no'))} light")
    defects = attempt.get("defects") or ()
    said.append(f"defects: {escape(', '.join(defects))}" if defects else "no defect")
    if attempt.get("failure"):
        said.append(escape(str(attempt["failure"])))
    if attempt.get("helped") is not None:
        said.append("the retake helped" if attempt["helped"] else "the retake did not help")
    missing = f'<div class="noframe">{"frame kept, not embedded" if kept is not None else "no frame"}</div>'
    return f"<figure>{frame or missing}<figcaption>{' · '.join(said)}{_scores(attempt)}</figcaption></figure>"


def _scores(attempt: Mapping[str, Any]) -> str:
    measures = (attempt.get("quality") or {}).get("measures") or {}
    told = [f"{escape(name)} {each['score']}" for name, each in measures.items() if each.get("score") is not None]
    return f"<br>{', '.join(told)} (of 100)" if told else ""


def _frame(story: Story, kept: Mapping[str, Any]) -> str | None:
    path = story.data_dir / str(kept.get("path"))
    try:
        raw = path.read_bytes()
        with Image.open(io.BytesIO(raw)) as picture:
            size = picture.size
            small = picture.convert("RGB")
            small.thumbnail((PICTURE_WIDTH_PX, PICTURE_WIDTH_PX))
    except OSError:
        return None
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=JPEG_QUALITY)
    source = base64.b64encode(buffer.getvalue()).decode()
    same = hashlib.sha256(raw).hexdigest() == kept.get("sha256")
    note = "" if same else '<p class="odd">the file is not the one that was read</p>'
    last = kept.get("attempt") == max((each.get("attempt", 0) for each in _evidence(story)), default=0)
    boxes = _boxes(story, size) if last else ""
    return (
        f'<div class="frame"><img alt="evidence frame of part {story.number}, look {kept.get("attempt")}" '
        f'src="data:image/jpeg;base64,{source}">{boxes}</div>{note}'
    )


def _boxes(story: Story, size: tuple[int, int]) -> str:
    fields: Mapping[str, Any] = (story.outcome or {}).get("fields", {})
    drawn = ""
    for name, field in fields.items():
        if field.get("box"):
            corners = " ".join(f"{x:.0f},{y:.0f}" for x, y in field["box"])
            drawn += f'<polygon points="{corners}"><title>{escape(name)}</title></polygon>'
    return f'<svg viewBox="0 0 {size[0]} {size[1]}" aria-hidden="true">{drawn}</svg>' if drawn else ""


def _fields(story: Story) -> str:
    fields: Mapping[str, Any] = (story.outcome or {}).get("fields", {})
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{_characters(field)}</td><td>{_confidence(field)}</td>"
        f"<td><code>{escape(str(field.get('expected') or ''))}</code></td>"
        f"<td><code>{escape(story.printed.get(name, ''))}</code></td>"
        f"<td>{escape(str(field.get('verdict') or ''))}{_rule(field)}</td></tr>"
        for name, field in fields.items()
    )
    if not rows:
        return ""
    heads = "".join(f"<th>{head}</th>" for head in ("field", "read", "least", "expected", "printed", "verdict"))
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _characters(field: Mapping[str, Any]) -> str:
    characters: Iterable[Mapping[str, Any]] = field.get("characters") or ()
    cells = "".join(
        f'<span class="{_tone(each["confidence"])}" title="{escape(_runners_up(each))}">{escape(each["text"])}</span>'
        for each in characters
    )
    return f'<span class="characters">{cells or escape(field.get("raw") or "")}</span>'


def _runners_up(character: Mapping[str, Any]) -> str:
    told = [f"{character['text']} {character['confidence']:.3f}"]
    told += [f"{other['text']} {other['confidence']:.3f}" for other in character.get("alternatives", ())]
    return ", ".join(told)


def _tone(confidence: float) -> str:
    return "sure" if confidence >= 0.9 else "fair" if confidence >= 0.6 else "weak"


def _confidence(field: Mapping[str, Any]) -> str:
    return f"{field['confidence']:.3f}" if field.get("characters") else ""


def _rule(field: Mapping[str, Any]) -> str:
    if not field.get("rule"):
        return ""
    raw, text, rule = (escape(str(field.get(name))) for name in ("raw", "text", "rule"))
    return f"<br><span class='soft'>{raw} became {text} by {rule}</span>"


def _facts(story: Story) -> str:
    outcome = story.outcome
    if outcome is None:
        return ""
    told = [f"inspection <code>{escape(str(outcome.get('inspection_id')))}</code>", f"seq {outcome.get('seq')}"]
    erp = outcome.get("erp") or {}
    if erp.get("source"):
        told.append(f"record from {escape(str(erp['source']))}")
    told += [f"{escape(code['format'])} <code>{escape(code['text'])}</code>" for code in outcome.get("codes", ())]
    spent = [f"{escape(name)} {value:.0f}" for name, value in (outcome.get("ms") or {}).items() if value is not None]
    if spent:
        told.append(f"ms: {', '.join(spent)}")
    hashes = [f"look {kept.get('attempt')} <code>{str(kept.get('sha256'))[:16]}</code>" for kept in _evidence(story)]
    told.append(f"evidence SHA-256: {', '.join(hashes)}" if hashes else "no evidence frame")
    return f'<p class="soft" style="margin-top:10px">{" · ".join(told)}</p>'


def _evidence(story: Story) -> Sequence[Mapping[str, Any]]:
    return () if story.outcome is None else story.outcome.get("evidence", ())


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f} ms"
