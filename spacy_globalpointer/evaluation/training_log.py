"""The log of a training, as `spacy train` writes it."""

import json
from pathlib import Path
from typing import Any, Dict, List

from ..errors import Errors

FIELDS = ("epoch", "step", "losses", "scores", "score")


def read_training_log(path: Path) -> List[Dict[str, Any]]:
    """Read what `spacy.ConsoleLogger.v3` writes to its `output_file`.

    path (Path): The file, one JSON object a line.
    RETURNS (List[Dict[str, Any]]): One entry an evaluation: "epoch", "step",
        "losses" by component, "scores" by name, most from 0 to 100, and "score", the
        one that chooses the best model.
    RAISES (ValueError): If a line is not of that form.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            rows.append({name: row[name] for name in FIELDS})
        except (KeyError, TypeError, ValueError) as error:
            message = Errors.E009.format(path=path, line=number, reason=repr(error))
            raise ValueError(message) from error
    return rows
