"""The settings of the components, each declared once: its default, the values that are
allowed, and what it means. `cfg` of a component checks them when they are set."""

import copy
import difflib
import inspect
import json
import math
import warnings
from configparser import Error as ConfigParserError
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    Union,
)

import numpy
from thinc.api import Config

from ..core.span_table import FLAT, OVERLAPS
from ..core.tags import SCHEMES
from ..errors import Errors, Warnings
from ..tasks.links import ANY
from .gold import SOURCES

# Values of `flat` in versions before, which are still read.
RENAMED_FLAT = {"best": "optimal"}

FactoryT = TypeVar("FactoryT", bound=Callable[..., Any])
# In a config, a mapping or a list of pairs.
ByLabel = Union[Dict[str, float], List[Any]]


class CheckedDict(Dict[str, Any]):
    """A dictionary that checks what is written to it.

    read (Callable[[str, Any], Any]): Gives what is kept for a key and a value, or
        raises a ValueError.
    values (Mapping[str, Any]): The first values.
    """

    def __init__(
        self, read: Callable[[str, Any], Any], values: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self._read = read
        self.update(values)

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, self._read(key, value))

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Write several values, or none if one of them is not allowed."""
        values = dict(*args, **kwargs)
        read = {key: self._read(key, value) for key, value in values.items()}
        for key, value in read.items():
            super().__setitem__(key, value)

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def __ior__(self, other: Any) -> "CheckedDict":  # type: ignore[override, misc]
        self.update(other)
        return self

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self._read, dict(self))


@dataclass(frozen=True)
class Setting:
    """One setting.

    default (Any): Its value unless the config has another.
    type (Any): The type of its value in a config.
    allowed (str): The values that are allowed, for the error message.
    read (Callable[[Any], Any]): Gives the value to keep: numbers of numpy become
        those of Python. Raises a ValueError for a value that is not allowed.
    meaning (str): What it does.
    """

    default: Any
    type: Any
    allowed: str
    read: Callable[[Any], Any]
    meaning: str


class _NotAllowed(ValueError):
    """A value that is not allowed, before it is known of which setting."""


def _require(is_allowed: bool) -> None:
    if not is_allowed:
        raise _NotAllowed


def _number(
    value: Any, lowest: float, highest: float, above_lowest: bool = False
) -> float:
    """A number in an interval, without its lower end if `above_lowest`."""
    _require(isinstance(value, Real) and not isinstance(value, bool))
    number = int(value) if isinstance(value, Integral) else float(value)
    _require(lowest <= number <= highest and not (above_lowest and number == lowest))
    return number


def _count(value: Any) -> int:
    _require(isinstance(value, Integral))
    return int(_number(value, 1, math.inf))


def _size(value: Any) -> int:
    _require(isinstance(value, Integral))
    return int(_number(value, 0, math.inf))


def _flag(value: Any) -> bool:
    _require(isinstance(value, (bool, numpy.bool_)))
    return bool(value)


def _key(value: Any) -> str:
    _require(isinstance(value, str) and value != "")
    return str(value)


def _choice(value: Any, choices: Sequence[str]) -> str:
    _require(isinstance(value, str) and value in choices)
    return str(value)


def _flat(value: Any, choices: Sequence[str]) -> str:
    if isinstance(value, str) and value in RENAMED_FLAT:
        new = RENAMED_FLAT[value]
        warnings.warn(Warnings.W035.format(old=value, new=new), stacklevel=2)
        value = new
    return _choice(value, choices)


def _or_null(value: Any, read: Callable[[Any], Any]) -> Any:
    return None if value is None else read(value)


def _labels(value: Any) -> List[str]:
    _require(isinstance(value, list) and all(isinstance(x, str) for x in value))
    return list(value)


def _by_label(value: Any, read: Callable[[Any], Any], setting: str) -> CheckedDict:
    """A number for each of some labels, from a mapping or from pairs."""
    if not isinstance(value, Mapping):
        _require(isinstance(value, (list, tuple)))
        _require(all(isinstance(x, (list, tuple)) and len(x) == 2 for x in value))
        pairs, value = value, {str(label): number for label, number in value}
        _require(len(value) == len(pairs))
    return CheckedDict(partial(_read_entry, read=read, setting=setting), value)


def _read_entry(
    label: str, value: Any, read: Callable[[Any], Any], setting: str
) -> Any:
    try:
        _require(isinstance(label, str))
        return read(value)
    except _NotAllowed as error:
        raise _error(setting, {label: value}) from error


def _read_setting(name: str, value: Any, names: Sequence[str]) -> Any:
    if name not in names:
        settings = [other for other in names if other not in RELATION_STATE]
        close = difflib.get_close_matches(str(name), settings, n=1)
        hint = f"Did you mean '{close[0]}'? " if close else ""
        raise ValueError(Errors.E050.format(name=name, hint=hint, settings=settings))
    try:
        return ALL[name].read(value)
    except _NotAllowed as error:
        raise _error(name, value) from error


def _error(name: str, value: Any) -> ValueError:
    allowed = ALL[name].allowed
    return ValueError(Errors.E004.format(setting=name, allowed=allowed, value=value))


def _types(value: Any) -> Any:
    """Null, "any", or pairs of labels by label."""
    if value is None or value == ANY:
        return value
    _require(isinstance(value, Mapping))
    return {str(label): [_labels(list(x)) for x in own] for label, own in value.items()}


_probability = partial(_number, lowest=0, highest=1)
_temperature = partial(_number, lowest=0, highest=1e9, above_lowest=True)

# What all components have.
SHARED = {
    "spans_key": Setting(
        "sc",
        str,
        "a key of doc.spans",
        _key,
        "key of `doc.spans`, read in training and written in prediction",
    ),
    "gold": Setting(
        "spans",
        str,
        f"one of {SOURCES}",
        partial(_choice, choices=SOURCES),
        '`"spans"`: learn from `doc.spans[spans_key]`; `"ents"`: from `doc.ents`',
    ),
    "set_ents": Setting(
        True,
        bool,
        "true or false",
        _flag,
        "write the outermost spans to `doc.ents` (or others that do not overlap: "
        "`flat`)",
    ),
    "overwrite_ents": Setting(
        False,
        bool,
        "true or false",
        _flag,
        "replace entities set by earlier components, else fill around them",
    ),
    "loss_weight": Setting(
        1.0,
        float,
        "0 or more",
        partial(_number, lowest=0, highest=math.inf),
        "factor on the loss: its share in what several components "
        "contribute to a shared encoder",
    ),
}
SPAN_SETTINGS = {
    **SHARED,
    "threshold": Setting(
        0.5,
        float,
        "a probability, 0 to 1",
        _probability,
        "lowest probability that is kept",
    ),
    "label_thresholds": Setting(
        {},
        ByLabel,
        "a dictionary from labels to probabilities, 0 to 1, or a list of such pairs",
        partial(_by_label, read=_probability, setting="label_thresholds"),
        'the same for single labels, `{"ORG": 0.3}`; labels with signs such as `:` or '
        '`=` as pairs, `[["ORG:CO", 0.3]]`',
    ),
    "label_temperatures": Setting(
        {},
        ByLabel,
        "a dictionary from labels to numbers above 0, or a list of such pairs",
        partial(_by_label, read=_temperature, setting="label_temperatures"),
        "what the scores of single labels are divided by before they become "
        "probabilities",
    ),
    "max_length": Setting(
        None,
        Optional[int],
        "a number of tokens, 1 or more, or null",
        partial(_or_null, read=_count),
        "longest span in tokens; null: the longest gold span",
    ),
    "overlap": Setting(
        "any",
        str,
        f"one of {OVERLAPS}",
        partial(_choice, choices=OVERLAPS),
        'what `doc.spans` may hold: `"any"`, `"nested"` (no crossing spans), `"flat"`',
    ),
    "flat": Setting(
        "auto",
        str,
        f"one of {('auto', *FLAT)}",
        partial(_flat, choices=("auto", *FLAT)),
        'which of the spans that overlap are kept, where `overlap = "flat"` and in '
        '`doc.ents`: `"longest"`, the outermost first, of two that cross the more '
        'probable, of two on the same tokens the first by label; `"optimal"`, the '
        'highest sum of margins over the threshold (log odds), exact; `"greedy"`, the '
        'most probable first; `"auto"`: `"optimal"` in `doc.spans`, `"longest"` in '
        "`doc.ents`",
    ),
    "max_spans": Setting(
        1000,
        int,
        "1 or more",
        _count,
        "most spans kept of a document, the most probable first; it guards an "
        "untrained model, and warns where it cuts what a trained one finds",
    ),
    "negative_spans_key": Setting(
        None,
        Optional[str],
        "a key of doc.spans, or null",
        partial(_or_null, read=_key),
        "key of rejected spans. A document with `doc.spans[negative_spans_key]` is "
        "annotated in part: its gold spans are right, these are wrong, the rest is "
        "unknown; null: no document is",
    ),
    "pieces": Setting(
        False,
        bool,
        "true or false",
        _flag,
        "learn and predict the pieces of discontinuous entities as spans with the "
        "label of the entity, which a `relation_pointer` with `pieces = true` joins",
    ),
    "candidates_key": Setting(
        None,
        Optional[str],
        "a key of doc.spans, or null",
        partial(_or_null, read=_key),
        "score only the spans in `doc.spans[candidates_key]`; null: all",
    ),
}
TAG_SETTINGS = {
    **SHARED,
    "scheme": Setting(
        "BIO",
        str,
        f"one of {(*SCHEMES,)}",
        partial(_choice, choices=(*SCHEMES,)),
        '`"BIO"` or `"BILUO"`',
    ),
    "crf": Setting(
        True,
        bool,
        "true or false",
        _flag,
        "learn scores of transitions and the probability of whole sequences; else "
        "each token's tag by a softmax",
    ),
}
RELATION_SETTINGS = {
    "spans_key": Setting(
        "sc",
        str,
        "a key of doc.spans",
        _key,
        "key of `doc.spans`: its spans are linked, and the relations are in the "
        "attributes of the group",
    ),
    **{
        name: SPAN_SETTINGS[name]
        for name in ("threshold", "label_thresholds", "label_temperatures")
    },
    "max_distance": Setting(
        None,
        Optional[int],
        "a number of tokens, 0 or more, or null",
        partial(_or_null, read=_size),
        "most tokens between two spans that are linked; null: no limit",
    ),
    "max_pairs": Setting(
        10000,
        int,
        "1 or more",
        _count,
        "most pairs of spans of a document that are scored, those next to each other "
        "in the text first; it bounds the memory, and warns where it cuts",
    ),
    "symmetric": Setting(
        [],
        List[str],
        "a list of labels",
        _labels,
        "labels that have no direction: a relation is written once, from the first "
        "span to the second",
    ),
    "types": Setting(
        None,
        Any,
        'a dictionary from labels to lists of [head label, tail label], "any", or null',
        _types,
        "which labels of spans each label may link; null: those of the training data; "
        '`"any"`: all',
    ),
    "pieces": Setting(
        False,
        bool,
        "true or false",
        _flag,
        "find discontinuous entities too: pieces, which are spans of the group with "
        "the same label, are joined by the label `NEXT-PIECE`",
    ),
    "negatives": Setting(
        5,
        int,
        "0 or more",
        _size,
        "spans drawn at random in each document in training, beside the gold spans "
        "and those that a component before has predicted",
    ),
    "loss_weight": SHARED["loss_weight"],
}
# What a component finds out at initialization and saves beside its settings: the
# labels, those added since and not trained yet, the width of the encoder, and the
# `max_length` that was measured.
STATE = {
    "labels": Setting([], List[str], "a list of labels", _labels, ""),
    "untrained_labels": Setting([], List[str], "a list of labels", _labels, ""),
    "width": Setting(
        None, Optional[int], "a width", partial(_or_null, read=_count), ""
    ),
    "measured_length": Setting(
        None, Optional[int], "a length", partial(_or_null, read=_count), ""
    ),
}
RELATION_STATE = {
    **STATE,
    "span_labels": Setting([], List[str], "a list of labels", _labels, ""),
    "measured_types": Setting({}, Any, "a dictionary", _types, ""),
}
ALL = {**SPAN_SETTINGS, **TAG_SETTINGS, **RELATION_SETTINGS, **RELATION_STATE}


def defaults(declared: Mapping[str, Setting]) -> Dict[str, Any]:
    """The default of each setting, by name."""
    return {name: copy.copy(setting.default) for name, setting in declared.items()}


def has_settings(declared: Mapping[str, Setting]) -> Callable[[FactoryT], FactoryT]:
    """Declare the settings that the factory of a component takes as **settings.
    spaCy reads names and types of a factory's arguments from its signature."""

    def decorate(factory: FactoryT) -> FactoryT:
        signature = inspect.signature(factory)
        *others, _ = signature.parameters.values()
        named = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, annotation=setting.type
            )
            for name, setting in declared.items()
        ]
        factory.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*others, *named]
        )
        return factory

    return decorate


