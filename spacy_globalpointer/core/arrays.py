"""Names for the types of numpy arrays."""

from typing import Any

import numpy
from numpy.typing import NDArray

Ints = NDArray[numpy.integer[Any]]
Floats = NDArray[numpy.floating[Any]]
Mask = NDArray[numpy.bool_]
