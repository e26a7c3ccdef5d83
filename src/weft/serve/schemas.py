"""What is asked and answered, as JSON. No torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1, description="What is to be labelled.")]
Name = Annotated[
    str, Field(max_length=300, description="The adapter's in /adapters; without, the first.")
]
Kind = Literal["validation", "authentication", "unknown", "overloaded", "timeout", "server"]


class Ask(BaseModel):
    """Texts for one adapter."""

    model_config = ConfigDict(extra="forbid", strict=True)

    inputs: Annotated[
        Text | Annotated[list[Text], Field(min_length=1)],
        Field(description="One text, or several.", examples=["dull, but kind"]),
    ]
    adapter: Name | None = None
    top_k: Annotated[
        int | None,
        Field(ge=1, description="Only the most probable labels, so many; without, all."),
    ] = None

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
