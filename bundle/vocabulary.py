"""The closed sets of the domain: view positions, lateralities, splits, directions, scales of the radiomic features."""

from __future__ import annotations

from enum import StrEnum


class ViewPosition(StrEnum):
    """The two standard mammographic views, with their DICOM defined terms for View Position (0018,5101)."""

    CC = "CC"
    MLO = "MLO"

    @property
    def class_index(self) -> int:
        """Class index that the networks use: 0 = CC, 1 = MLO."""
        return 0 if self is ViewPosition.CC else 1

    @property
    def complement(self) -> ViewPosition:
        """The other view of the same breast."""
        return ViewPosition.MLO if self is ViewPosition.CC else ViewPosition.CC


class Laterality(StrEnum):
    """Side of the body, with the DICOM defined terms for Image Laterality (0020,0062)."""

    LEFT = "L"
    RIGHT = "R"


class Split(StrEnum):
    """Part of the collection; a patient belongs to exactly one."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"


class Direction(StrEnum):
    """Which view is given and which one is synthesized."""

    CC_TO_MLO = "cc_to_mlo"
    MLO_TO_CC = "mlo_to_cc"

    @property
    def source(self) -> ViewPosition:
        """The view that is given."""
        return ViewPosition.CC if self is Direction.CC_TO_MLO else ViewPosition.MLO

    @property
    def target(self) -> ViewPosition:
        """The view that is synthesized."""
        return self.source.complement

    @classmethod
    def to_class(cls, class_index: int) -> Direction:
        """Give the direction by its target view's class index: 0 = CC, 1 = MLO.

        Raises:
            ValueError: another number.
        """
        for direction in cls:
            if direction.target.class_index == class_index:
                return direction
        raise ValueError(f"The class index of a target view must be 0 (CC) or 1 (MLO); got {class_index}.")


class RadiomicsScale(StrEnum):
    """Where a radiomic vector was extracted: on the full-resolution view, or on what a synthetic view can show."""

    FINE = "fine"
    CANVAS = "canvas"
