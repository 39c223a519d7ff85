"""What the components import."""

import json
import subprocess
import sys

import pytest

# Factories of other packages come first: spaCy loads those of all packages at once.
CODE = """
import json, sys
from importlib.metadata import entry_points
import spacy
factories = entry_points(group="spacy_factories")
ours = [x for x in factories if x.value.startswith("spacy_globalpointer.")]
for factory in factories:
    if factory not in ours:
        factory.load()
before = {*sys.modules}
for factory in ours:
    factory.load()
imported = {*sys.modules} - before
nlp = spacy.blank("en")
before = {*sys.modules}
for factory in ours:
    nlp.add_pipe(factory.name)
imported |= {*sys.modules} - before
print(json.dumps([nlp.pipe_names, sorted(imported)]))
"""
# Of these, spaCy has not imported all modules.
OF_SPACY = {"numpy", "spacy", "thinc", "torch"}


@pytest.mark.slow
def test_components_import_nothing_but_what_they_need():
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True
    )
    factories, modules = json.loads(done.stdout)
    assert {"global_pointer", "sequence_ner", "span_classifier"} <= {*factories}
    packages = {name.partition(".")[0] for name in modules}
    assert packages - OF_SPACY == {"spacy_globalpointer", "threadpoolctl"}
