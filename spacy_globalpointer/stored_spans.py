"""A span of a group as spaCy stores it, in `SpanGroup.to_bytes` and in DocBin."""

from struct import Struct

import numpy

# Hashes of strings, then offsets of tokens and of characters.
FIELDS = ("id", "kb_id", "label", "start", "end", "start_char", "end_char")
SPAN_STRUCT = Struct(">QQQllll")
# The same for many spans at once.
SPAN_DTYPE = numpy.dtype(
    [
        (name, SPAN_STRUCT.format[0] + {"Q": "u8", "l": "i4"}[code])
        for name, code in zip(FIELDS, SPAN_STRUCT.format[1:])
    ]
)
