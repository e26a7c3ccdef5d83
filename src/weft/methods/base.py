"""What every method is given and what it gives back: one seam, `Method.run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from weft.config import BackboneSettings, StudyConfig
from weft.data.examples import Examples
from weft.data.splits import Splits
from weft.nn.backbone import Backbone, load
from weft.nn.fitness import refuse_unknown
from weft.nn.source import Source, pooling_of
from weft.text.tokens import Pool, Tokens
from weft.training.events import EpochEnd, RunBegin, RunFailed, Settled, Stepped
from weft.training.slots import Length
from weft.training.snapshot import Snapshot

Probabilities = NDArray[np.float64]  # (B, C)


@dataclass(frozen=True)
class Found:
    """What validation chose before, for a run that trains on the validation examples too.

    Nothing selects in such a run; what it says of its validation is what it has learnt by heart.
    """

    length: Length | None = None
    """Of a run that trains by steps."""
    c: float | None = None
    """The inverse strength of the penalty, of the others."""


@dataclass(frozen=True)
class Item:
    """One run to be made."""

    run_id: str
    size: int
    seed: int
    config: StudyConfig | None = field(default=None, compare=False)
    """Its settings, where they are not those of the materials. Items that a method gets at once
    differ in the recipe at most: they share the encoder and what a bank needs."""
    found: Found | None = field(default=None, compare=False)
    """None: validation selects."""


@dataclass(frozen=True)
class Before:
    """What an earlier try at the same items left."""

    made: Sequence[Item] = ()
    """Those that are finished: no longer to be made, but what is computed for all items together
    is computed for these too, so that it comes out as it would have without a break."""
    snapshot: Snapshot | None = None
    """Where the others stand; None: they have not begun."""
    slots: int | None = None
    """How many runs a bank trains at once, where it is not as the settings say."""


NOTHING = Before()


@dataclass(frozen=True)
class Done:
    """One run's end, whatever the method."""

    run_id: str
    validation: Probabilities
    held_out: Probabilities
    """Of each validation example by the epoch, or the C, that the other folds' examples choose
    (`evidence.calibration.held_out`): on these, and no others, temperatures are fitted."""
    test: Probabilities
    trainable: int
    total: int
    epochs: int
    best_epoch: int
    seconds: float
    examples_per_second: float
    save: Callable[[Path], None]
    """Writes the run's model into an existing folder."""
    extra: dict[str, Any] = field(default_factory=dict[str, Any])


MethodEvent = RunBegin | Stepped | EpochEnd | RunFailed | Done | Settled


class Method(Protocol):
    """A way to get a classifier from labelled texts."""

    def run(self, items: Sequence[Item], before: Before = NOTHING) -> Iterator[MethodEvent]:
        """Makes all the runs and tells what happens as it happens.

        Args:
            items: to be made; with a snapshot, those that sat or waited when it was taken.
            before: what need not be made again.
        """
        ...


class Materials:
    """What the methods of one study share; each part is made when first needed, and once."""

    def __init__(
        self,
        config: StudyConfig,
        splits: Splits,
        labels: tuple[str, ...],
        positive: int | None,
        source: Source | None,
    ) -> None:
        self.config, self.splits = config, splits
        self.labels, self.positive = labels, positive
        self._source = source
        self._others: dict[BackboneSettings, Materials] = {}  # by another reading of the encoder
        self._tokenizer: tuple[Any, int] | None = None  # and the length that texts are cut to

    def of(self, config: StudyConfig) -> Materials:
        """Those of runs with these settings: the same data, read as these settings say."""
        settings = config.backbone
        if settings == self.config.backbone or self._source is None:
            return self
        if settings not in self._others:
            source = replace(self._source, pooling=pooling_of(settings, self._source.folder))
            self._others[settings] = Materials(
                config, self.splits, self.labels, self.positive, source
            )
        return self._others[settings]

    def settings(self, items: Sequence[Item]) -> StudyConfig:
        """The settings of items that a method gets at once, but for their recipes."""
        return items[0].config or self.config

    def backbone(self) -> Backbone:
        """The encoder, loaded anew: a bank takes it over."""
        assert self._source is not None
        backbone = load(self._source, self.config.backbone, len(self.labels))
        if self._tokenizer is None:
            # a copy: tokenising leaves the cut in it, and the encoder's own is saved with models
            self._tokenizer = deepcopy(backbone.tokenizer), backbone.max_length
        return backbone

    def tokenise_as(self, other: Materials) -> None:
        """Takes over the tokenizer of materials over the same encoder, which is loaded once."""
        self._tokenizer = other._tokenizer

    def _pool(self, examples: Examples) -> Pool:
        if self._tokenizer is None:
            self.backbone()
        assert self._tokenizer is not None
        tokenizer, max_length = self._tokenizer
        return Pool(tokenizer, examples.texts, examples.pairs, max_length)

    def _tokens(self, examples: Examples) -> Tokens:
        return self._pool(examples).take(np.arange(len(examples)))

    @cached_property
    def pool(self) -> Pool:
        """Everything that training sets are drawn from."""
        return self._pool(self.splits.pool)

    @cached_property
    def validation(self) -> Tokens:
        """The examples that select.

        Raises:
            BackboneError: the encoder's tokenizer knows almost none of their words.
        """
        tokens = self._tokens(self.splits.validation)
        assert self._source is not None
        assert self._tokenizer is not None
        refuse_unknown(self._source.name, self._tokenizer[0], tokens.ids)
        return tokens

    @cached_property
    def test(self) -> Tokens:
        """The examples that test."""
        return self._tokens(self.splits.test)
