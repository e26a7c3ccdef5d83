"""What is asked and answered, as JSON. No torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Text = Annotated[str, Field(min_length=1, description="What is to be labelled.")]
Name = Annotated[
    str, Field(max_length=300, description="The adapter's in /adapters; without, the first.")
]
Kind = Literal["validation", "authentication", "unknown", "overloaded", "timeout", "server"]


def _whole(value: object) -> object:
    """2.0 is an integer in JSON's schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Top = Annotated[
    Annotated[int, Field(ge=1), BeforeValidator(_whole)] | None,
    Field(description="Only the most probable labels, so many; without, all."),
]
_TWICE: dict[str, Any] = {
    "not": {
        "required": ["top_k", "parameters"],
        "properties": {
            "top_k": {"type": "integer"},
            "parameters": {
                "type": "object",
                "required": ["top_k"],
                "properties": {"top_k": {"type": "integer"}},
            },
        },
    }
}
"""Both places at once. That they may then say the same no schema can express."""


class Parameters(BaseModel):
    """Where clients of Hugging Face's inference put `top_k`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    top_k: Top = None


class Ask(BaseModel):
    """Texts for one adapter."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=_TWICE)

    inputs: Annotated[
        Text | Annotated[list[Text], Field(min_length=1)],
        Field(description="One text, or several.", examples=["dull, but kind"]),
    ]
    adapter: Name | None = None
    top_k: Top = None
    parameters: Annotated[
        Parameters | None,
        Field(description="top_k may stand here too; not in both places with other values."),
    ] = None

    @model_validator(mode="after")
    def _once(self) -> Self:
        inner = None if self.parameters is None else self.parameters.top_k
        if None not in (self.top_k, inner) and self.top_k != inner:
            here, there = str(self.top_k)[:20], str(inner)[:20]
            raise ValueError(f"top_k: {here} beside inputs, {there} in parameters; give it once")
        return self

    @property
    def most(self) -> int | None:
        """Labels of an answer; None: all."""
        inner = None if self.parameters is None else self.parameters.top_k
        return inner if self.top_k is None else self.top_k

    @property
    def texts(self) -> list[str]:
        """Always a list."""
        return [self.inputs] if isinstance(self.inputs, str) else self.inputs


class Scored(BaseModel):
    """One label of one text."""

    label: str
    score: Annotated[float, Field(ge=0, le=1, description="Its calibrated probability.")]


Answers = list[Scored] | list[list[Scored]]
"""Of one text, or a list for each of several."""


class AskWhy(BaseModel):
    """One text whose words are to be weighed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    inputs: Text
    adapter: Name | None = None


class Word(BaseModel):
    """A word of the text, and what it did."""

    word: str
    begin: Annotated[int, Field(ge=0, description="Character at which it begins.")]
    score: Annotated[
        float,
        Field(description="Points of the label's probability that it carried; below 0: against."),
    ]


class Why(BaseModel):
    """Which words carried the most probable label."""

    label: str
    score: float
    without: Annotated[float, Field(description="The label's probability with no word at all.")]
    words: list[Word]


class Offered(BaseModel):
    """One adapter."""

    name: str
    method: str
    labels: list[str]
    backbone: str | None
    temperature: float | None


class Failed(BaseModel):
    """Why there is no answer."""

    error: str
    error_type: Kind


class State(BaseModel):
    """How the server is."""

    status: Literal["ok", "ready", "ending"]
