"""A language's vocabulary and tokenizer."""

import re
import unicodedata
from functools import cached_property
from types import SimpleNamespace
from typing import Callable, Optional

from spacy import util
from spacy.language import create_tokenizer
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.vocab import Vocab, create_vocab

from .record import LineError

# spaCy's rules take quadratic time on signs without whitespace between them.
LONGEST_RUN = 10_000
_RUN = re.compile(rf"\S{{{LONGEST_RUN}}}")


# By the first word of the names of characters.
LANGUAGES = {
    **{"CJK": "zh", "HIRAGANA": "ja", "KATAKANA": "ja"},
    **{"HANGUL": "ko", "THAI": "th"},
}


def guess_language(text: str) -> Optional[str]:
    """The language of a text whose script has no whitespace between words, or whose
    tokenizer is its own; None for any other."""
    names = (unicodedata.name(char, "").partition(" ")[0] for char in text)
    found = {LANGUAGES[name] for name in names if name in LANGUAGES}
    # Japanese has Chinese characters too.
    return "ja" if "ja" in found else next(iter(sorted(found)), None)


class LanguageTools:
    """What is needed of a language to make documents. A whole pipeline would import
    every component that is installed, transformers too: 100 MB.

    lang (str): Language code.
    RAISES (ImportError): If spaCy has no such language, or its tokenizer needs a
        package that is missing.
    """

    def __init__(self, lang: str) -> None:
        self.lang = lang
        language = util.get_lang_class(lang)
        self.vocab: Vocab = create_vocab(lang, language.Defaults)

    @cached_property
    def _tokenizer(self) -> Callable[[str], Doc]:
        language = util.get_lang_class(self.lang)
        config = {"tokenizer": language.default_config["nlp"]["tokenizer"]}
        make: Callable[..., Callable[[str], Doc]]
        make = util.registry.resolve(config)["tokenizer"]
        return make(
            SimpleNamespace(
                vocab=self.vocab, Defaults=language.Defaults, lang=self.lang
            )
        )

    def make_doc(self, text: str) -> Doc:
        """Tokenize a text.

        RAISES (LineError): If it cannot be done in reasonable time.
        """
        if isinstance(self._tokenizer, Tokenizer) and _RUN.search(text):
            raise LineError(
                f"there are {LONGEST_RUN:,} characters without whitespace, too many "
                f"for the tokenizer of {self.lang!r}; is this the right language?"
            )
        return self._tokenizer(text)


assert create_tokenizer  # registers the tokenizer of most languages
