"""Tiny checkpoints for the tests in this folder; kernels in Triton's interpreter without a GPU."""

import os

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are

from ..tiny import checkpoint

__all__ = ["checkpoint"]
