"""One augmentation of a directed pair: positioning, each view by its own draw; appearance, shared by both."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import RandomizableTransform
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

DARK = 1e-3  # of [0, 1]; interpolation leaves traces below this in the background beside the breast


class RandPairAugmentationd(RandomizableTransform):
    """Rotate, scale and shift each view a little; blur both, change their gamma and exposure, and add noise to both.

    Positioning differs between two exposures of one breast, so each view has its own draw; source and mask, and target
    and its masks, move together. Blur, gamma, exposure and the level of noise are one for the pair, so that the
    synthetic view takes on the source's look; the noise itself is each view's own, Gaussian and independent from pixel
    to pixel. The zero around the breast stays zero. There is no flip: it would break the canonical orientation. Views
    turn about the middle of the chest wall, which stays at the left edge; beyond the canvas the edge repeats. MONAI's
    ``RandAffined`` turns about the middle of the frame, which takes the chest wall off its edge.

    Args:
        prob: probability that an item is changed.
        rotation_degrees: greatest rotation, either way.
        scale: greatest relative change of size, e.g. 0.05.
        shift: greatest shift along the chest wall, as a part of the canvas' height.
        gamma: greatest exponent; its logarithm is uniform between those of 1 / gamma and gamma.
        noise: greatest standard deviation of the noise on [0, 1]; uniform from 0.
        exposure: greatest factor of the grey values, drawn as gamma is; values beyond 1 are cut.
        blur: greatest standard deviation of the Gaussian blur in pixels; uniform from 0.

    Raises:
        ValueError: a range is negative, scale or noise is not below 1, or gamma or exposure is below 1.
    """

    def __init__(
        self,
        *,
        prob: float,
        rotation_degrees: float = 0.0,
        scale: float = 0.0,
        shift: float = 0.0,
        gamma: float = 1.0,
        noise: float = 0.0,
        exposure: float = 1.0,
        blur: float = 0.0,
    ) -> None:
        super().__init__(prob)
        in_range = all(value >= 0 for value in (rotation_degrees, scale, shift, noise, blur))
        if not (in_range and scale < 1 and noise < 1 and gamma >= 1 and exposure >= 1):
            raise ValueError(
                "Augmentation needs ranges of at least 0, scale and noise below 1, gamma and exposure of at least 1; "
                f"got rotation_degrees {rotation_degrees}, scale {scale}, shift {shift}, gamma {gamma}, noise {noise}, "
                f"exposure {exposure}, blur {blur}."
            )
        self.rotation_degrees = rotation_degrees
        self.scale = scale
        self.shift = shift
        self.gamma = gamma
        self.noise = noise
        self.exposure = exposure
        self.blur = blur
        self._moves = rotation_degrees > 0 or scale > 0 or shift > 0

    def _draw_positioning(self) -> tuple[Tensor, float]:
        """Draw the matrix and the shift of ``positioned``."""
        angle = math.radians(self.R.uniform(-self.rotation_degrees, self.rotation_degrees))
        size = 1 + self.R.uniform(-self.scale, self.scale)
        cosine, sine = math.cos(angle) / size, math.sin(angle) / size
        return torch.tensor([[cosine, -sine], [sine, cosine]]), self.R.uniform(-self.shift, self.shift)

    def _noisy(self, view: Tensor, level: float) -> Tensor:
        noise = torch.from_numpy(self.R.standard_normal(view.shape)).to(view.dtype)
        return torch.where(view > DARK, view + level * noise, view).clamp(0, 1)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Augment an item with ``image`` ``[2, H, W]`` (view, mask), ``label``, ``label_mask``, ``label_breast``."""
        self.randomize(None)
        item = dict(data)
        if not self._do_transform:
            return item
        of_source, of_target = self._draw_positioning(), self._draw_positioning()
        exponent = self._draw_factor(self.gamma)
        level = self.R.uniform(0, self.noise)
        exposure = self._draw_factor(self.exposure)
        spread = self.R.uniform(0, self.blur)

        def appearing(view: Tensor) -> Tensor:
            return self._noisy((blurred(view, spread) ** exponent * exposure).clamp(0, 1), level)

        image = item["image"]
        if self._moves:
            source, mask = (positioned(image[k : k + 1], *of_source, is_mask=k == 1) for k in (0, 1))
            for name in ("label", "label_mask", "label_breast"):
                item[name] = positioned(item[name], *of_target, is_mask=name != "label")
        else:
            source, mask = image[:1], image[1:]
        item["image"] = torch.cat([appearing(source), mask])
        item["label"] = appearing(item["label"])
        return item

    def _draw_factor(self, greatest: float) -> float:
        return math.exp(self.R.uniform(-math.log(greatest), math.log(greatest)))


def blurred(view: Tensor, spread: float) -> Tensor:
    """Blur the tissue of a view ``[1, H, W]`` by a Gaussian, ``spread`` pixels wide; air stays as it is."""
    if spread < 0.1:  # less than a thousandth of a pixel's weight reaches its neighbours
        return view
    smooth = torch.from_numpy(gaussian_filter(view[0].numpy(), spread, truncate=3.0))[None]
    return torch.where(view > DARK, smooth, view)


def positioned(view: Tensor, matrix: Tensor, shift: float, *, is_mask: bool) -> Tensor:
    """Resample a view about the middle of its chest wall.

    With X and Y the distances in pixels from the middle of the left edge, to the right and down, the output at (X, Y)
    is the input at ``matrix`` (X, Y) + (0, ``shift`` H).

    Args:
        view: ``[1, H, W]``.
        matrix: ``[2, 2]``, from output to input.
        shift: as a part of the height.
        is_mask: nearest neighbour; otherwise bicubic, cut to [0, 1]: bilinear would blur the texture that the
            discriminator takes for real (docs/results.md).
    """
    _, H, W = view.shape
    (xx, xy), (yx, yy) = matrix.tolist()
    # X = (x + 1) W / 2 and Y = y H / 2 in the coordinates x, y in [-1, 1] of affine_grid
    theta = torch.tensor([[xx, xy * H / W, xx - 1], [yx * W / H, yy, yx * W / H + 2 * shift]])
    grid = affine_grid(theta[None], [1, 1, H, W], align_corners=False)
    mode = "nearest" if is_mask else "bicubic"
    return grid_sample(view[None], grid, mode=mode, padding_mode="border", align_corners=False)[0].clamp(0, 1)