class Settings(CheckedDict):
    """The settings of a component, and its state.

    names (Iterable[str]): The names that exist. Others are errors.
    values (Mapping[str, Any]): The values.
    """

    def __init__(self, names: Iterable[str], values: Mapping[str, Any]) -> None:
        self.names = (*names,)
        super().__init__(partial(_read_setting, names=self.names), values)

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def update(self, *args: Any, **kwargs: Any) -> None:
        values = dict(*args, **kwargs)
        if "max_length" in values and "measured_length" in self:
            # A number that was set is not measured.
            values.setdefault("measured_length", None)
        super().update(values)

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.names, dict(self))


def check_labels(cfg: Mapping[str, Any], name: str) -> None:
    """Raise a ValueError if a label that has its own setting does not exist."""
    for setting in ("label_thresholds", "label_temperatures", "symmetric"):
        unknown = sorted(set(cfg.get(setting, ())) - set(cfg["labels"]))
        if unknown:
            raise ValueError(
                Errors.E005.format(
                    setting=setting, unknown=unknown, name=name, labels=cfg["labels"]
                )
            )


def to_config(by_label: Mapping[str, float]) -> Optional[ByLabel]:
    """A number for each of some labels in a form that a config can hold: a mapping, or
    where labels have signs that a key of a config cannot have, a list of pairs.

    by_label (Mapping[str, float]): The numbers.
    RETURNS (Optional[ByLabel]): None if there is no such form.
    """
    forms = (dict(by_label), [list(pair) for pair in by_label.items()])
    return next((form for form in forms if _can_be_written(form)), None)


