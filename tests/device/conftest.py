"""Tiny checkpoints for the tests in this folder."""

from ..tiny import checkpoint

__all__ = ["checkpoint"]
