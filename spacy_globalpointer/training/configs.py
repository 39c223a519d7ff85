"""The config that is trained: an encoder's, with a system in it, with static vectors.

configs/ENCODER.cfg is complete. configs/systems/SYSTEM.cfg has only the components
that a system puts in the place of the span component there, and their settings; the
settings in [on.ENCODER], names with dots, hold with this encoder alone. Each component
listens to the encoder as the one before did, and spaCy adds the defaults.

Vectors in word2vec's text format (a header line, then a word and its numbers a line;
.txt, .vec, .gz or .zip) are converted as `spacy init vectors` does it. If none of their
words has a capital letter, they are also those of "Word" and "WORD".
"""

import copy
import re
from contextlib import closing
from pathlib import Path
from typing import Any, Dict

import spacy
from spacy import util
from spacy.language import Language
from spacy.training.initialize import convert_vectors, open_file
from thinc.api import Config
from wasabi import msg

SWITCH = "include_static_vectors"


def assemble(configs: Path, name: str) -> Config:
    """The complete config of an encoder, or of a system on it.

    configs (Path): Folder of the encoders' configs.
    name (str): ENCODER or ENCODER-SYSTEM.
    RETURNS (Config): The config, with its variables.
    """
    encoder, dash, system = name.partition("-")
    config = read_config(configs, encoder)
    if not dash:
        return config
    part = read_config(configs / "systems", system)
    part = part.merge(util.dot_to_dict(part.pop("on", {}).get(encoder, {})))
    upstream, replaced = config["nlp"]["pipeline"]
    listener = config["components"].pop(replaced)["model"]["tok2vec"]
    names = [x for x in part["components"] if x not in config["components"]]
    for component in names:
        model = part["components"][component]["model"]
        own = Config({"tok2vec": copy.deepcopy(listener)})
        part["components"][component]["model"] = own.merge(model)
    config["nlp"]["pipeline"] = [upstream, *names]
    nlp = util.load_model_from_config(
        config.merge(part), auto_fill=True, validate=False
    )
    return nlp.config


def read_config(folder: Path, name: str) -> Config:
    path = folder / f"{name}.cfg"
    if not path.is_file():
        there = sorted(path.stem for path in folder.glob("*.cfg"))
        msg.fail(f"No config {name!r} in {folder}. There are {there}", exits=1)
    return Config().from_disk(path, interpolate=False)


def enable_static_vectors(config: Config, name: str) -> None:
    """Let all parts of a config that can use static vectors do so."""
    if not _set_switches(config["components"]):
        msg.fail(f"No part of {name} has {SWITCH}, so it takes no vectors", exits=1)


def _set_switches(config: Dict[str, Any]) -> int:
    n = 0
    for key, value in config.items():
        if key == SWITCH:
            config[key] = True
            n += 1
        elif isinstance(value, dict):
            n += _set_switches(value)
    return n


def save_vectors(path: Path, lang: str, folder: Path) -> Path:
    """Convert a file of vectors.

    path (Path): The file.
    lang (str): Language code.
    folder (Path): Where to write the folder with the converted ones.
    RETURNS (Path): That folder.
    """
    nlp = spacy.blank(lang)
    read_vectors(nlp, path)
    target = folder / re.sub(r"(\.txt|\.vec)?(\.gz|\.zip)?$", "", path.name)
    target.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(target)
    return target


def read_vectors(nlp: Language, path: Path) -> None:
    """Give a pipeline the vectors in a file."""
    convert_vectors(nlp, path, truncate=0, prune=-1)
    if has_capitals(path):
        return
    # The option `--attr LOWER` of `spacy init vectors` would do, but spaCy 3.8 does
    # not save it.
    vectors, strings = nlp.vocab.vectors, nlp.vocab.strings
    for key, row in list(vectors.key2row.items()):
        word = strings[key]
        for form in {word.title(), word.upper()} - {word}:
            vectors.add(strings.add(form), row=row)


def has_capitals(path: Path) -> bool:
    """Whether a word in a file of vectors has a letter that is not lower case."""
    with closing(open_file(path)) as lines:
        next(lines, None)
        words = (line.split(" ", 1)[0] for line in lines)
        return any(word != word.lower() for word in words)