def check_config(settings: Mapping[str, Any], name: str) -> None:
    """Raise a ValueError for values that a config cannot hold: they would be lost, or
    be others, once it is written and read.

    settings (Mapping[str, Any]): The settings of a component, from its config. They
        are allowed.
    name (str): The component.
    """
    for setting in ("label_thresholds", "label_temperatures"):
        value = settings.get(setting, {})
        if not _can_be_written(value):
            other = to_config(dict(value))
            kind = "pairs" if isinstance(other, list) else "a dictionary"
            message = Errors.E052 if other is None else Errors.E051
            raise ValueError(
                message.format(
                    setting=setting,
                    name=name,
                    labels=list(dict(value)),
                    kind=kind,
                    value=json.dumps(other, ensure_ascii=False),
                )
            )


def _can_be_written(value: ByLabel) -> bool:
    """Whether a value of a config is the same once it is written and read."""
    if isinstance(value, dict):
        # These keys stand for registered functions and their arguments.
        if any(label == "*" or label[:1] == "@" for label in value):
            return False
    elif any("$" in label for label, _ in value):
        # In a value, unlike a key, it begins a variable.
        return False
    config = Config({"section": {"value": value}})
    try:
        return bool(Config().from_str(config.to_str()) == config)
    except (ConfigParserError, ValueError):
        return False


