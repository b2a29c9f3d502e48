"""What a text looks like by itself: a rating, a date, an address; a serial number or a model name."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

#: A rating has a handful of digits, and no 0 before others; "54037427KG" and "05302L" are numbers that end like one.
_NUMBER = r"[-+±]?(?!0\d)\d{1,5}(?:[.,]\d+)?"
_UNITS = (
    "vac|vdc|vca|v~|v|ma|mah|ah|a|wh|kwh|kw|w|kva|va|hz|khz|mhz|ghz|°c|℃|°f|℉|bar|mbar|kpa|mpa|psi|mm|cm|m|m²|m³|m3|m³/h|"
    "m3/h|dm³|l|ml|kg|g|lbs|ibs|lb|rpm|r/min|u/min|1/min|min-1|min⁻¹|min|nm|hp|ps|db|dba|gb|mb|tb|µf|μf|uf|ω|ohm|%|imp|lmp|max"
)
#: Units that are no capitals.
_SMALL_UNITS = "bar|mbar|kPa|MPa|mm|cm|kg|kW|kVA|mA|kHz|Hz|Nm|dB|lbs|Ibs|rpm|r/min|U/min|1/min|min-1"
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_COUNTRIES = (
    "p\\.?r\\.? ?c|china|taiwan|korea|japan|thailand|malaysia|philippines|vietnam|singapore|india|germany|deutschland|"
    "france|italy|italia|spain|españa|austria|switzerland|netherlands|poland|polska|czech|hungary|romania|sweden|"
    "denmark|finland|norway|turkey|mexico|brazil|brasil|canada|usa|u\\.s\\.a"
)
_STREETS = "ul\\.|calle|strada|piazza|street|road|rd\\.|straße|strasse|avenue|ave\\.|rue|via|house|court|box \\d"
_STREET_ENDS = "weg|straße|strasse|str\\.|gasse|allee|platz|vej|gade|vägen|gatan|straat|laan"

#: What plates print beside models and serials, and how it looks; the first that fits is told.
_LOOKS: tuple[tuple[str, str], ...] = (
    ("an address on the web", r"(?i)https?:|www\.|\S+@\S+\.\w|\w\.(com|net|org|de|cn|jp|eu|fr|it|es)\b|[:/]//"),
    ("a hardware address", r"(?i)(?:\b|mac)[0-9a-f]{2}([:-][0-9a-f]{2}){5}\b|\bmac\s?[0-9a-f]{6,}"),
    ("a network address", r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b(?!\.)"),
    ("a date", r"(?<![\w.-])\d{1,2}([./-])\d{1,2}\1(\d{4}|\d{2})(?![\w-])"),
    ("a date", r"(?<=[^\W\d_]{2})\d{1,2}([./-])\d{1,2}\1(19|20)\d{2}(?![\w-])"),  # its caption is glued to it
    ("a date", r"(?<![\w.-])((19|20)\d{2}[./-]\d{1,2}([./-]\d{1,2})?|\d{1,2}[./](19|20)\d{2})(?![\w-])|(19|20)\d{2}年"),
    ("a date", rf"(?i)\b\d{{0,2}}\s?({_MONTHS})[a-z]*\.?[\s,-]+(19|20)?\d{{2}}\b"),
    ("a year", r"^(19[5-9]|20[0-4])\d$"),
    (
        "a rating",
        rf"(?i)(?<![A-Z0-9.-]){_NUMBER}(\s?[-~/…]+\s?{_NUMBER})?\s?({_UNITS})(?=$|[^a-z0-9-]|dc|ac)",
    ),
    ("a rating", rf"(?i)^{_NUMBER}\s?[x×]\s?{_NUMBER}(\s?[x×]\s?{_NUMBER})?(\s?[a-z]{{1,2}})?$"),  # noqa: RUF001
    ("a rating", r"(?i)\d\(\d+\)\s?A|[±λ]|\d[=~⎓]|^(ac|dc)\s?\d{1,4}(?!\d)|^\d+x\d+(/\d+)?v(?!\w*\d)|cos\s?(φ|ph)"),
    # Volts with hertz glued to them.
    ("a rating", r"(?i)^\d{2,3}([-/~]\d{2,3})?\s?v\s?(ac|dc|~)?\s?\d{2}([-/]\d{2})?\s?hz$"),
    # Volts with their phases, and hertz with a sign glued to them.
    ("a rating", r"(?i)^\d{2,3}\s?v\s?[13]$|^\d{2,3}\s?hz\s?ce$"),
    # Its caption is glued to it: "TOK77,08 g", "PN860 bar". Units in capitals are a model's variant as well.
    ("a rating", rf"^[^\W\d_]{{2,}}\d{{1,4}},\d{{1,2}}\s(?i:{_UNITS})$"),
    ("a rating", rf"^[^\W\d_]{{2,}}\d{{1,5}}([.,]\d{{1,2}})?\s({_SMALL_UNITS})$"),
    # How motors are marked for one phase or three.
    ("a rating", r"(?i)^mot(or)?\.?\s?[13]$|^[13]\s?~?\s?mot(or)?\.?$"),
    (
        "a standard",
        (
            r"\b(EN|IEC|ISO|DIN|VDE|UL|CSA|ANSI|NEMA|ASTM|GB/?T?|JIS|BS|GOST|ГОСТ|ICES|NMB|CISPR|CFR|CEI|AS/NZS|MID)"
            # The longest number has six digits, and no code behind it: "GB4196307", "EN79LC68389" and "UL-843-75147"
            # are no standards.
            r"[ -]?[0-9/]{3,6}(?![0-9]|[A-Z]{2}|-\d{5})|\bUL[ -]?94\b"
        ),
    ),
    ("an approval", r"^(?:CE|UL|GS|VDE|(?i:tüv)|RoHS|ROHS|EAC|UKCA|PSE|KC|CCC|CSA|WEEE|RCM|ETL)$"),
    (
        "an approval",
        r"(?i)\bFCC\b|\bMI-?00\d\b|^M\d{2}\s?\d{4}$|^N\d{3,5}$|^E\d{5,6}$|\bPTB\b|\bLNE\b|^CE\d*$|\bPatent",
    ),
    (
        "a protection class",
        r"^IP\s?[0-9X]{2}[A-Z]?$|^(?i:class|klasse|classe)\.?\s?\w{1,3}([.,]\d)?$|^(?i:kl)\.?\s?\w$",
    ),
    ("a version", r"(?i)^(v|ver|rev|version|r|hw|fw|sw)[.:\s]{0,2}\d{1,3}([._]\w+)*$"),
    ("a place", r"^[A-Z]{1,2}-\d{4,5}\s+[^\W\d_][a-zà-ÿ]|^\d{4,5}\s(?!Rev|Ver)[A-ZÄÖÜ][a-zäöü]+"),
    ("a place", rf"(?i)\b({_STREETS})(?!\w)|({_STREET_ENDS})\s?\d"),
    # A house number, a post code and a town.
    ("a place", r"\s\d{1,4}[a-z]?,\s?\d{4,6}\s[A-ZÄÖÜ]"),
    ("a place", rf"(?i)^(made\s?in\s)?({_COUNTRIES})\b"),
    (
        "a maker",
        r"(?i)\b(gmbh|ltd|inc|corp|corporation|company|s\.?p\.?a|s\.a|oy|a/s|b\.v|limited|llc|ag)\b\.?$|made in",
    ),
    ("a maker", r"(?i)\bco\.,?\s?ltd"),
    # "S.p.A." with a letter or two read as figures.
    ("a maker", r"(?i)^[s56]\.\s?[pr]\.\s?[a4]\.?$"),
    ("a telephone number", r"\+\d{1,3}[ -]\(?\d[\d ()/-]{6,}$"),
    ("a telephone number", r"^\+?\d{1,2}[-\s]\d{3}[-\s]\d{3}[-\s]\d{4}$|^\+\d[\d\s/-]{7,}$|^0\d{2,4}[-/]\d{5,}$"),
    # What is counted on a device or in a box of parts, and a model's name would not be.
    (
        "a numbered part",
        (
            r"(?i)^(slot|port|size|grade|box|bay|class|part|page|sheet|step|stage|level|taper|zone|channel|ch|item|pos)"
            r"\.?\s?([a-z]|\d{1,2})$"
        ),
    ),
    # With its class or unit as a letter: "1.0G", "2,5 B".
    ("a measured value", r"^[-+]?\d{1,4}[.,]\d{1,3}(\s?[A-Za-z])?$"),
    # How JEDEC has a memory module name its ranks and its speed.
    ("a rating", r"\b\d[SDQO]?Rx\d{1,2}\b|\bPC\d?L?-\d{4,5}[A-Z]?(?![\w-])"),
)
#: Looks that a text without a digit can have; all others are not even searched for.
_OF_WORDS = frozenset(("an address on the web", "a place", "a maker", "an approval"))
_COMPILED = tuple((name, re.compile(pattern)) for name, pattern in _LOOKS)
_COMPILED_OF_WORDS = tuple((name, pattern) for name, pattern in _COMPILED if name in _OF_WORDS)

#: So many digits on end are seldom a rating, and would be parted from the unit.
_LONG_RATING = re.compile(r"\d{5}[A-Z]{1,2}")
#: Groups of a number that begin like a rating ("35 A 584 84", "7320 X 9716"): figures and capitals, figures at the end.
_GROUPS = re.compile(r"(?=(?:.*\d){5})[0-9A-Z]+(?: [0-9A-Z]+)+ \d{2,}")

#: Serial numbers are this long, letters and digits; shorter and longer ones are rarer the farther they are.
_SERIAL_LENGTH = (6, 20)
#: Model names are seldom longer.
_MODEL_LENGTH = 24
#: So many digits on end are counted up, and so a serial number; a model's digits mean sizes.
_COUNTED_DIGITS = re.compile(r"\d{6}")
_MIXED = re.compile(r"(?=\S*[0-9])(?=\S*[^\W\d_])\S+")
#: A word of which a reader took a letter for a digit ("F0RWARD") is no name.
_ONE_DIGIT = re.compile(r"[^\W\d_]*\d[^\W\d_]{2,}")
_VOWEL = re.compile(r"[aeiou]", re.IGNORECASE)
_MISREAD_WORD = re.compile(r"(?=(?:[0158]*[^\W\d_]){5})[^\W\d_]+[0158][^\W\d_]{2,}")
_LOWER_WORD = re.compile(r"[^\W\d_]*[a-zà-ÿа-я][^\W\d_]+")
_SENTENCE = re.compile(
    r"[.,;!?] [A-Za-z]|\b(the|and|of|to|or|is|if|in|by|for|with|not|und|der|die|les|des|will|be)\b", re.IGNORECASE
)


@lru_cache(maxsize=2048)
def looks(text: str) -> str:
    """Name what a text plainly is that is neither a model nor a serial number; empty where nothing fits."""
    for name, pattern in _COMPILED if any(c.isdigit() for c in text) else _COMPILED_OF_WORDS:
        if pattern.search(text):
            return name
    return ""


def is_sign(text: str) -> bool:
    """Say whether a text is the sign of an approval ("CE", "TÜV"), and no number of one."""
    return looks(text) == "an approval" and not any(map(str.isdigit, text))


@lru_cache(maxsize=2048)
def doubtful(text: str) -> bool:
    """Say whether a text that looks like a rating can be a serial number as well ("31829W")."""
    return _LONG_RATING.fullmatch(text) is not None


@lru_cache(maxsize=2048)
def grouped(text: str) -> bool:
    """Say whether a text is groups of figures and capitals, as a serial number's ("35 A 584 84")."""
    return _GROUPS.fullmatch(text) is not None


