"""What each setting of the configs may be: one table, read before a run loads any data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Allowed:
    """The values that a setting may have.

    Args:
        what: ends the sentence "it must be ...".
        accepts: tells whether a value is one of them.
    """

    what: str
    accepts: Callable[[Any], bool]


def _is_whole(value: object, *, least: int, most: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _list_of(each: Allowed, *, count: int | None = None) -> Allowed:
    def accepts(value: Any) -> bool:
        is_list = isinstance(value, list | tuple) and len(value) > 0
        return is_list and (count is None or len(value) == count) and all(map(each.accepts, value))

    return Allowed(f"a list{'' if count is None else f' of {count}'}, each {each.what}", accepts)


COUNT = Allowed("a whole number of at least 1", lambda value: _is_whole(value, least=1))
COUNT_OR_NONE = Allowed("a whole number of at least 0", lambda value: _is_whole(value, least=0))
SEED = Allowed("a whole number from 0 to 4294967295", lambda value: _is_whole(value, least=0, most=2**32 - 1))
ONE = Allowed("1: every epoch is validated", lambda value: _is_whole(value, least=1, most=1))
WINDOW = Allowed("an odd whole number of at least 3", lambda value: _is_whole(value, least=3) and bool(value % 2))
NUMBER = Allowed("a number", _is_number)
POSITIVE = Allowed("a number above 0", lambda value: _is_number(value) and value > 0)
NOT_NEGATIVE = Allowed("a number of at least 0", lambda value: _is_number(value) and value >= 0)
AT_LEAST_1 = Allowed("a number of at least 1", lambda value: _is_number(value) and value >= 1)
SHARE = Allowed("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
SHARE_ABOVE_0 = Allowed("a number above 0, at most 1", lambda value: _is_number(value) and 0 < value <= 1)
SHARE_BELOW_1 = Allowed("a number from 0 to below 1", lambda value: _is_number(value) and 0 <= value < 1)
# Ours are read by bundle.switches; MONAI and torch would take the word false for true.
SWITCH = Allowed("true or false", lambda value: str(value).lower() in ("true", "false"))
TRUTH = Allowed("True or False, with a capital", lambda value: isinstance(value, bool))
PATH = Allowed(
    "a path (write one that looks like a number as ./1.5)",
    lambda value: value is None or (isinstance(value, str) and value != ""),
)

_LOSS_TERMS = ("GAN", "view", "L1", "percep", "SSIM", "rad", "shape")

ALLOWED: Mapping[str, Allowed] = {
    # Where and what
    **dict.fromkeys(("bundle_root", "dataset_dir", "output_dir", "evaluation_dir", "repeats_dir"), PATH),
    **dict.fromkeys(("source", "mask", "weights", "radiomics_settings", "feature_network_file", "pretrained"), PATH),
    "seed": SEED,
    # Pixels
    **dict.fromkeys(("rows", "columns"), COUNT),
    **dict.fromkeys(("spacing_mm", "fine_spacing_mm", "assumed_spacing_mm", "lesion_margin_mm"), POSITIVE),
    "data_range": POSITIVE,
    # Networks
    "channels": _list_of(COUNT),
    "discriminator_def#channels": _list_of(COUNT, count=4),
    "windows": _list_of(WINDOW),
    **dict.fromkeys(("blocks", "condition", "prior_components"), COUNT),
    "grid": _list_of(COUNT, count=2),
    "steps": COUNT,
    "realism": SHARE,
    **dict.fromkeys(("sample", "samples"), COUNT_OR_NONE),
    "decay": SHARE_BELOW_1,
    # The course of a run
    **dict.fromkeys(("max_epochs", "epochs", "batch_size", "accumulation_steps", "patience", "resamples"), COUNT),
    "val_interval": ONE,
    **dict.fromkeys(("learning_rate", "lr", "gradient_norm", "lesion_weight"), POSITIVE),
    "betas": _list_of(SHARE_BELOW_1, count=2),
    **dict.fromkeys((f"weights#{term}" for term in _LOSS_TERMS), NOT_NEGATIVE),
    **dict.fromkeys((f"loss#{channel}" for channel in ("view", "lesion", "breast")), NOT_NEGATIVE),
    **dict.fromkeys(("start", "end", "input_noise", "weight_decay", "time_deviation"), NOT_NEGATIVE),
    "norm": POSITIVE,
    "mean_share": SHARE,
    "time_mean": NUMBER,
    "until": SHARE_ABOVE_0,
    **dict.fromkeys(("since", "decay_since"), SHARE_BELOW_1),
    "choose_from": SHARE,
    # Augmentation
    "prob": SHARE,
    "rotation_degrees": NOT_NEGATIVE,
    **dict.fromkeys(("scale", "shift", "noise"), SHARE_BELOW_1),
    **dict.fromkeys(("gamma", "exposure"), AT_LEAST_1),
    "blur": NOT_NEGATIVE,
    # Machine
    "num_workers": COUNT_OR_NONE,
    "workers": COUNT,
    "amp": Allowed("auto, true or false", lambda value: str(value).lower() in ("auto", "true", "false")),
    **dict.fromkeys(("resume", "compile", "activation_checkpointing", "mark"), SWITCH),
    **dict.fromkeys(
        ("drop_last", "shuffle", "even_divisible", "fused", "copy_cache", "epoch_level", "decollate"), TRUTH
    ),
}
"""By the last name of an id, or its last two joined by ``#``, positions in lists left out: a name means the same
everywhere, so ``batch_size`` holds for ``feature_training#batch_size``, too."""


def allowed_for(identifier: str) -> Allowed | None:
    """Look up what a setting may be.

    Args:
        identifier: an id of the configs, e.g. ``train#handlers#0#until``.

    Returns:
        None where the table does not know it.
    """
    names = [name for name in identifier.split("#") if not name.isdecimal()]
    return ALLOWED.get("#".join(names[-2:])) or ALLOWED.get(names[-1] if names else "")
