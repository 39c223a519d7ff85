"""What a person looks at: pages and colours."""

from .colours import label_colours
from .page import span_page

__all__ = ["label_colours", "span_page"]