@lru_cache(maxsize=2048)
def serial_shape(text: str) -> float:
    """Say how much a text looks like a serial number, 0 to 1: length, digits, no words."""
    solid = [c for c in text if c.isalnum()]
    digits = sum(c.isdigit() for c in solid)
    length = len(solid)
    if digits == 0 or length < 3:
        return 0.0
    shortest, longest = _SERIAL_LENGTH
    fit = 1.0
    if length < shortest:
        # Three digits beside a key can be a serial; letters and digits so short are the rest of something hidden, and
        # one letter among five rarely a whole one.
        fit = 0.0 if digits < length and (length, digits) != (5, 4) else (length - 2) / (shortest - 2)
    elif length > longest:
        fit = max(0.2, 1 - (length - longest) / 12)
    lower = sum(c.islower() for c in solid) / length
    odd = sum(not c.isalnum() and c not in " -/._" for c in text) / len(text)
    words = sum(bool(_LOWER_WORD.fullmatch(token)) for token in text.split())
    share = min(1.0, digits / length * 2)
    return max(0.0, fit * (0.5 + 0.5 * share) - 0.8 * lower - 1.5 * odd - 0.5 * words)


@lru_cache(maxsize=2048)
def model_shape(text: str) -> float:
    """Say how much a text looks like a model name, 0 to 1: letters and digits in one token, a hyphen, not too long."""
    tokens = text.split()
    length = len(text)
    if not tokens or length < 2 or _SENTENCE.search(text):
        return 0.0
    mixed = [token for token in tokens if _MIXED.fullmatch(token) and not _is_misread_word(token)]
    letters = sum(c.isalpha() for c in text)
    digits = sum(c.isdigit() for token in tokens if not _is_misread_word(token) for c in token)
    if mixed:
        best = max(mixed, key=len)
        # A short mix ("8B", "F2") is rather a mark than a name.
        score = min(1.0, 0.35 + 0.08 * min(len(best), 7) + (0.1 if "-" in text else 0.0))
        score -= 0.15 * best[0].isdigit() + 0.3 * bool(_COUNTED_DIGITS.search(best))
    elif digits and letters >= 2 and len(tokens) > 1:
        named = tokens[0].isalpha() and tokens[0].isupper()
        sized = any("-" in token and token[0].isdigit() for token in tokens[1:])
        # "UPS 25-40": a series in capitals and its size are a model's name as surely as one mixed token.
        score = (0.85 if sized else 0.7) if named else 0.55
    elif digits and not letters:
        score = 0.15
    else:
        score = 0.2 if text[0].isupper() else 0.1
    lower = sum(c.islower() for c in text) / length
    odd = sum(not c.isalnum() and c not in " -/._+()#" for c in text) / length
    score -= 0.12 * max(0, len(tokens) - 3) + 0.04 * max(0, length - _MODEL_LENGTH) + 1.8 * odd
    return max(0.0, min(1.0, score - (0.25 if mixed and lower > 0.5 else 0.0)))


