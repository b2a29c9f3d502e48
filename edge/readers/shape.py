"""What a text looks like by itself: a rating, a date, an address; a serial number or a model name."""

from __future__ import annotations

import re
from functools import lru_cache

#: Names of things that plates print beside models and serials, and how they look. The first that fits is told.
_LOOKS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("an address on the web", r"(?i)https?:|www\.|\S+@\S+\.\w|\w\.(com|net|org|de|cn|jp|eu|fr|it|es)\b|[:/]//"),
        ("a hardware address", r"(?i)(mac\b.*)?\b[0-9a-f]{2}([:-][0-9a-f]{2}){5}\b|(?i:mac)\s*[0-9A-Fa-f]{6,}"),
        ("a network address", r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b(?!\.)"),
        (
            "a date",
            r"(?<![\w.-])(\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})|(19|20)\d{2}[./-]\d{1,2}([./-]\d{1,2})?|\d{1,2}[./](19|20)\d{2})(?![\w-])",
        ),
        (
            "a date",
            r"(?i)\b\d{0,2}\s?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?[\s,-]+(19|20)?\d{2}\b|(19|20)\d{2}年",
        ),
        ("a year", r"^(19[5-9]|20[0-4])\d$"),
        (
            "a rating",
            r"(?i)(?<![A-Z0-9-])[±+]?\d+([.,]\d+)?(\s?[-~/…]\s?[±+]?\d+([.,]\d+)?)?\s?"
            r"(v|vac|vdc|vca|v~|a|ma|ah|mah|w|kw|kva|va|wh|hz|khz|mhz|ghz|°c|℃|°f|℉|bar|mbar|kpa|mpa|psi|mm|cm|m|m²|m³|m3|m³/h|"
            r"dm³|l|ml|kg|g|lb|lbs|rpm|min|nm|hp|ps|db|dba|gb|mb|tb|kwh|µf|μf|uf|ω|ohm|%|imp/kwh|imp|max)"
            r"(?=$|[^a-zA-Z0-9-]|/|dc|ac)",
        ),
        (
            "a rating",
            r"(?i)^\d+([.,]\d+)?\s?[x×]\s?\d+([.,]\d+)?(\s?[x×]\s?\d+([.,]\d+)?)?(\s?[a-z]{1,2})?$|\d\(\d+\)\s?A|[±]|\d[=~⎓]",
        ),
        ("a rating", r"(?i)^(ac|dc)\s?\d|^\d+([/-]\d+)*\s?v(ac|dc)?$|^\d+x\d+(/\d+)?v|λ|cos\s?φ"),
        (
            "a standard",
            r"(?i)\b(EN|IEC|ISO|DIN|VDE|UL|CSA|ANSI|NEMA|ASTM|GB/?T?|JIS|BS|GOST|ГОСТ|ICES|NMB|CISPR|CFR|OVE|CEI|AS/NZS|MID)[ -]?[0-9/]{2,}",
        ),
        (
            "an approval",
            r"(?i)\bFCC\b|\bMI-?00\d\b|^DE-\d\d-MI|^M\d{2}\s?\d{4}$|^E\d{5,6}$|\bPTB\b|\bLNE\b|^CE\d*$|\bPatent",
        ),
        ("a protection class", r"^IP\s?[0-9X]{2}[A-Z]?$|(?i:^(class|klasse|classe|kl)\.?\s?\w{1,3}([.,]\d)?$)"),
        ("a version", r"(?i)^(v|ver|rev|version|r|hw|fw|sw)[.:\s]?\d+([._]\w+)*$"),
        (
            "a place",
            r"(?i)\b[A-Z]{1,2}-\d{4,5}\b|^\d{4,5}\s[A-ZÄÖÜ][a-zäöü]+|\b(street|road|rd\.|str\.|straße|strasse|weg \d|avenue|ave\.|rue|via|box \d|house|court)\b",
        ),
        (
            "a maker",
            r"(?i)\b(gmbh|ltd|inc|corp|corporation|company|co\.,|s\.?p\.?a\.?|s\.a\.|oy|a/s|b\.v\.|limited|llc|kg|ag)\b\.?$|made in|co\.,\s?ltd",
        ),
        ("a telephone number", r"^\+?\d{1,2}[-\s]\d{3}[-\s]\d{3}[-\s]\d{4}$|^\+\d[\d\s/-]{7,}$|^0\d{2,4}[-/]\d{5,}$"),
        ("a measured value", r"^[-+]?\d{1,4}[.,]\d{1,3}$"),
    )
)

