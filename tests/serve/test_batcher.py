"""What waits is computed together, in parts, and nobody waits for nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from weft.serve.batcher import Batcher, FullError, Step
from weft.serve.deck import Adapter, Deck, Read, Rows
from weft.serve.limits import Limits

from .. import tiny


@dataclass
class Slow:
    """An engine that computes when it is let, and says what it was asked."""

    let: threading.Event = field(default_factory=threading.Event)
    asked: list[list[int]] = field(default_factory=list)
    breaks: bool = False

    def read(self, texts: Sequence[str]) -> Read:
        return Read(texts, None)

    def compute(self, parts: Sequence[tuple[int, Read]]) -> list[Rows]:
        self.asked.append([len(part.texts) for _, part in parts])
        assert self.let.wait(10)
        if self.breaks:
            raise ArithmeticError("broken")
        return [np.full((len(part.texts), 2), float(place)) for place, part in parts]


def adapter(deck: Deck, engine: Slow, place: int = 0) -> Adapter:
    return replace(deck.adapters["two"], name=f"slow {place}", engine=engine, place=place)


async def waiting(batcher: Batcher, texts: int) -> None:
    async with asyncio.timeout(10):
        while batcher.waiting != texts:
            await asyncio.sleep(0.001)


def test_requests_of_several_adapters_are_computed_at_once(deck: Deck) -> None:
    steps: list[Step] = []

    async def ask() -> list[Rows]:
        batcher = Batcher(Limits(delay=0.2), steps.append)
        try:
            asked = [
                batcher.probabilities(deck.adapters[name], tiny.texts(3, seed=k))
                for k, name in enumerate(("two", "three", "four", "two"))
            ]
            return await asyncio.gather(*asked)
        finally:
            await asyncio.to_thread(batcher.close)

    found = asyncio.run(ask())
    assert [rows.shape for rows in found] == [(3, 2), (3, 3), (3, 4), (3, 2)]
    for k, name in enumerate(("two", "three", "four", "two")):
        one = deck.adapters[name]
        (alone,) = one.engine.compute([(one.place, one.engine.read(tiny.texts(3, seed=k)))])
        np.testing.assert_allclose(found[k], alone, atol=2e-6)
    assert sum(step.texts for step in steps) == 12
    assert max(step.adapters for step in steps) > 1


def test_many_texts_are_taken_in_parts(deck: Deck) -> None:
    engine = Slow()
    engine.let.set()

    async def ask() -> Rows:
        batcher = Batcher(Limits(tokens=4))
        try:
            return await batcher.probabilities(adapter(deck, engine), ["text"] * 10)
        finally:
            await asyncio.to_thread(batcher.close)

    assert asyncio.run(ask()).shape == (10, 2)
    assert engine.asked == [[4], [4], [2]]


def test_what_comes_meanwhile_joins_the_next_step(deck: Deck) -> None:
    engine = Slow()

    async def ask() -> list[Rows]:
        batcher = Batcher(Limits(delay=0))
        try:
            first = asyncio.ensure_future(batcher.probabilities(adapter(deck, engine), ["one"]))
            async with asyncio.timeout(10):
                while not engine.asked:
                    await asyncio.sleep(0.001)
            others = [
                asyncio.ensure_future(batcher.probabilities(adapter(deck, engine, k), ["two"]))
                for k in (1, 2)
            ]
            await waiting(batcher, 3)
            await asyncio.sleep(0.05)  # they are read in a thread
            engine.let.set()
            return await asyncio.gather(first, *others)
        finally:
            await asyncio.to_thread(batcher.close)

    found = asyncio.run(ask())
    assert [rows[0, 0] for rows in found] == [0.0, 1.0, 2.0]
    assert engine.asked == [[1], [1, 1]]


def test_a_full_queue_says_when_to_come_again(deck: Deck) -> None:
    engine = Slow()

    async def ask() -> None:
        batcher = Batcher(Limits(queue=3))
        try:
            first = asyncio.ensure_future(batcher.probabilities(adapter(deck, engine), ["a", "b"]))
            await waiting(batcher, 2)
            with pytest.raises(FullError) as full:
                await batcher.probabilities(adapter(deck, engine), ["c", "d"])
            assert full.value.seconds > 0
            engine.let.set()
            await first
            assert batcher.waiting == 0
        finally:
            engine.let.set()
            await asyncio.to_thread(batcher.close)

    asyncio.run(ask())


def test_whoever_goes_is_not_computed_for(deck: Deck) -> None:
    engine = Slow()

    async def ask() -> None:
        batcher = Batcher(Limits(delay=0))
        try:
            first = asyncio.ensure_future(batcher.probabilities(adapter(deck, engine), ["a"]))
            async with asyncio.timeout(10):
                while not engine.asked:
                    await asyncio.sleep(0.001)
            gone = asyncio.ensure_future(batcher.probabilities(adapter(deck, engine), ["b"] * 5))
            await waiting(batcher, 6)
            await asyncio.sleep(0.05)
            gone.cancel()
            await waiting(batcher, 1)
            engine.let.set()
            await first
        finally:
            await asyncio.to_thread(batcher.close)

    asyncio.run(ask())
    assert engine.asked == [[1]]


def test_a_step_that_breaks_is_told_and_the_next_one_works(deck: Deck) -> None:
    engine = Slow(breaks=True)
    engine.let.set()

    async def ask() -> Rows:
        batcher = Batcher(Limits(tokens=1))
        try:
            with pytest.raises(ArithmeticError):
                await batcher.probabilities(adapter(deck, engine), ["a", "b"])
            engine.breaks = False
            return await batcher.probabilities(adapter(deck, engine), ["c"])
        finally:
            await asyncio.to_thread(batcher.close)

    assert asyncio.run(ask()).shape == (1, 2)
    assert engine.asked == [[1], [1]]


def test_closing_computes_what_waits(deck: Deck) -> None:
    engine = Slow()

    async def ask() -> Rows:
        batcher = Batcher(Limits())
        first = asyncio.ensure_future(batcher.probabilities(adapter(deck, engine), ["a"]))
        async with asyncio.timeout(10):
            while not engine.asked:
                await asyncio.sleep(0.001)
        engine.let.set()
        await asyncio.to_thread(batcher.close)
        return await first

    assert asyncio.run(ask()).shape == (1, 2)
