import pytest
import spacy
from spacy.util import load_model_from_config
from thinc.api import Config, CupyOps, get_current_ops

CONFIG = """
[nlp]
lang = "{lang}"
pipeline = []

[nlp.tokenizer]
@tokenizers = "spacy_globalpointer.LanguageTokenizer.v1"
"""
TEXT = {
    "en": "We don't know the U.K. (yet).",
    "de": "Das geht z.B. in der Hauptstr. nicht.",
    "zh": "浙商银行企业信贷部CSOL",
    "ar": "قال رئيس الوزراء، أمس.",
}


@pytest.mark.parametrize("lang", sorted(TEXT))
def test_tokenizer_is_the_one_of_the_language(lang, tmp_path):
    config = Config().from_str(CONFIG.format(lang=lang))
    nlp = load_model_from_config(config, auto_fill=True)
    expected = [token.text for token in spacy.blank(lang)(TEXT[lang])]
    assert [token.text for token in nlp(TEXT[lang])] == expected
    nlp.to_disk(tmp_path)
    assert [token.text for token in spacy.load(tmp_path)(TEXT[lang])] == expected


def test_mixed_precision_follows_the_gpu():
    config = {"value": {"@misc": "spacy_globalpointer.is_gpu_active.v1"}}
    on_gpu = isinstance(get_current_ops(), CupyOps)
    assert spacy.registry.resolve(config) == {"value": on_gpu}
