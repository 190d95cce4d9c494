"""A film made ready for the generator, exactly as the training data are."""

import dataclasses
import logging
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform
from pydicom import Dataset

from bundle.dicom.elements import element_texts
from bundle.dicom.masks import choose_mask, fit_to_film
from bundle.dicom.parsing import read_header
from bundle.dicom.read import read_film
from bundle.dicom.write import require_traceable
from bundle.imaging.canvas import canvas_scale, place_on_canvas
from bundle.inference.films import FilmRequest, Member
from bundle.preparation import OrientedView, PreparationSettings, fine_view, orient, resample_view
from bundle.radiomics.aggregation import view_vector
from bundle.radiomics.features import FEATURE_NAMES
from bundle.radiomics.settings import RadiomicsSettings, read_settings, settings_hash
from bundle.records import Canvas, Film
from bundle.vocabulary import Laterality, ViewPosition

logger = logging.getLogger(__name__)


class LoadImageMammogramd(Transform):
    """Read a film and its lesion masks, and give what the generator and the writer of the synthetic view need.

    Reads ``image``, a `FilmRequest`. Gives

    - ``image``: float32 ``[2, H, W]``, the view in [0, 1] and its lesion mask in {0, 1}, on the canvas;
    - ``radiomics``: float32 ``[102]``, raw features at the fine scale, all NaN (unknown) without a lesion;
    - ``target_view``: int64, 0 = CC, 1 = MLO: the view that the film is not;
    - ``spacing_mm``: of the canvas as it is used, coarser than the canvas' own where the breast had to shrink;
    - ``laterality`` (L or R), ``source_path``, ``flags`` (comma-separated): for the writer.

    Args:
        canvas: the frame of the networks.
        preparation: how the weights' training data were made ready.
        radiomics_settings: YAML file with the settings of the radiomic features.
        radiomics_settings_hash: hash of the settings that the weights were trained with.
    """

    def __init__(
        self,
        *,
        canvas: Canvas,
        preparation: PreparationSettings,
        radiomics_settings: str | Path,
        radiomics_settings_hash: str,
    ) -> None:
        self.canvas = canvas
        self.preparation = preparation
        self.radiomics_settings = Path(radiomics_settings)
        self.radiomics_settings_hash = radiomics_settings_hash

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Make one film ready.

        Raises:
            OSError: a file cannot be opened.
            ValueError: the film or a mask cannot be used; the sentence names the file.
        """
        request: FilmRequest = data["image"]
        try:
            return {**data, **self._made_ready(request)}
        except ValueError as error:
            if str(request.source) in str(error):
                raise
            raise ValueError(f"{request.source}: {error}") from error

    def _made_ready(self, request: FilmRequest) -> dict[Hashable, Any]:
        header = read_header(request.source)
        _refuse_synthetic(header)
        require_traceable(header)
        film, view_position, laterality = _with_view_and_side(read_film(request.source), request)
        film_shape = (film.pixels.shape[0], film.pixels.shape[1])
        chosen = [choose_mask([path], film_shape)[1] for path in request.masks]
        settings = self._checked_radiomics_settings() if chosen else None

        oriented = orient(film, [fit_to_film(mask, film_shape) for mask in chosen], self.preparation)
        prepared = resample_view(oriented, self.preparation)
        spacing_mm = prepared.geometry.spacing_mm
        scale = canvas_scale(
            shape=(prepared.image.shape[0], prepared.image.shape[1]), spacing_mm=spacing_mm, canvas=self.canvas
        )
        flags = list(prepared.flags)
        if scale != 1:
            flags.append("shrunk_to_canvas")
        if any(mask.shape != film_shape for mask in chosen):
            flags.append("mask_resized")
        if not chosen:
            logger.info("%s comes without a lesion mask: its lesions are unknown to the model.", request.source)
        if flags:
            logger.warning("%s has the flags %s.", request.source, ", ".join(flags))
        channels = [
            place_on_canvas(
                array,
                view_position=view_position,
                canvas=self.canvas,
                spacing_mm=spacing_mm,
                scale=scale,
                is_mask=is_mask,
            )
            for array, is_mask in ((prepared.image, False), (prepared.lesions > 0, True))
        ]
        radiomics = np.full(len(FEATURE_NAMES), np.nan)
        if settings is not None:
            radiomics = _fine_vector(oriented, self.preparation, settings=settings, source=request.source)
        return {
            "image": torch.from_numpy(np.stack(channels).astype(np.float32)),
            "radiomics": torch.from_numpy(radiomics.astype(np.float32)),
            "target_view": torch.tensor(view_position.complement.class_index),
            "spacing_mm": self.canvas.spacing_mm / scale,
            "laterality": laterality.value,
            "source_path": str(request.source),
            "flags": ",".join(flags),
        }

    def _checked_radiomics_settings(self) -> RadiomicsSettings:
        settings = read_settings(self.radiomics_settings)
        current = settings_hash(settings)
        if current != self.radiomics_settings_hash:
            raise ValueError(
                f"the settings in {self.radiomics_settings} give other radiomic features (hash {current}) than the "
                f"weights were trained with (hash {self.radiomics_settings_hash}): add the training run's network.json "
                "to --config_file and name its settings, or leave --mask away"
            )
        return settings


def _refuse_synthetic(header: Dataset) -> None:
    if "YES" in element_texts(header, "SyntheticData"):
        raise ValueError("this is a synthetic view itself (Synthetic Data (0008,001C) is YES); give an acquired film")


def _with_view_and_side(film: Film, request: FilmRequest) -> tuple[Film, ViewPosition, Laterality]:
    """Fill in from the arguments what the headers do not tell."""
    view_position = _agreed(
        film.view_position, request.view_position, tags="View Position (0018,5101)", argument="--view CC or MLO"
    )
    laterality = _agreed(
        film.laterality, request.laterality, tags="Image Laterality (0020,0062)", argument="--laterality L or R"
    )
    return dataclasses.replace(film, view_position=view_position, laterality=laterality), view_position, laterality


def _agreed(stated: Member | None, given: Member | None, *, tags: str, argument: str) -> Member:
    if stated is not None and given is not None and stated != given:
        raise ValueError(f"its headers say {stated} ({tags}), the arguments {given}: leave {argument} away")
    value = stated or given
    if value is None:
        raise ValueError(f"its headers do not tell {tags}: say it with {argument}")
    return value


def _fine_vector(
    oriented: OrientedView, preparation: PreparationSettings, *, settings: RadiomicsSettings, source: Path
) -> np.ndarray:
    """Give the view's vector float64 ``[102]``, NaN where no lesion has features."""
    from bundle.radiomics.extraction import extract_features  # loads PyRadiomics, which a film without mask needs not

    vectors, areas_mm2 = [], []
    for index in range(len(oriented.lesions)):
        try:
            image, mask, spacing_mm = fine_view(oriented, preparation, index)
            vectors.append(extract_features(image, mask, spacing_mm=spacing_mm, settings=settings))
        except ValueError as error:
            logger.warning("%s: lesion %d goes without radiomic features: %s", source, index + 1, error)
            continue
        areas_mm2.append(np.count_nonzero(mask) * spacing_mm**2)
    return view_vector(np.reshape(vectors, (-1, len(FEATURE_NAMES))), np.array(areas_mm2))[0]
