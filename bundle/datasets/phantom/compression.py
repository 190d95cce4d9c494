"""Compression between two plates: a deformation that keeps volume exactly, with the pressed shape prescribed.

The map is a Knothe-Rosenblatt rearrangement (Villani, Optimal Transport, chapter 1): depth first, by equal volumes in
front; then along the film within each slice, by equal areas; then linearly along the column between the plates. Its
Jacobian is 1 by construction. The order of depths is kept in both views, which is the rule that radiologists use to
find a lesion again (equal distance to the nipple along the chest-nipple axis).

Compressed coordinates, in mm: x from the chest wall to the nipple, v along the film (to lateral in a CC, to the armpit
in an MLO), w along the beam, from the film, 0 in the middle between the plates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from bundle.datasets.phantom.anatomy import Breast
from bundle.datasets.phantom.parameters import ViewParameters
from bundle.vocabulary import ViewPosition

_DEPTH_STEPS = 160
_SLICE_STEPS = 257
_AXILLA_LENGTH_MM = 260.0


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of tissue above points of the film; all arrays ``[N]``.

    Args:
        inside: whether there is tissue at all.
        x_mm, v_mm: where the column was in the uncompressed breast (v along the film's axis).
        w_low_mm, w_high_mm: ends of the column in the uncompressed breast.
        thickness_mm: its length between the plates.
    """

    inside: np.ndarray
    x_mm: np.ndarray
    v_mm: np.ndarray
    w_low_mm: np.ndarray
    w_high_mm: np.ndarray
    thickness_mm: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Compression:
    """One breast between the plates of one view.

    Args:
        angle_rad: rotation of the compression axis from the vertical.
        depth_mm: depth of the pressed breast.
        nipple_v_mm: where its front is along the film.
        thickness_mm: thickness between the plates.
        x_of: depth in the uncompressed breast per step of depth ``[K]``.
        low_mm, width_mm, local_thickness_mm: the pressed slice per step of depth ``[K]``: where it begins along the
            film, how wide and how thick it is.
        round_lower_mm, round_upper_mm: over which length its ends are rounded, ``[K]``.
        v_of, w_low_of, w_high_of: per step of depth and of position across the pressed slice ``[K, M]``.
    """

    angle_rad: float
    depth_mm: float
    nipple_v_mm: float
    thickness_mm: float
    x_of: np.ndarray
    low_mm: np.ndarray
    width_mm: np.ndarray
    local_thickness_mm: np.ndarray
    round_lower_mm: np.ndarray
    round_upper_mm: np.ndarray
    v_of: np.ndarray
    w_low_of: np.ndarray
    w_high_of: np.ndarray

    @classmethod
    def press(cls, *, breast: Breast, view: ViewParameters, with_axilla: bool | None = None) -> Compression:
        """Find the map for a breast and a view.

        Args:
            breast: the uncompressed breast.
            view: angle, thickness and outline.
            with_axilla: whether the axillary part lies between the plates too; None: in the MLO only.
        """
        if with_axilla is None:
            with_axilla = view.view_position is ViewPosition.MLO
        angle = np.deg2rad(view.angle_deg)
        cosine, sine = np.cos(angle), np.sin(angle)
        parameters = breast.parameters

        base_y, base_z = breast.slice_outline(0.0)
        base_v = base_y * cosine + base_z * sine
        base_width = view.spread * float(base_v.max() - base_v.min())
        depth = _pressed_depth(
            volume_mm3=parameters.volume_mm3,
            base_width_mm=base_width,
            thickness_mm=view.thickness_mm,
            exponent=view.outline_exponent,
        )
        # Steps that get finer towards the front, where the outline turns.
        steps = np.sin(np.linspace(0.0, np.pi / 2, _DEPTH_STEPS))
        xc = depth * steps
        prescribed_area = _slice_area(
            *_prescribed_slice(xc, depth, base_width, view.thickness_mm, view.outline_exponent)
        )
        volume_behind = _cumulative(prescribed_area, xc)
        x_fine = parameters.depth_mm * np.sin(np.linspace(0.0, np.pi / 2, 2000))
        natural_behind = _cumulative(breast.slice_area_mm2(x_fine), x_fine)
        x_of = np.interp(volume_behind / volume_behind[-1], natural_behind / natural_behind[-1], x_fine)
        stretch = np.empty_like(xc)
        stretch[:-1] = breast.slice_area_mm2(x_of[:-1]) / np.maximum(prescribed_area[:-1], 1e-9)
        stretch[-3:] = stretch[-4]  # the quotient of two vanishing areas

        _, local = _prescribed_slice(xc, depth, base_width, view.thickness_mm, view.outline_exponent)
        slices = []
        for k in range(_DEPTH_STEPS):
            x = min(float(x_of[k]), parameters.depth_mm * (1 - 1e-6))
            y, z = breast.slice_outline(x)
            v, w_low, w_high = _columns_of_outline(y * cosine + z * sine, -y * sine + z * cosine)
            if with_axilla:
                v, w_low, w_high = _add_axilla(
                    v,
                    w_low,
                    w_high,
                    x=x,
                    armpit_depth_mm=parameters.armpit_depth_mm,
                    breast_depth_mm=parameters.depth_mm,
                    thickness_mm=view.thickness_mm * float(stretch[k]),
                )
            slices.append((v, w_low, w_high, _cumulative(w_high - w_low, v)))
        pressed_area = np.asarray([area[-1] for *_, area in slices]) / stretch
        round_upper = 0.5 * local
        if with_axilla:
            # Towards the armpit the outline runs nearly along the film, and its edge is met in depth: the slice's upper
            # end tapers over the longer way that the slope of the outline makes of half the thickness.
            upper = pressed_area / np.maximum(local, 1e-6)
            slope = ndimage.gaussian_filter1d(np.abs(np.gradient(upper, xc)), 2.0)
            taper = np.clip(slope, 1.0, 5.0) - 1.0
            round_upper = round_upper * (1 + taper * (local / view.thickness_mm) ** 4)
            # Half of the slice stays flat at least.
            round_upper = np.maximum(np.minimum(round_upper, 0.5 * upper), 0.5 * local)

        tau = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, _SLICE_STEPS))
        low, width, round_lower = np.empty_like(xc), np.empty_like(xc), 0.5 * local
        v_of, w_low_of, w_high_of = (np.empty((_DEPTH_STEPS, _SLICE_STEPS)) for _ in range(3))
        nipple_v = 0.0
        for k, (v, w_low, w_high, area) in enumerate(slices):
            width[k], local[k], round_lower[k], round_upper[k] = _fit_slice(
                pressed_area[k], local[k], round_lower[k], round_upper[k]
            )
            pressed = _cumulative(
                _slice_thickness(tau * width[k], width[k], local[k], round_lower[k], round_upper[k]), tau * width[k]
            )
            share = pressed / max(pressed[-1], 1e-12)
            v_of[k] = np.interp(share * area[-1], area, v)
            w_low_of[k] = np.interp(v_of[k], v, w_low)
            w_high_of[k] = np.interp(v_of[k], v, w_high)
            centre_y, centre_z = (float(c) for c in breast.centre(x_of[k]))
            centre_v = centre_y * cosine + centre_z * sine
            # Pressing also lifts the breast: half of the sag remains.
            nipple_v = 0.5 * centre_v
            low[k] = nipple_v - float(np.interp(np.interp(centre_v, v, area) / area[-1], share, tau)) * width[k]
        return cls(
            angle_rad=float(angle),
            depth_mm=float(depth),
            nipple_v_mm=nipple_v,
            thickness_mm=view.thickness_mm,
            x_of=x_of,
            low_mm=low,
            width_mm=width,
            local_thickness_mm=local,
            round_lower_mm=round_lower,
            round_upper_mm=round_upper,
            v_of=v_of,
            w_low_of=w_low_of,
            w_high_of=w_high_of,
        )

    def columns(self, x_mm: np.ndarray, v_mm: np.ndarray) -> Columns:
        """Find the columns above points of the film, both ``[N]``, in compressed coordinates."""
        step = self._step(x_mm)
        low, width = _at(self.low_mm, step), _at(self.width_mm, step)
        across = (v_mm - low) / np.maximum(width, 1e-6)
        inside = (x_mm < self.depth_mm) & (across > 0) & (across < 1)
        place = np.arccos(np.clip(1 - 2 * across, -1.0, 1.0)) / np.pi * (_SLICE_STEPS - 1)
        where = np.stack([step, place])
        v, w_low, w_high = (
            ndimage.map_coordinates(table, where, order=1, mode="nearest")
            for table in (self.v_of, self.w_low_of, self.w_high_of)
        )
        return Columns(
            inside=inside,
            x_mm=_at(self.x_of, step),
            v_mm=v,
            w_low_mm=w_low,
            w_high_mm=w_high,
            thickness_mm=np.where(
                inside,
                _slice_thickness(
                    np.clip(across, 0, 1) * width,
                    width,
                    _at(self.local_thickness_mm, step),
                    _at(self.round_lower_mm, step),
                    _at(self.round_upper_mm, step),
                ),
                0.0,
            ),
        )

    def uncompressed(self, columns: Columns, share: np.ndarray) -> np.ndarray:
        """Map points of columns back to the uncompressed breast.

        Args:
            columns: N columns.
            share: ``[N, S]``, position in the column, 0 at the film's plate and 1 at the tube's.

        Returns:
            ``[3, N, S]``, float32: x, y, z in mm.
        """
        w = columns.w_low_mm[:, None] + share * (columns.w_high_mm - columns.w_low_mm)[:, None]
        v = np.broadcast_to(columns.v_mm[:, None], w.shape)
        x = np.broadcast_to(columns.x_mm[:, None], w.shape)
        cosine, sine = np.cos(self.angle_rad), np.sin(self.angle_rad)
        return np.stack([x, v * cosine - w * sine, v * sine + w * cosine]).astype(np.float32)

    def compressed(self, point_mm: np.ndarray) -> np.ndarray:
        """Map one point of the uncompressed breast ``[3]`` to compressed coordinates (x, v, w)."""
        return self.compressed_points(np.asarray(point_mm, dtype=np.float64)[:, None])[:, 0]

    def compressed_points(self, points_mm: np.ndarray) -> np.ndarray:
        """Map points of the uncompressed breast ``[3, N]`` to compressed coordinates (x, v, w) ``[3, N]``."""
        x, y, z = np.asarray(points_mm, dtype=np.float64)
        cosine, sine = np.cos(self.angle_rad), np.sin(self.angle_rad)
        v, w = y * cosine + z * sine, -y * sine + z * cosine
        step = np.interp(x, self.x_of, np.arange(_DEPTH_STEPS))
        row = np.minimum(np.floor(step).astype(int), _DEPTH_STEPS - 2)
        part = (step - row)[:, None]
        # One ascending table of positions across the slice per point, searched for the point's own.
        v_of = (1 - part) * self.v_of[row] + part * self.v_of[row + 1]
        v = np.clip(v, v_of[:, 0], v_of[:, -1])
        after = np.clip((v_of < v[:, None]).sum(axis=1), 1, _SLICE_STEPS - 1)
        lower, upper = (np.take_along_axis(v_of, k[:, None], axis=1)[:, 0] for k in (after - 1, after))
        place = after - 1 + (v - lower) / np.maximum(upper - lower, 1e-12)
        across = 0.5 - 0.5 * np.cos(np.pi * place / (_SLICE_STEPS - 1))
        xc = self._depth_of_step(step)
        along = _at(self.low_mm, step) + across * _at(self.width_mm, step)
        columns = self.columns(xc, along)
        share = (w - columns.w_low_mm) / np.maximum(columns.w_high_mm - columns.w_low_mm, 1e-6)
        return np.stack([xc, along, (share - 0.5) * columns.thickness_mm])

    def outline_mm(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The pressed outline: depth, and where the slice begins and ends along the film, each ``[K]``."""
        xc = self._depth_of_step(np.arange(_DEPTH_STEPS))
        return xc, self.low_mm, self.low_mm + self.width_mm

    def nipple_mm(self) -> tuple[float, float]:
        """Where the pressed breast ends in front: (x, v)."""
        return self.depth_mm, self.nipple_v_mm

    def _step(self, x_mm: np.ndarray) -> np.ndarray:
        return np.arcsin(np.clip(x_mm / self.depth_mm, 0.0, 1.0)) * (2 / np.pi) * (_DEPTH_STEPS - 1)

    def _depth_of_step(self, step: Any) -> Any:
        return self.depth_mm * np.sin(np.pi / 2 * step / (_DEPTH_STEPS - 1))


def _at(table: np.ndarray, step: np.ndarray) -> np.ndarray:
    return np.interp(step, np.arange(len(table)), table)


def _cumulative(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Cumulative trapezoidal integral, beginning with 0."""
    return np.concatenate([[0.0], np.cumsum(0.5 * (values[1:] + values[:-1]) * np.diff(positions))])


def _slice_thickness(
    across_mm: np.ndarray,
    width_mm: np.ndarray | float,
    thickness_mm: np.ndarray | float,
    round_lower_mm: np.ndarray | float,
    round_upper_mm: np.ndarray | float,
) -> np.ndarray:
    """Thickness of a pressed slice: flat between the plates, with quarter ellipses at its ends."""
    below = np.clip(1 - across_mm / np.maximum(round_lower_mm, 1e-9), 0.0, 1.0)
    above = np.clip(1 - (width_mm - across_mm) / np.maximum(round_upper_mm, 1e-9), 0.0, 1.0)
    return thickness_mm * np.sqrt(np.maximum(1 - below * below, 0.0) * np.maximum(1 - above * above, 0.0))


def _fit_slice(
    area_mm2: float, thickness_mm: float, round_lower_mm: float, round_upper_mm: float
) -> tuple[float, float, float, float]:
    """Find the width of a pressed slice of an area; one too small for its thickness becomes a circle."""
    width = area_mm2 / max(thickness_mm, 1e-9) + (round_lower_mm + round_upper_mm) * (1 - np.pi / 4)
    if width >= round_lower_mm + round_upper_mm and thickness_mm > 0:
        return width, thickness_mm, round_lower_mm, round_upper_mm
    diameter = float(np.sqrt(4 * area_mm2 / np.pi))
    return diameter, diameter, 0.5 * diameter, 0.5 * diameter


def _slice_area(width_mm: np.ndarray, thickness_mm: np.ndarray) -> np.ndarray:
    return thickness_mm * (width_mm - thickness_mm * (1 - np.pi / 4))


def _prescribed_slice(
    x_mm: np.ndarray, depth_mm: float, base_width_mm: float, thickness_mm: float, exponent: float
) -> tuple[np.ndarray, np.ndarray]:
    """Width and thickness of the pressed slices: a superelliptic outline whose front is as round as the gap is wide."""
    width = base_width_mm * np.sqrt(np.maximum(1 - (x_mm / depth_mm) ** exponent, 0.0))
    radius = 0.5 * thickness_mm
    short = np.clip(1 - (depth_mm - x_mm) / radius, 0.0, 1.0)
    thickness = thickness_mm * np.sqrt(np.maximum(1 - short * short, 0.0))
    return width, np.minimum(width, thickness)


def _pressed_depth(*, volume_mm3: float, base_width_mm: float, thickness_mm: float, exponent: float) -> float:
    """Find the depth at which the prescribed shape has the volume, by bisection (the volume grows with the depth)."""
    low, high = 10.0, 400.0
    for _ in range(50):
        depth = 0.5 * (low + high)
        x = depth * np.sin(np.linspace(0.0, np.pi / 2, 400))
        area = _slice_area(*_prescribed_slice(x, depth, base_width_mm, thickness_mm, exponent))
        if _cumulative(area, x)[-1] < volume_mm3:
            low = depth
        else:
            high = depth
    return 0.5 * (low + high)


def _columns_of_outline(v_mm: np.ndarray, w_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ends of the columns of a convex outline, at positions that are dense where the columns get short."""
    start, end = int(np.argmin(v_mm)), int(np.argmax(v_mm))
    n = len(v_mm)
    forward = (start + np.arange((end - start) % n + 1)) % n
    backward = (start - np.arange((start - end) % n + 1)) % n
    v = v_mm[start] + (v_mm[end] - v_mm[start]) * (0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, 161)))
    one = np.interp(v, v_mm[forward], w_mm[forward])
    other = np.interp(v, v_mm[backward], w_mm[backward])
    return v, np.minimum(one, other), np.maximum(one, other)


def _add_axilla(
    v: np.ndarray,
    w_low: np.ndarray,
    w_high: np.ndarray,
    *,
    x: float,
    armpit_depth_mm: float,
    breast_depth_mm: float,
    thickness_mm: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Join the part towards the armpit to a slice: a fold of skin, fat and muscle that the plates hold as well."""
    long_v = np.concatenate([v, np.linspace(v[-1], _AXILLA_LENGTH_MM, 160)[1:]])
    # The fold's depth shrinks from the breast, whose front it never reaches, to the armpit.
    depth = armpit_depth_mm + (0.8 * breast_depth_mm - armpit_depth_mm) * np.exp(-np.maximum(long_v, 0.0) / 80.0)
    begins = np.clip(long_v / 45.0, 0.0, 1.0)
    half = 0.5 * thickness_mm * begins * np.sqrt(np.clip(1 - (x / depth) ** 4, 0.0, 1.0))
    low = np.concatenate([w_low, np.full(len(long_v) - len(v), np.inf)])
    high = np.concatenate([w_high, np.full(len(long_v) - len(v), -np.inf)])
    low, high = np.where(half > 0, np.minimum(low, -half), low), np.where(half > 0, np.maximum(high, half), high)
    keep = high > low
    last = len(keep) - int(np.argmax(keep[::-1]))
    return long_v[:last], low[:last], high[:last]
