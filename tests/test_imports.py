"""What the components import."""

import json
import subprocess
import sys

import pytest

CODE = """
import json, sys
import spacy, torch, spacy.training, spacy.scorer
import spacy_transformers
before = {*sys.modules}
nlp = spacy.blank("en")
nlp.add_pipe("global_pointer")
nlp.add_pipe("sequence_ner")
print(json.dumps(sorted({*sys.modules} - before)))
"""


@pytest.mark.slow
def test_components_import_nothing_heavy():
    """Beside spaCy, torch, and what the entry points of installed packages import, only
    modules of this package and threadpoolctl."""
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True
    )
    names = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "spacy_globalpointer" in names
    assert not names & {"matplotlib", "IPython", "pandas", "pyarrow", "ray", "mkdocs"}
    assert "threadpoolctl" in names
