"""What heads score, how it is learned, and what becomes of it."""

from .links import LinkTask
from .spans import SpanTask
from .tags import TagTask
from .task import Task

__all__ = ["LinkTask", "SpanTask", "TagTask", "Task"]
