"""Registered values that follow from the language and the machine, so that one
config serves all of them."""

from typing import Callable

from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.util import registry
from thinc.api import CupyOps, get_current_ops


def create_language_tokenizer_v1() -> Callable[[Language], Tokenizer]:
    """The tokenizer that the language of the pipeline has by default, so that
    `nlp.lang` can be changed alone."""

    def create_tokenizer(nlp: Language) -> Tokenizer:
        default = {"tokenizer": nlp.default_config["nlp"]["tokenizer"]}
        return registry.resolve(default)["tokenizer"](nlp)

    return create_tokenizer


def is_gpu_active_v1() -> bool:
    """Whether a GPU is in use: mixed precision is an error without one."""
    return isinstance(get_current_ops(), CupyOps)
