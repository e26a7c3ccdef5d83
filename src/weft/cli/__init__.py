"""The command line: thin commands that import what they need when they run."""

from weft.cli.app import main

__all__ = ["main"]
