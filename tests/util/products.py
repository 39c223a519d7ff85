"""The matrix products of thinc, which pipelines of the project switch."""

from contextlib import contextmanager

from thinc.api import get_current_ops, registry, set_current_ops


@contextmanager
def products_restored():
    """What thinc uses before comes back after: a switch is one of the whole process."""
    current, registered = get_current_ops(), registry.ops.get("NumpyOps")
    yield
    registry.ops.register("NumpyOps", func=registered)
    set_current_ops(current)
