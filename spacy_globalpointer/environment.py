"""The language and the machine: registered values that follow from them, so that one
config serves all, and the GPU."""

from typing import Callable

from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.util import registry
from thinc.api import CupyOps, get_current_ops

from .errors import Errors


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


def use_gpu(gpu_id: int, silent: bool = True) -> None:
    """Use a GPU for all that follows.

    gpu_id (int): The GPU, -1 for the CPU.
    silent (bool): Whether not to print which is used.
    RAISES (ValueError): If the GPU cannot be used.
    """
    # Of the command line, which not everyone who imports this needs.
    from spacy.cli._util import setup_gpu

    try:
        setup_gpu(gpu_id, silent=silent)
    except ValueError as error:
        raise ValueError(Errors.E174.format(gpu_id=gpu_id, reason=error)) from error
