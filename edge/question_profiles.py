"""Question profiles: a question that is asked again and again, and the only answers that it may have (L13).

A profile is a file, as a product is one: `config/profiles/NAME.toml`. It says what the model is told, what its answer
must be (a text of a pattern, one of a few choices, named fields, or a query), how long that may be, and what of the
image is shown. Every mistake in a file is found before the first question.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from edge import toml_file
from edge.core.fields import Product
from edge.errors import ConfigError, UseError
from edge.products import FieldTable, ProductFile, sound_pattern, to_product
from edge.section_types import Table

#: What of the image a model is shown: its lines of text on a sheet, all of it, or nothing.
View = Literal["lines", "whole", "none"]

#: Stands in a prompt for the question that was asked, and for the name of a field.
QUESTION, FIELD = "{question}", "{field}"
#: A query of more would be longer than a model keeps to.
MOST_MEMBERS = 16
#: Longest text that a member of a query can have, characters.
MOST_MEMBER = 64
#: Files that a folder of profiles may have: the page offers all of them.
MOST_PROFILES = 100

Pattern = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(sound_pattern)]
#: What may stand in JSON as it is: no quotation mark, no backslash, no control character.
PlainText = Annotated[str, Field(min_length=1, max_length=MOST_MEMBER, pattern=r'^[^"\\\x00-\x1f]+$')]
MemberName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


def _different(texts: tuple[str, ...]) -> tuple[str, ...]:
    if len({text.casefold() for text in texts}) < len(texts):
        raise ValueError("names one twice; leave one out")
    return texts


class TextAnswer(Table):
    """A text of one line."""

    kind: Literal["text"]
    pattern: Pattern | None = Field(
        default=None, description="What the whole answer looks like, `regex` syntax; unset: any text of one line."
    )


class ChoiceAnswer(Table):
    """One of a few texts, and nothing else."""

    kind: Literal["choices"]
    choices: Annotated[tuple[PlainText, ...], Field(min_length=2, max_length=50), AfterValidator(_different)] = Field(
        description="The answers that there are."
    )


class FieldsAnswer(Table):
    """Named fields, each with its own question, as a product has them; the answer is one JSON object."""

    kind: Literal["fields"]
    fields: Annotated[dict[MemberName, FieldTable], Field(min_length=1, max_length=50)] = Field(
        description="What to read; keys as in a product file."
    )


class ChoiceMember(Table):
    """A member of a query that is one of a few texts."""

    kind: Literal["choices"]
    choices: Annotated[tuple[PlainText, ...], Field(min_length=1, max_length=50), AfterValidator(_different)] = Field(
        description="The values that there are."
    )
    words: dict[PlainText, Annotated[tuple[PlainText, ...], Field(max_length=50)]] = Field(
        default={}, description="How people say each of them, beside the value itself."
    )

    @model_validator(mode="after")
    def _words_of_choices(self) -> ChoiceMember:
        for choice in self.words:
            if choice not in self.choices:
                raise ValueError(f"words has {choice}, which is none of the choices; add it there, or leave it out")
        return self


class NumberMember(Table):
    """A member of a query that is a whole number."""

    kind: Literal["number"]
    least: Annotated[int, Field(strict=True)] = Field(default=0, ge=0, description="The least that it may be.")
    most: Annotated[int, Field(strict=True)] = Field(
        default=999_999, ge=1, le=999_999_999, description="The most that it may be."
    )
    words: Annotated[tuple[PlainText, ...], Field(max_length=50)] = Field(
        default=(), description="What stands before or behind the number."
    )

    @model_validator(mode="after")
    def _in_order(self) -> NumberMember:
        if self.least > self.most:
            raise ValueError(f"least is {self.least}, and more than most, {self.most}; correct one")
        return self


class TextMember(Table):
    """A member of a query that is a text of a pattern."""

    kind: Literal["text"]
    pattern: Pattern = Field(description="What the whole text looks like, `regex` syntax; no quotation marks in it.")
    words: Annotated[tuple[PlainText, ...], Field(max_length=50)] = Field(
        default=(), description="What stands before the text; with none, any text of the pattern is meant."
    )


class DayMember(Table):
    """A member of a query that is a day: written so, or so many days before today."""

    kind: Literal["day"]
    words: Annotated[tuple[PlainText, ...], Field(max_length=50)] = Field(
        default=(), description="What stands before a day that is written, as 2026-11-27 or 27.11.2026."
    )
    days_ago: dict[PlainText, Annotated[int, Field(strict=True, ge=-3650, le=3650)]] = Field(
        default={}, description="Phrases, and how many days before today each of them means."
    )


Member = Annotated[ChoiceMember | NumberMember | TextMember | DayMember, Field(discriminator="kind")]


class QueryAnswer(Table):
    """An object of these members, each null where the question says nothing of it. Never SQL."""

    kind: Literal["query"]
    members: Annotated[dict[MemberName, Member], Field(min_length=1, max_length=MOST_MEMBERS)] = Field(
        description="What may be asked for."
    )
    ignore: Annotated[tuple[PlainText, ...], Field(max_length=500)] = Field(
        default=(), description="Words of a question that mean no member; any other word must mean one."
    )


Answer = Annotated[TextAnswer | ChoiceAnswer | FieldsAnswer | QueryAnswer, Field(discriminator="kind")]


class ImageTable(Table):
    """How the image is prepared."""

    view: View = Field(
        default="lines",
        description="What the model is shown: lines (the text alone, on a sheet), whole (all of it), or none.",
    )
    hint: Annotated[bool, Field(strict=True)] = Field(
        default=True, description="Whether the model is told what OCR reads in the image; true or false."
    )
    sharpen: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Whether edges are drawn sharper first (unsharp mask); true or false."
    )


class QuestionProfile(Table):
    """A question profile, as its file has it."""

    version: Literal[1] = Field(description="Version of this file's form; 1.")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="Name of the profile: the file's own.")
    about: str = Field(default="", max_length=200, description="What it is for, in one line, for whoever chooses it.")
    example: str = Field(default="", max_length=500, description="A question as one would ask it; the page shows it.")
    prompt: str = Field(
        min_length=1,
        max_length=2000,
        description="What the model is told: {question} stands for the question, {field} for a field's name.",
    )
    max_tokens: Annotated[int, Field(strict=True)] = Field(
        default=64, ge=1, le=1024, description="Longest answer, tokens; of named fields, of each."
    )
    needs_large_model: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Whether the small model that ships with edge cannot do it, and refuses it."
    )
    answer: Answer = Field(description="What the answer may be.")
    image: ImageTable = Field(default=ImageTable(), description="How the image is prepared.")

    @model_validator(mode="after")
    def _fits(self) -> QuestionProfile:
        if self.answer.kind == "fields":
            if FIELD not in self.prompt or QUESTION in self.prompt:
                raise ValueError("prompt asks for fields: it must hold {field}, and no {question}")
            if self.image.view != "lines" or not self.image.hint:
                raise ValueError(
                    "image.view must be lines, with hint, where the answer is fields: they are read as on a plate"
                )
        elif FIELD in self.prompt:
            raise ValueError("prompt holds {field}, which only an answer of kind fields has")
        if self.image.view == "none" and not self.asks:
            raise ValueError("prompt must hold {question} where image.view is none: nothing else is asked about")
        if self.answer.kind == "query" and not self.asks:
            raise ValueError("prompt must hold {question} where the answer is a query")
        return self

    @property
    def asks(self) -> bool:
        """Whether it is asked with a question; else it is a question by itself."""
        return QUESTION in self.prompt

    @property
    def sees(self) -> bool:
        """Whether it needs an image."""
        return self.image.view != "none"

    def told(self, question: str) -> str:
        """What a model is told for a question.

        Raises:
            UseError: it lacks a question, or has one where the profile asks its own.
        """
        if self.asks and not question.strip():
            raise UseError(
                f"the profile {self.name} needs a question" + (f' such as "{self.example}"' * bool(self.example))
            )
        if not self.asks and question.strip():
            raise UseError(f"the profile {self.name} asks its own question: leave yours out")
        return self.prompt.replace(QUESTION, question.strip())

    @property
    def product(self) -> Product:
        """The fields of the answer as what is read on a product.

        Raises:
            ValueError: the answer is no fields.
        """
        if not isinstance(self.answer, FieldsAnswer):
            raise ValueError(f"profile {self.name} has no fields")  # noqa: TRY004 - the file has, not the caller
        fields = {
            name: table.model_copy(
                update={
                    "question": table.question or self.prompt.replace(FIELD, name.replace("_", " ")),
                    "max_new_tokens": min(table.max_new_tokens, self.max_tokens),
                }
            )
            for name, table in self.answer.fields.items()
        }
        return to_product(ProductFile.model_construct(version=1, name=self.name, fields=fields))


def read_profile(path: Path) -> QuestionProfile:
    """Read and check one profile file.

    Raises:
        ConfigError: it is wrong; lists all mistakes.
    """
    file = toml_file.read(path)
    try:
        profile = QuestionProfile.model_validate(file.values)
    except ValidationError as error:
        raise file.refusal(error, QuestionProfile) from None
    if profile.name != path.stem:
        raise ConfigError(f"{file.at(('name',))} differs from the file's own name; make them the same")
    return profile


def read_profiles(folder: Path) -> Mapping[str, QuestionProfile]:
    """Every profile of a folder, by its name; none where there is no folder.

    Raises:
        ConfigError: one of them is wrong; lists all mistakes of all of them.
    """
    found: dict[str, QuestionProfile] = {}
    problems: list[str] = []
    paths = sorted(folder.glob("*.toml"))
    if len(paths) > MOST_PROFILES:
        raise ConfigError(f"{folder}: has {len(paths)} profiles, and the limit is {MOST_PROFILES}; take some out")
    for path in paths:
        try:
            found[path.stem] = read_profile(path)
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)
    return found


def profile_named(name_or_path: str, folder: Path | None) -> QuestionProfile:
    """The profile of that name in a folder, or of that path.

    Raises:
        ConfigError: it is wrong; lists all mistakes.
        UseError: there is none of that name.
    """
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        return read_profile(Path(name_or_path))
    path = None if folder is None else folder / f"{name_or_path}.toml"
    if path is None or not path.is_file():
        known = [] if folder is None else sorted(one.stem for one in folder.glob("*.toml"))
        raise UseError(
            f"there is no question profile {name_or_path!r} in {folder or 'any folder'}; "
            f"{toml_file.suggestion(name_or_path, known) if known else 'name a file'}"
        )
    return read_profile(path)


def from_json(text: str) -> QuestionProfile:
    """The profile that another process sends.

    Raises:
        UseError: it is none, or of another version.
    """
    try:
        return QuestionProfile.model_validate_json(text)
    except ValidationError:
        raise UseError("the question profile is of another version of edge: restart reader and panel") from None


def listed(profile: QuestionProfile) -> dict[str, Any]:
    """What whoever chooses a profile is told of it."""
    return {
        "name": profile.name,
        "about": profile.about,
        "example": profile.example,
        "answer": profile.answer.kind,
        "asks": profile.asks,
        "sees": profile.sees,
        "needs_large_model": profile.needs_large_model,
    }
