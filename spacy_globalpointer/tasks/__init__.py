"""What heads score, how it is learned, and what becomes of it."""

from .spans import SpanTask
from .tags import TagTask
from .task import Task

__all__ = ["SpanTask", "TagTask", "Task"]