def _is_misread_word(token: str) -> bool:
    """Say whether a token is a word with a letter taken for a digit ("F0RWARD", "Fo9ax"): it can be spoken."""
    if _MISREAD_WORD.fullmatch(token):
        return True
    return len(token) > 4 and _ONE_DIGIT.fullmatch(token) is not None and len(_VOWEL.findall(token)) > 1


#: A code, and behind it a company's name with its form.
_COMPANY_BEHIND = re.compile(
    r"(?=\d*[^\W\d_])[^\W_]\S*\d\S*(?: [A-Z]{1,2})? ((?!made)[^\W\d_]{3,}(?: [^\W\d_]{3,})?,?"
    r" (?:gmbh|ltd|inc|corp|s\.p\.a|s\.a|oy|a/s|b\.v|llc|ag)\.?)",
    re.IGNORECASE,
)


@lru_cache(maxsize=2048)
def names_company(text: str) -> int:
    """Give where a company's full name begins behind a code ("XK-200 Kelvia S.p.A."); 0 where none does."""
    match = _COMPANY_BEHIND.fullmatch(text)
    return match.start(1) if match else 0


@lru_cache(maxsize=2048)
def is_brand(text: str) -> bool:
    """Say whether a text can be a maker's name: a word or a few that begin in capitals, or a company's full name."""
    if looks(text):
        return looks(text) == "a maker"
    words = text.replace("-", " ").split()
    return len(text) > 2 and len(words) <= 3 and all(word.isalpha() and word[0].isupper() for word in words)


