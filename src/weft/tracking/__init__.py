"""A study's runs in the trackers that people already watch: TensorBoard and MLflow.

Each is written by its own library, an extra of weft, and none is loaded unless it is asked for.
"""

from weft.tracking.opening import trackers

__all__ = ["trackers"]
