"""The settings of the radiomic features (``configs/radiomics.yaml``) and the hash that travels with the features."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # its stubs are a package of their own

from bundle.radiomics.features import FEATURES_OF_CLASS

RULE_VERSION = 1
"""To be raised when the meaning of the rule in `bundle.radiomics.extraction` changes, so that the hash changes."""


@dataclass(frozen=True, kw_only=True)
class RegionSettings:
    """Random elliptic regions: how many per view and canvas spacing, and their semi-axes."""

    per_view: int
    least_radius_mm: float
    greatest_radius_mm: float

    def __post_init__(self) -> None:
        if self.per_view < 0:
            raise ValueError(f"regions.per_view is {self.per_view}; it must be 0 or more")
        if not 0 < self.least_radius_mm <= self.greatest_radius_mm:
            raise ValueError(
                f"regions have radii from {self.least_radius_mm} to {self.greatest_radius_mm} mm; "
                "the least must be positive and not above the greatest"
            )


@dataclass(frozen=True, kw_only=True)
class RadiomicsSettings:
    """Everything that decides the value of a radiomic feature, apart from the image and the mask.

    Args:
        pyradiomics: a parameter file of PyRadiomics (``setting``, ``imageType``, ``featureClass``), handed over as is.
        least_pixels: a region with fewer pixels has no features.
        least_grey_levels: a region whose grey values fill fewer of the ``binCount`` bins has no features.
        fine_spacing_mm: spacing of the features that condition the generator.
        canvas_spacings_mm: spacings of the features that synthetic views are compared by.
        regions: the random regions that train the network of mammogram features.
    """

    pyradiomics: Mapping[str, Any]
    least_pixels: int
    least_grey_levels: int
    fine_spacing_mm: float
    canvas_spacings_mm: tuple[float, ...]
    regions: RegionSettings

    def __post_init__(self) -> None:
        setting = self.pyradiomics.get("setting", {})
        if not _is_positive_integer(setting.get("binCount")):
            raise ValueError(f"pyradiomics.setting.binCount is {setting.get('binCount')!r}; it must be 1 or more")
        if setting.get("force2D") is not True or setting.get("force2Ddimension") != 0:
            raise ValueError("pyradiomics.setting must hold force2D: true and force2Ddimension: 0; views are plane")
        if list(self.pyradiomics.get("imageType") or {}) != ["Original"]:
            raise ValueError("pyradiomics.imageType must be Original alone; features of filtered images are not used")
        feature_classes = dict(self.pyradiomics.get("featureClass") or {})
        if set(feature_classes) != set(FEATURES_OF_CLASS) or any(feature_classes.values()):
            raise ValueError(
                f"pyradiomics.featureClass must name {', '.join(FEATURES_OF_CLASS)} without a choice of features; "
                "the networks are built for all 102"
            )
        for name, value in (("least_pixels", self.least_pixels), ("least_grey_levels", self.least_grey_levels)):
            if not _is_positive_integer(value):
                raise ValueError(f"rule.{name} is {value!r}; it must be a whole number of 1 or more")
        for spacing_mm in (self.fine_spacing_mm, *self.canvas_spacings_mm):
            if not spacing_mm > 0:
                raise ValueError(f"a spacing of {spacing_mm} mm is not positive (fine_spacing_mm, canvas_spacings_mm)")
        if not self.canvas_spacings_mm or len(set(self.canvas_spacings_mm)) < len(self.canvas_spacings_mm):
            raise ValueError(
                f"canvas_spacings_mm is {list(self.canvas_spacings_mm)}; it needs one or more, all different"
            )

    @property
    def bin_count(self) -> int:
        """Number of bins that the grey values of a region are sorted into."""
        return int(self.pyradiomics["setting"]["binCount"])

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as the plain data that ``configs/radiomics.yaml`` holds."""
        return {
            "pyradiomics": dict(self.pyradiomics),
            "rule": {"least_pixels": self.least_pixels, "least_grey_levels": self.least_grey_levels},
            "fine_spacing_mm": self.fine_spacing_mm,
            "canvas_spacings_mm": list(self.canvas_spacings_mm),
            "regions": {
                "per_view": self.regions.per_view,
                "least_radius_mm": self.regions.least_radius_mm,
                "greatest_radius_mm": self.regions.greatest_radius_mm,
            },
        }


def read_settings(path: Path) -> RadiomicsSettings:
    """Read the settings from a YAML file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not YAML, a key is absent or unknown, or a value is not allowed.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from error
    try:
        return settings_from_dict(document)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def settings_from_dict(document: Any) -> RadiomicsSettings:
    """Build the settings from the plain data of ``configs/radiomics.yaml`` or ``preparation.json``.

    Raises:
        ValueError: a key is absent or unknown, or a value is not allowed.
    """
    top = _checked(
        document, "the document", {"pyradiomics", "rule", "fine_spacing_mm", "canvas_spacings_mm", "regions"}
    )
    rule = _checked(top["rule"], "rule", {"least_pixels", "least_grey_levels"})
    regions = _checked(top["regions"], "regions", {"per_view", "least_radius_mm", "greatest_radius_mm"})
    if not isinstance(top["pyradiomics"], Mapping):
        raise ValueError(f"pyradiomics is {top['pyradiomics']!r}; it must be a mapping")
    try:
        return RadiomicsSettings(
            pyradiomics=top["pyradiomics"],
            least_pixels=rule["least_pixels"],
            least_grey_levels=rule["least_grey_levels"],
            fine_spacing_mm=float(top["fine_spacing_mm"]),
            canvas_spacings_mm=tuple(float(spacing_mm) for spacing_mm in top["canvas_spacings_mm"]),
            regions=RegionSettings(
                per_view=int(regions["per_view"]),
                least_radius_mm=float(regions["least_radius_mm"]),
                greatest_radius_mm=float(regions["greatest_radius_mm"]),
            ),
        )
    except TypeError as error:
        raise ValueError(f"a value has the wrong type: {error}") from error


def settings_hash(settings: RadiomicsSettings) -> str:
    """Return 12 hexadecimal digits that differ whenever a feature's value could differ.

    Over PyRadiomics' parameters and version, the rule and its version, and the fine spacing. The canvas spacing stands
    in a column of its own beside each row, and the random regions do not change what a feature means.
    """
    decisive = {
        "pyradiomics": settings.as_dict()["pyradiomics"],
        "pyradiomics_version": version("pyradiomics"),
        "rule": settings.as_dict()["rule"],
        "rule_version": RULE_VERSION,
        "fine_spacing_mm": settings.fine_spacing_mm,
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:12]


def _is_positive_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _checked(mapping: Any, where: str, keys: set[str]) -> Mapping[str, Any]:
    if not isinstance(mapping, Mapping) or set(mapping) != keys:
        got = ", ".join(sorted(map(str, mapping))) if isinstance(mapping, Mapping) else repr(mapping)
        raise ValueError(f"{where} holds {got}; it must hold exactly {', '.join(sorted(keys))}")
    return mapping
