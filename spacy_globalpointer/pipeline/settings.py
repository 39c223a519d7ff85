"""The settings of a component: which values are allowed, and which of them win
when a saved component is loaded."""

import math
from numbers import Integral, Real
from typing import Any, Callable, Dict, Iterable, Tuple

from ..decoding import FLAT, OVERLAPS
from ..errors import Errors
from ..tagging import SCHEMES
from .gold import SOURCES

# What "auto" is as value of `flat`: for doc.spans if `overlap` is "flat", and for
# doc.ents.
FLAT_SPANS, FLAT_ENTS = "best", "longest"

Check = Tuple[str, Callable[[Any], bool]]


def _is_number(value: Any, lowest: float, highest: float = math.inf) -> bool:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and lowest <= float(value) <= highest


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and _is_number(value, 1)


CHECKS: Dict[str, Check] = {
    "threshold": ("a probability, 0 to 1", lambda value: _is_number(value, 0, 1)),
    "label_thresholds": (
        "a dictionary from labels to probabilities, 0 to 1",
        lambda value: (
            isinstance(value, dict)
            and all(_is_number(single, 0, 1) for single in value.values())
        ),
    ),
    "label_temperatures": (
        "a dictionary from labels to numbers above 0",
        lambda value: (
            isinstance(value, dict)
            and all(_is_number(x, 0, 1e9) and x > 0 for x in value.values())
        ),
    ),
    "max_length": (
        "a number of tokens, 1 or more, or null",
        lambda value: value is None or _is_count(value),
    ),
    "max_spans": ("1 or more", _is_count),
    "loss_weight": ("0 or more", lambda value: _is_number(value, 0)),
    "overlap": (f"one of {OVERLAPS}", lambda value: value in OVERLAPS),
    "flat": (f"one of {('auto', *FLAT)}", lambda value: value in ("auto", *FLAT)),
    "gold": (f"one of {SOURCES}", lambda value: value in SOURCES),
    "candidates_key": (
        "a key of doc.spans, or null",
        lambda value: value is None or (isinstance(value, str) and value != ""),
    ),
    "scheme": (f"one of {(*SCHEMES,)}", lambda value: value in (*SCHEMES,)),
    "crf": ("true or false", lambda value: isinstance(value, bool)),
}


def check_settings(cfg: Dict[str, Any], names: Iterable[str]) -> None:
    """Raise a ValueError for the first setting with a value that is not allowed.

    cfg (Dict[str, Any]): Settings by name.
    names (Iterable[str]): The settings to check.
    """
    for name in names:
        allowed, is_allowed = CHECKS[name]
        if not is_allowed(cfg[name]):
            raise ValueError(
                Errors.E004.format(setting=name, allowed=allowed, value=cfg[name])
            )


def check_labels(cfg: Dict[str, Any], name: str) -> None:
    """Raise a ValueError if a label that has a setting of its own does not exist."""
    for setting in ("label_thresholds", "label_temperatures"):
        unknown = sorted(set(cfg[setting]) - set(cfg["labels"]))
        if unknown:
            raise ValueError(
                Errors.E005.format(
                    setting=setting, unknown=unknown, name=name, labels=cfg["labels"]
                )
            )


def merge_saved(configured: Dict[str, Any], saved: Dict[str, Any]) -> Dict[str, Any]:
    """The settings of a component that was saved and is loaded.

    A setting may have been changed after the component was made, so what was
    saved wins over the config; but where the config itself is another than the
    one the component was saved with, it has been overridden on purpose. (An
    override with the very value that the saved config has cannot be seen.) A
    setting that did not exist at that time is the config's.

    configured (Dict[str, Any]): Settings from the config, now.
    saved (Dict[str, Any]): All that was saved, with the config's settings of that
        time under "configured".
    RETURNS (Dict[str, Any]): What holds.
    """
    cfg = {key: value for key, value in saved.items() if key != "configured"}
    for name, value in configured.items():
        if name not in cfg or value != saved["configured"].get(name, value):
            cfg[name] = value
    return cfg
