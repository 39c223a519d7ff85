"""Thresholds and temperatures of labels, as losses have them."""

from typing import List

from ..core.objectives import Objective
from .task import Settings


def logit_thresholds(objective: Objective, settings: Settings) -> List[float]:
    """The thresholds as log odds.

    objective (Objective): Has the link from probabilities.
    settings (Mapping[str, Any]): With "labels", "threshold" and "label_thresholds".
    RETURNS (List[float]): The lowest log odds that are kept, for each label.
    """
    single, overall = settings["label_thresholds"], settings["threshold"]
    return [objective.to_logit(single.get(x, overall)) for x in settings["labels"]]


def label_temperatures(settings: Settings) -> List[float]:
    """What log odds are divided by, for each label.

    settings (Mapping[str, Any]): With "labels" and "label_temperatures".
    """
    own = settings["label_temperatures"]
    return [own.get(x, 1.0) for x in settings["labels"]]
