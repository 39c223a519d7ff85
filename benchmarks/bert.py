"""A BERT of random weights."""

import string
from pathlib import Path
from typing import Any, Sequence

import torch
from transformers import BertConfig, BertModel, BertTokenizerFast


def save_bert(folder: Path, words: Sequence[str] = (), **config: Any) -> None:
    """Save a BERT of random weights that knows letters, digits and some words.

    folder (Path): An existing directory.
    words (Sequence[str]): Words that are one piece each.
    config: Options of `BertConfig`.
    """
    letters = [*string.ascii_lowercase, *string.digits, ".", ","]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters]
    pieces += [f"##{letter}" for letter in letters]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf8")
    bert_config = BertConfig(vocab_size=len(pieces), **config)
    tokenizer = BertTokenizerFast(
        str(folder / "vocab.txt"), model_max_length=bert_config.max_position_embeddings
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(bert_config).save_pretrained(folder)
