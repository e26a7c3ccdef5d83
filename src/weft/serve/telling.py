"""What a server tells of itself: counts for Prometheus, and a line of JSON a request. No text of a
user ever stands in either."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from weft.serve.batcher import Step

_LOG = logging.getLogger("weft.serve")
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Counts:
    """A server's own registry, so that two servers in one process do not meet."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self._registry}
        self.requests = Counter(
            "weft_requests", "Requests by path and status.", ("path", "status"), **own
        )
        self.seconds = Histogram(
            "weft_request_seconds",
            "Seconds from arrival to answer.",
            ("path",),
            buckets=_SECONDS,
            **own,
        )
        self.texts = Counter("weft_texts", "Texts that were labelled.", ("adapter",), **own)
        self._steps = Histogram(
            "weft_step_texts", "Texts that were computed at once.", buckets=_POWERS, **own
        )
        self._busy = Counter("weft_compute_seconds", "Seconds of computing.", **own)
        self._mixed = Counter("weft_mixed_steps", "Steps with more than one adapter.", **own)
        Gauge("weft_texts_waiting", "Texts that wait.", **own).set_function(waiting)

    def step(self, step: Step) -> None:
        """Takes note of a batch."""
        self._steps.observe(step.texts)
        self._busy.inc(step.seconds)
        if step.adapters > 1:
            self._mixed.inc()

    def page(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self._registry)


_POWERS = tuple(2.0**k for k in range(11))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0] is not None:
            # the kind and the place, not the message: it may quote a text
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            where = "" if trace is None else f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
            line |= {"error": record.exc_info[0].__name__, "where": where}
        return json.dumps(line, ensure_ascii=False)


def log_to_stderr() -> None:
    """Lines of JSON from now on, uvicorn's own included."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json())
    for name in ("weft.serve", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)


def log(event: str, *, error: BaseException | None = None, **fields: Any) -> None:
    """One line."""
    level = logging.INFO if error is None else logging.ERROR
    _LOG.log(level, event, extra={"fields": fields}, exc_info=error)
