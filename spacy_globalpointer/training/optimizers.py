"""An optimizer with two learning rates. Thinc 8.3 has no parameter groups."""

from typing import Any, Dict, Iterable, Union

from thinc.api import Optimizer

FloatOrSchedule = Union[float, Iterable[float]]


class EncoderHeadAdam(Optimizer):
    """Adam with a separate learning rate, and so separate warm-up and decay,
    for the weights of span heads. All other weights use `learn_rate`."""

    __slots__ = ["head"]

    def __init__(
        self,
        learn_rate: FloatOrSchedule,
        head: Optimizer,
        use_averages: bool,
        **settings: Any,
    ) -> None:
        super().__init__(learn_rate, use_averages=use_averages, **settings)
        self.head = head
        # Both write to one set of averages, the one that `spacy train` reads.
        self.head.averages = self.averages

    def step_schedules(self) -> None:
        super().step_schedules()
        self.head.step_schedules()


def create_encoder_head_adam_v1(
    learn_rate: FloatOrSchedule,
    head_learn_rate: FloatOrSchedule,
    beta1: float = 0.9,
    beta2: float = 0.999,
    L2: float = 0.01,
    L2_is_weight_decay: bool = True,
    eps: float = 1e-8,
    grad_clip: float = 1.0,
    use_averages: bool = False,
) -> EncoderHeadAdam:
    """Adam with one learning rate for the span heads and one for all the rest.

    learn_rate (float / Iterable[float]): Rate or schedule of the encoder.
    head_learn_rate (float / Iterable[float]): Rate or schedule of the heads.
    use_averages (bool): Whether to evaluate and save averages of the weights, for
        heads and for encoders made of thinc layers. Weights of transformers are not
        averaged: their layer in spacy-transformers does not look averages up.
    The other arguments are those of thinc's Adam, for both.
    """
    settings: Dict[str, Any] = {
        "beta1": beta1,
        "beta2": beta2,
        "L2": L2,
        "L2_is_weight_decay": L2_is_weight_decay,
        "eps": eps,
        "grad_clip": grad_clip,
    }
    head = Optimizer(head_learn_rate, use_averages=False, **settings)
    return EncoderHeadAdam(learn_rate, head, use_averages, **settings)
