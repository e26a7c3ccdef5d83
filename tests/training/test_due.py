"""When a bank's state is due: every minute, and at ends of epochs as far as that costs little."""

from __future__ import annotations

import pytest

from weft.training.due import INTERVAL, SHARE, Due


class Clock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.now = 7.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def written(due: Due, clock: Clock, seconds: float) -> None:
    with due.writing():
        clock.now += seconds


def test_a_minute_is_enough(clock: Clock) -> None:
    due = Due(clock)
    clock.now += INTERVAL - 0.01
    assert not due.now(epoch_ended=False)
    clock.now += 0.02
    assert due.now(epoch_ended=False)
    written(due, clock, 50.0)
    assert not due.now(epoch_ended=False)
    clock.now += INTERVAL + 0.01
    assert due.now(epoch_ended=False)


def test_an_epoch_is_unless_writing_would_take_more_than_its_share(clock: Clock) -> None:
    due = Due(clock)
    assert due.now(epoch_ended=True)  # what it takes is not known yet
    written(due, clock, 0.1)
    assert not due.now(epoch_ended=True)
    clock.now += 0.1 / SHARE - 0.01
    assert not due.now(epoch_ended=True)
    clock.now += 0.02
    assert due.now(epoch_ended=True)


def test_epochs_of_any_length_leave_writing_its_share(clock: Clock) -> None:
    """What is lost is at most an epoch and five writings, and at most a minute and a step."""
    for epoch in (0.01, 0.3, 5.0, 400.0):
        due, took, age, worst = Due(clock), 0.0, 0.0, 0.0
        began = clock.now
        while clock.now - began < 2000:
            for part in range(20):
                clock.now += epoch / 20
                age += epoch / 20
                if due.now(epoch_ended=part == 19):
                    worst, age = max(worst, age), 0.0
                    written(due, clock, 0.2)
                    took += 0.2
        assert took <= (SHARE + 0.001) * (clock.now - began)
        assert worst <= epoch + 0.2 / SHARE + 1e-6
        assert worst <= INTERVAL + epoch / 20 + 1e-6


def test_a_writing_that_breaks_off_counts_for_nothing(clock: Clock) -> None:
    due = Due(clock)
    clock.now += INTERVAL + 1
    with pytest.raises(OSError, match="full"), due.writing():
        raise OSError("full")
    assert due.now(epoch_ended=False)