def merge_saved(configured: Mapping[str, Any], saved: Dict[str, Any]) -> Dict[str, Any]:
    """The settings and the state of a component that was saved and is loaded.

    A setting may have been changed after the component was made, so what was
    saved wins over the config; but where the config itself is another than the
    one the component was saved with, it has been overridden on purpose. (An
    override with the very value that the saved config has cannot be seen.) A
    setting that did not exist at that time is the config's.

    configured (Mapping[str, Any]): Settings from the config, now.
    saved (Dict[str, Any]): All that was saved, with the config's settings of that
        time under "configured".
    RETURNS (Dict[str, Any]): What holds.
    """
    before = _with_new_names(saved["configured"])
    cfg = {name: value for name, value in saved.items() if name != "configured"}
    cfg = _with_new_names(cfg)
    cfg.setdefault("untrained_labels", [])
    if "measured_length" not in cfg:
        # Version 0.1.0 did not say whether it had measured the length.
        is_measured = before.get("max_length") is None
        cfg["measured_length"] = cfg.get("max_length") if is_measured else None
    for name, value in configured.items():
        if name not in cfg or value != before.get(name, value):
            cfg[name] = value
            if name == "max_length":
                cfg["measured_length"] = None
    return cfg


def _with_new_names(settings: Mapping[str, Any]) -> Dict[str, Any]:
    """Saved settings with the values of now in place of renamed ones."""
    renamed = dict(settings)
    if renamed.get("flat") in RENAMED_FLAT:
        renamed["flat"] = RENAMED_FLAT[renamed["flat"]]
    return renamed