#: A variant's round brackets are read as square ones now and then.
_NAMED = re.compile(r"[^\W\d_][^\d_]{2,}[ -]\d{1,5}[^\W\d_]?(?: ?[(\[][^\W_]{1,4}[)\]]| [A-Z]{1,2})?")
_CODE_IN_NAME = re.compile(r" [A-Z]{1,3} \d")
#: A word in capitals before one in small letters is the maker's or the thing's: "VACUUM PUMP Vitatec 1482".
_SHOUTED = re.compile(r"[^\W\d_a-zà-ÿа-я]{4,} [^\W\d_][a-zà-ÿа-я]")
#: A version's 1 is read as a letter before its point ("Vi.1").
_REMARK = re.compile(
    r"(?i)\W*|[(\[]?((re[v\u03bd]|ver|version|wifi|plus|ce|tm|ip\d\d|series)\b|[vr]\.?\s?(\d|[il]\.\d)|[A-Z]\d\.\d{1,2}$).*"
)


@lru_cache(maxsize=2048)
def named(text: str) -> float:
    """Say whether a text is a word and a short number, as things for homes are called ("Aqua Line 200")."""
    word = _NAMED.fullmatch(text) is not None and (" " in text or any(c.islower() for c in text))
    # "Heat pump ZN 943" is a thing and its name.
    word = word and _CODE_IN_NAME.search(text) is None and _SHOUTED.match(text) is None
    return float(word and not looks(text))


