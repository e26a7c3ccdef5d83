"""Memory that ran out: how it is known, and the smaller bank that is decided on. No torch.

What was decided stands in the ledger, so that a study that is stopped later goes on in the same
bank.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from weft.study.ledger import Ledger

FACT = "memory"
"""By method, the banks that were made smaller: slots, slots before, and why."""
_SAYINGS = ("allocate memory", "out of memory", "bad_alloc", "bad allocation", "os error 12")
"""What PyTorch, CUDA, the C++ library and the system say when there is no memory left."""


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, Exception) and any(word in str(error).lower() for word in _SAYINGS)


def slots_for(facts: dict[str, Any], method: str, wanted: int) -> int:
    """Slots of a method's bank where nothing is to be gone on with."""
    decided = _all(facts).get(method, [])
    return min(wanted, decided[-1]["slots"]) if decided else wanted


def decide(ledger: Ledger, method: str, slots: int, before: int, why: str) -> None:
    """Writes down that the method's banks have `slots` slots from now on."""
    known = _all(ledger.facts())
    one = {"slots": slots, "before": before, "why": why}
    ledger.set_facts({FACT: known | {method: [*known.get(method, []), one]}})


def kernel_kills() -> list[Any] | None:
    """Since when, and how often, the system has killed a process for memory; None: it does not
    say. Linux counts those of containers too."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return [boot, int(value)]
    except (OSError, ValueError):
        pass
    return None


def killed_twice(sessions: list[dict[str, Any]], stand: Any) -> bool:
    """Whether the last two sessions began where the study stands now, and the system killed for
    memory in the time of each.

    Args:
        sessions: in order; each with its `stand` and what `kernel_kills` said as it began.
        stand: of now.
    """
    last = sessions[-2:]
    if len(last) < 2 or any(own["ended"] is not None for own in last):
        return False
    if any(own.get("stand") != stand or own.get("kills") is None for own in last):
        return False
    (boot, first), (second_boot, second) = (own["kills"] for own in last)
    now = kernel_kills()
    if now is None or not boot == second_boot == now[0]:
        return False
    return bool(first < second < now[1])


def _all(facts: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return cast("dict[str, list[dict[str, Any]]]", facts.get(FACT, {}))
