"""The peer of `weft serve`: FastAPI around one merged model's `transformers.pipeline`, as it is
commonly written.

    python -m measure.pipeline_server FOLDER PORT threads|loop [float32|bfloat16]

`threads` answers in a plain function, which FastAPI runs in its pool of threads; `loop` in an
asynchronous one, request by request.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
import transformers
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Ask(BaseModel):
    """One text."""

    inputs: str


def app(folder: str, kind: str, dtype: str) -> FastAPI:
    """The application."""
    classify: Any = transformers.pipeline(
        "text-classification", model=folder, dtype=getattr(torch, dtype)
    )
    made = FastAPI()

    def predict(ask: Ask) -> Any:
        return classify(ask.inputs, top_k=None)

    async def predict_in_loop(ask: Ask) -> Any:
        return classify(ask.inputs, top_k=None)

    made.post("/predict")(predict if kind == "threads" else predict_in_loop)
    made.get("/ready")(lambda: {"status": "ready"})
    return made


if __name__ == "__main__":
    folder, port, kind, dtype = sys.argv[1:]
    uvicorn.run(app(folder, kind, dtype), port=int(port), log_level="error", access_log=False)