@lru_cache(maxsize=2048)
def worded(text: str) -> float:
    """Say whether a text has words beside its letters and digits, and is no name of that form: "Pump NX 20"."""
    if named(text):
        return 0.0
    return float(any(len(token) > 3 and token.isalpha() for token in text.split()))


_BEFORE_FIGURE = re.compile(r"(?<!\S)\S*\d")
#: Words in small letters of one name ("5200 HiTorque Mini Lathe").
_MOST_WORDS = 3
#: A figure in a circle, a registered name: what is said beside a name and never within it.
_SIGN_BEHIND = re.compile(r"\s?(?:&\s?)?[\u2460-\u2473\u00ae\u2122]")


@lru_cache(maxsize=2048)
def signed(text: str) -> int:
    """Give where signs begin that end a name ("XK-200 & ① IP21"); -1 where none do."""
    match = _SIGN_BEHIND.search(text)
    return match.start() if match else -1


@lru_cache(maxsize=2048)
def worded_out(text: str) -> bool:
    """Say whether a text has several words in small letters: a sentence, however it was cut."""
    return _small_words(text) > 1


@lru_cache(maxsize=2048)
def is_sentence(text: str) -> bool:
    """Say whether a text begins with more words in small letters than any name has."""
    return _small_words(_BEFORE_FIGURE.split(text, maxsplit=1)[0]) > _MOST_WORDS


def _small_words(text: str) -> int:
    return sum(_LOWER_WORD.fullmatch(token) is not None for token in text.split())


@lru_cache(maxsize=2048)
def plain_number(text: str) -> float:
    """Say whether a text is digits and marks between them, nothing else."""
    return float(any(c.isdigit() for c in text) and not any(c.isalpha() for c in text))


