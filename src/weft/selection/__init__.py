"""Choosing among settings: cross-validation and search, all folds and candidates in one bank."""

from __future__ import annotations

from weft.selection.cross_validation import cross_validate
from weft.selection.search import Search, search

__all__ = ["Search", "cross_validate", "search"]