_SERIAL_LENGTH = (6, 20)
_MIXED = re.compile(r"(?=[^\s]*[0-9])(?=[^\s]*[^\W\d_])[^\s]+")
_LOWER_WORD = re.compile(r"^[^\W\d_]*[a-zà-ÿа-я][^\W\d_]+$")
_SENTENCE = re.compile(
    r"[.,;!?] [A-Za-z]|\b(the|and|of|to|or|is|if|in|by|for|with|not|und|der|die|les|des|will|be)\b", re.IGNORECASE
)


@lru_cache(maxsize=2048)
def looks(text: str) -> str:
    """Name what a text plainly is that is neither a model nor a serial number; empty where nothing fits."""
    for name, pattern in _LOOKS:
        if pattern.search(text):
            return name
    return ""


@lru_cache(maxsize=2048)
def serial_shape(text: str) -> float:
    """Say how much a text looks like a serial number, 0 to 1: length, digits, no words."""
    solid = [c for c in text if c.isalnum()]
    digits = sum(c.isdigit() for c in solid)
    length = len(solid)
    if digits == 0 or length < 3:
        return 0.0
    mixed = digits < length
    shortest, longest = _SERIAL_LENGTH
    fit = 1.0
    if length < shortest:
        # Three digits beside a key can be a serial; letters and digits so short are the rest of something hidden.
        fit = 0.15 if mixed else (length - 2) / (shortest - 2)
    elif length > longest:
        fit = max(0.2, 1 - (length - longest) / 12)
    lower = sum(c.islower() for c in solid) / length
    odd = sum(not c.isalnum() and c not in " -/._" for c in text) / len(text)
    words = sum(bool(_LOWER_WORD.match(token)) for token in text.split())
    share = min(1.0, digits / length * 2)
    return max(0.0, fit * (0.5 + 0.5 * share) - 0.8 * lower - 1.5 * odd - 0.5 * words)


@lru_cache(maxsize=2048)
def model_shape(text: str) -> float:
    """Say how much a text looks like a model name, 0 to 1: letters and digits in one token, a hyphen, not too long."""
    tokens = text.split()
    length = len(text)
    if not tokens or length < 2 or _SENTENCE.search(text):
        return 0.0
    mixed = [token for token in tokens if _MIXED.fullmatch(token)]
    letters = sum(c.isalpha() for c in text)
    digits = sum(c.isdigit() for c in text)
    score = 0.0
    if mixed:
        # Measures were looked for before; a short mix ("8B", "F2") is rather a mark than a name.
        best = max(mixed, key=len)
        turns = sum(
            a.isdigit() != b.isdigit() for a, b in zip(best, best[1:], strict=False) if a.isalnum() and b.isalnum()
        )
        score = min(1.0, 0.35 + 0.08 * min(len(best), 7) + (0.1 if "-" in best else 0.0))
        if turns > 4:
            score -= 0.1 * (turns - 4)
        if best[0].isdigit():
            score -= 0.15
    elif digits and letters >= 2 and len(tokens) > 1:
        score = 0.55
    elif digits and not letters:
        score = 0.15 if len(tokens) == 1 else 0.1
    elif letters:
        score = 0.2 if text[0].isupper() else 0.1
    score -= 0.12 * max(0, len(tokens) - 3)
    score -= 0.04 * max(0, length - 24)
    score -= 0.6 * sum(not c.isalnum() and c not in " -/._+()#" for c in text) / length * 3
    return max(0.0, min(1.0, score))