#: How a revision begins that a letter follows ("Rev A").
_REVISIONS = ("Rev", "Rev.", "Re\u03bd", "Ver", "Ver.")


@lru_cache(maxsize=2048)
def remarked(text: str) -> float:
    """Say whether a text ends with what is said beside it and is no part of it: a rating, a protection class, "V2"."""
    last = text.rpartition(" ")[2]
    if last != text and (bool(looks(last)) or (rest(last) == "remark" and last == last.upper())):
        return 1.0
    tokens = text.split()
    # "R1.2 Waterpomp", "& Heat pump"
    return float(any(_is_sign(tokens[at]) and rest(" ".join(tokens[at:])) == "remark" for at in range(1, len(tokens))))


def _is_sign(token: str) -> bool:
    return (token == token.upper() or token in _REVISIONS) and rest(token) == "remark"


@lru_cache(maxsize=2048)
def kind_of_thing(text: str) -> float:
    """Say whether a text says in words what a thing is, and not how it is called: "Soft starter", "VACUUM PUMP"."""
    if any(c.isdigit() for c in text):
        return 0.0
    small = any(_LOWER_WORD.fullmatch(token) and len(token) > _SMALL_NAME for token in text.split())
    return float(small or (" " in text and all(len(token) > _VARIANT for token in text.split())))


@lru_cache(maxsize=2048)
def counted(text: str) -> float:
    """Say whether a text has so many digits on end that they are counted up."""
    return float(_COUNTED_DIGITS.search(text) is not None)


#: Where a rating ends and a word begins.
_GLUED_KIND = re.compile(
    r"(?<=\d[a-z])(?=[A-Z][a-z]{3})|(?<=\d[A-Z][a-z])(?=[A-Z][a-z]{3})|(?<=\d[A-Z])(?=[A-Z][a-z]{3})"
)
#: Capitals behind a code that are fewer are rather its variant than a word.
_VARIANT = 3
#: Words with small letters that are longer are seldom a model's name by themselves.
_SMALL_NAME = 6


@lru_cache(maxsize=2048)
def rest(text: str) -> str:
    """Name what a candidate leaves out of its box: nothing, a remark, words, or what could be a part of it (code)."""
    if not text:
        return ""
    plain = [c for c in text if c.isalpha() or c.isdecimal()]
    if not plain or signed(text) == 0:
        return "remark"
    first, *others = _GLUED_KIND.sub(" ", text).split(maxsplit=1)
    if (
        others
        and (len(first) > 1 or not first.isalnum())
        and (first == first.upper() or looks(first) == "a rating")
        and rest(first) == "remark"
        and rest(others[0]) != "code"
    ):
        # "24V Power supply", "50HzPrint server", "V1.1 Print server": what the remark ends is over.
        return "remark"
    if first.isalpha() and first.isupper() and len(first) <= _VARIANT and not _REMARK.fullmatch(first):
        return "code"
    if _REMARK.fullmatch(text) or (looks(text) and text.count(" ") < 2):
        return "remark"
    # "DP/N" is a caption, and not the first word of a name.
    coded = any(c.isdecimal() for c in plain) or "/" in text or all(len(token) < 3 for token in text.split())
    return "code" if coded else "words"


#: A plain number with so many digits is found by chance; with this many more it is not.
_BY_CHANCE, _NOT_BY_CHANCE = 8, 4


@lru_cache(maxsize=2048)
def specific(text: str) -> float:
    """Say how little a text of this form is met by chance, 0 to 1: by its length and its changes of kind."""
    kinds = ["a" if c.isalpha() else "0" if c.isdigit() else "-" for c in text]
    changes = sum(one != other for one, other in pairwise(kinds))
    return max(0.0, min(1.0, max(changes / 2, (len(text) - _BY_CHANCE) / _NOT_BY_CHANCE)))
