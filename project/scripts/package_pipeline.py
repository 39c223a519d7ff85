"""Package the calibrated pipeline: `meta.json` gets its scores on test, and spaCy
writes a model card, the package and a wheel from it."""

import re
import tempfile
from pathlib import Path
from shutil import copytree
from typing import Annotated, Any

import srsly
import typer
from spacy.cli.package import package

ABOUT = """### Scores

On {documents} documents of {data}, with {level:.0%} intervals (percentiles of
{resamples} bootstrap resamples of the documents). A span is correct if offsets and
label agree.

| | precision | recall | F1 | interval of F1 | gold spans |
|---|---|---|---|---|---|
{rows}

### Intended use

{use}

### How to use

```python
import spacy

nlp = spacy.load("{package}")
doc = nlp("...")
group = doc.spans["{key}"]
for span, score in zip(group, group.attrs["scores"]):
    print(span.text, span.label_, score)
```

The pipeline needs the package `spacy-globalpointer`.
"""


def package_pipeline(
    model: Annotated[Path, typer.Argument(help="Calibrated pipeline", exists=True)],
    metrics: Annotated[Path, typer.Argument(help="metrics.json of its report")],
    output: Annotated[Path, typer.Argument(help="Folder for the package")],
    name: Annotated[str, typer.Option(help="Name of the package, without language")],
    version: Annotated[str, typer.Option(help="Version of the package")] = "0.0.0",
    data: Annotated[str, typer.Option(help="Name of the corpus")] = "",
    data_url: Annotated[str, typer.Option(help="Address of the corpus")] = "",
    license: Annotated[str, typer.Option(help="License of the pipeline")] = "",
    author: Annotated[str, typer.Option(help="Author of the pipeline")] = "",
    intended_use: Annotated[str, typer.Option(help="Intended use")] = "",
) -> None:
    """Write a Python package with a wheel."""
    report = srsly.read_json(metrics)
    meta = srsly.read_json(model / "meta.json")
    key = srsly.read_json(model / report["models"][0]["component"] / "cfg")["spans_key"]
    meta["name"] = re.sub(r"\W+", "_", name)
    meta["version"] = version
    meta["license"] = license
    meta["author"] = author
    if data:
        meta["sources"] = [{"name": data, "url": data_url}]
    meta["performance"] = performance(report, key)
    meta["notes"] = model_card(report, meta, key, data, intended_use)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "pipeline"
        copytree(model, copy)
        srsly.write_json(copy / "meta.json", meta)
        package(
            copy,
            output,
            create_sdist=False,
            create_wheel=True,
            require_parent=True,
            force=True,
            silent=False,
        )


def performance(report: dict[str, Any], key: str) -> dict[str, Any]:
    """The scores of a report under the names of spaCy's scorers. Those that could not
    be measured are left out."""
    (first, *_) = report["models"]
    summary = first["summary"]
    scores = {f"spans_{key}_{x}": summary["micro"][x] for x in "prf"}
    scores[f"spans_{key}_macro_f"] = summary["macro"]["f"]
    scores |= {f"ents_{x}": summary["flat"][x] for x in "prf"}
    measured = {name: score for name, score in scores.items() if score is not None}
    per_type = {
        label: {x: row[x] for x in "prf"} for label, row in first["per_label"].items()
    }
    return {**measured, f"spans_{key}_per_type": per_type}


def model_card(
    report: dict[str, Any], meta: dict[str, Any], key: str, data: str, use: str
) -> str:
    """What spaCy's own card does not say, in Markdown."""
    (first, *_) = report["models"]
    summary = first["summary"]
    rows = [
        ("all spans, micro", summary["micro"]),
        ("all spans, macro", summary["macro"]),
        ("`doc.ents`", summary["flat"]),
        *((f"`{label}`", row) for label, row in first["per_label"].items()),
    ]
    return ABOUT.format(
        documents=report["annotated_documents"],
        data=f"the test split of {data}" if data else "the test split",
        level=report["bootstrap"]["level"],
        resamples=report["bootstrap"]["resamples"],
        rows="\n".join(_row(*row) for row in rows),
        use=use or "The author has not described it.",
        package=f"{meta['lang']}_{meta['name']}",
        key=key,
    )


def _row(name: str, scores: dict[str, Any]) -> str:
    values = [scores[x] for x in "prf"]
    cells = ["-" if x is None else f"{100 * x:.2f}" for x in values]
    low, high = scores.get("interval", {}).get("f", (None, None))
    cells.append("-" if low is None else f"{100 * low:.2f} to {100 * high:.2f}")
    cells.append(str(scores.get("gold", "")))
    return f"| {' | '.join([name, *cells])} |"


if __name__ == "__main__":
    typer.run(package_pipeline)
