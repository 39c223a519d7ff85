"""Parquet and Arrow files, among them data sets saved by Hugging Face `datasets`, as
rows like those of JSON. They need pyarrow, which is not installed by default."""

import json
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional

from .record import LineError

# How Parquet, Arrow and Arrow's stream, which `datasets` saves, begin.
PARQUET, ARROW, STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
BATCH = 1000
MISSING = (
    "Parquet and Arrow files need pyarrow; install it by "
    "pip install 'spacy-globalpointer[parquet]'"
)


def is_table(content: bytes) -> bool:
    """Whether bytes begin as a Parquet or Arrow file does."""
    return content.startswith((PARQUET, ARROW, STREAM))


def table_rows(
    path: Path, advance: Optional[Callable[[int], Any]] = None
) -> Iterator[Dict[str, Any]]:
    """The rows of a file, with names instead of the numbers of classes.

    path (Path): The file.
    advance (Optional[Callable]): Called with the number of bytes that were read.
    YIELDS (Dict[str, Any]): Each row by the names of its columns.
    RAISES (LineError): If pyarrow is missing, or the file is damaged.
    """
    try:
        import pyarrow
    except ImportError:
        raise LineError(MISSING) from None
    try:
        yield from _rows(path)
    except pyarrow.ArrowException as error:
        raise LineError(f"damaged Parquet or Arrow file ({error})") from None
    if advance is not None:
        advance(path.stat().st_size)


def _rows(path: Path) -> Iterator[Dict[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    with path.open("rb") as file:
        beginning = file.read(len(ARROW))
        file.seek(0)
        if beginning.startswith(PARQUET):
            source = pyarrow.parquet.ParquetFile(file)
            schema = source.schema_arrow
            batches = source.iter_batches(batch_size=BATCH)
        elif beginning.startswith(ARROW):
            source = pyarrow.ipc.open_file(file)
            schema = source.schema
            batches = map(source.get_batch, range(source.num_record_batches))
        else:
            source = pyarrow.ipc.open_stream(file)
            schema, batches = source.schema, source
        features = _features(schema.metadata or {})
        for batch in batches:
            for start in range(0, batch.num_rows, BATCH):
                for row in batch.slice(start, BATCH).to_pylist():
                    yield {
                        key: with_class_names(value, features.get(key))
                        for key, value in row.items()
                    }


def _features(metadata: Any) -> Dict[str, Any]:
    """The metadata of `datasets` about the columns."""
    try:
        found = json.loads(metadata.get(b"huggingface", b"{}"))
        features = found.get("info", {}).get("features")
    except (AttributeError, ValueError):
        return {}
    return features if isinstance(features, dict) else {}


def with_class_names(value: Any, feature: Any) -> Any:
    """A value with the names of classes instead of their numbers, None for a number
    that has no name.

    value (Any): The value.
    feature (Any): Metadata of `datasets`; None if there is none.
    """
    if isinstance(feature, list) and len(feature) == 1:
        feature = {"feature": feature[0]}
    if not isinstance(feature, dict):
        return value
    names = feature.get("names")
    if isinstance(names, list) and isinstance(value, int):
        return names[value] if 0 <= value < len(names) else None
    inner = feature.get("feature")
    if inner is not None and isinstance(value, dict):
        # A sequence of objects is saved as an object of sequences.
        value = [dict(zip(value, row)) for row in zip(*value.values())]
    if inner is not None and isinstance(value, list):
        return [with_class_names(item, inner) for item in value]
    if isinstance(value, dict):
        return {k: with_class_names(v, feature.get(k)) for k, v in value.items()}
    return value
