"""Give sheets of ink a look, a whole batch at a time on the GPU: colours, relief, light, glare, wear, blur, noise.

Everything is decided per sheet, since all its strips are of one plate; the ground outside of the strips stays as the
reader sets it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from training.small.strips import FULL, OUTSIDE
from training.small.tokens import IMAGE_MEAN, IMAGE_STD

_GROUND = 127 / 255
_REACH = 4  # px of the widest kernel each way


def lit(ink: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Give normalised pictures (count, 3, height, width; RGB order) of ink sheets (count, height, width; uint8).

    Args:
        ink: as `strips.Drawn.ink`.
        generator: decides everything, on the device of `ink`.
        strength: of all that makes reading hard, 0 to 1.
    """
    with torch.autocast(ink.device.type, enabled=False):
        return _lit(ink, _Dice(generator, len(ink)), strength)


class _Dice:
    """Random numbers, one a sheet, ready to multiply with pictures."""

    def __init__(self, generator: torch.Generator, count: int) -> None:
        self.generator, self.count, self.device = generator, count, generator.device

    def uniform(self, low: float, high: float, channels: int = 1) -> Tensor:
        """Evenly between two bounds, (count, channels, 1, 1)."""
        drawn = torch.rand(self.count, channels, 1, 1, generator=self.generator, device=self.device)
        return low + (high - low) * drawn

    def chance(self, share: float) -> Tensor:
        """1 for about this share of the sheets, else 0."""
        return (self.uniform(0, 1) < share).float()

    def normal(self, *size: int) -> Tensor:
        """Standard normal noise (count, *size)."""
        return torch.randn(self.count, *size, generator=self.generator, device=self.device)

    def field(self, height: int, width: int, rows: int, columns: int) -> Tensor:
        """Smooth noise of about -1 to 1 with this many blotches each way, (count, 1, height, width)."""
        return functional.interpolate(self.normal(1, rows, columns), (height, width), mode="bilinear") * 0.7


def _lit(sheets: Tensor, dice: _Dice, strength: float) -> Tensor:
    _, height, width = sheets.shape
    inside = (sheets != OUTSIDE)[:, None].float()
    ink = (sheets.float() / FULL).clamp(max=1.0)[:, None] * inside
    # Strokes a little thicker or thinner.
    fat, thin = functional.max_pool2d(ink, 3, 1, 1), -functional.max_pool2d(-ink, 3, 1, 1)
    more = dice.uniform(-0.35, 0.35) * dice.chance(0.5) * strength
    ink = ink + more.clamp(min=0) * (fat - ink) - (-more).clamp(min=0) * (ink - thin)
    worn = dice.uniform(0, 0.5) * dice.chance(0.2) * strength
    ink = ink * (1 - worn * (dice.field(height, width, height // 6, width // 6) + 0.6)).clamp(0, 1)

    ground, print_ = _colours(dice, strength)
    picture = ground + (print_ - ground) * ink
    relief = dice.uniform(-0.4, 0.4) * dice.chance(0.35)
    picture = picture + relief * (ink - ink.roll((1, 1), (2, 3)))
    grain = functional.interpolate(dice.normal(1, height, width // 16), (height, width), mode="bilinear")
    picture = picture + grain * dice.uniform(0, 0.05) * dice.chance(0.5)
    soiled = dice.field(height, width, height // 20, width // 20).clamp(min=0)
    picture = picture * (1 - dice.uniform(0, 0.5) * dice.chance(0.15) * strength * soiled)

    light = 1 + dice.uniform(0, 0.25) * dice.field(height, width, 3, 3)
    picture = picture * light * dice.uniform(0.55, 1.15)
    dark = 1 - dice.uniform(0, 0.75) * dice.chance(0.12) * strength
    picture = picture * dark
    glare = dice.field(height, width, height // 28, 3).clamp(min=0) * dice.uniform(0, 0.7) * dice.chance(0.2) * strength
    haze = dice.uniform(0, 0.5) * dice.chance(0.15) * strength
    picture = (picture + glare) * (1 - haze) + haze * dice.uniform(0.3, 0.8)

    picture = _blurred(picture, dice, strength)
    noise = dice.uniform(0.002, 0.012) + dice.uniform(0, 0.05) * dice.chance(0.3) * strength
    picture = picture + dice.normal(1, height, width) * noise + dice.normal(3, height, width) * noise * 0.5
    picture = picture.clamp(0, 1) * inside + _GROUND * (1 - inside)
    return ((picture * 255).round() / 255 - IMAGE_MEAN) / IMAGE_STD


def _colours(dice: _Dice, strength: float) -> tuple[Tensor, Tensor]:
    """Ground and ink: one bright and one dark, at times hardly different; mostly grey, some coloured."""
    bright, dark = dice.uniform(0.55, 0.95), dice.uniform(0.05, 0.35)
    tint = (dice.uniform(-0.3, 0.2, 3) * dice.chance(0.35), dice.uniform(-0.06, 0.2, 3) * dice.chance(0.3))
    bright, dark = (bright + tint[0]).clamp(0.05, 1), (dark + tint[1]).clamp(0, 1)
    turned = dice.chance(0.3)
    ground, print_ = bright + (dark - bright) * turned, dark + (bright - dark) * turned
    faint = 1 - dice.uniform(0.3, 0.88) * dice.chance(0.25) * strength
    return ground, ground + (print_ - ground) * faint


def _blurred(picture: Tensor, dice: _Dice, strength: float) -> Tensor:
    """Defocus for most, motion for some; each sheet has its own kernel."""
    offset = torch.arange(-_REACH, _REACH + 1, device=dice.device, dtype=torch.float32)
    sigma = 0.25 + (dice.uniform(0, 0.5) + dice.uniform(0, 1.3) * dice.chance(0.3)) * strength
    squared = offset[:, None] ** 2 + offset[None, :] ** 2
    kernel = torch.exp(-squared / (2 * sigma**2))
    angle, reach = dice.uniform(0, 3.1416), dice.uniform(0.5, 3.0)
    along = offset[None, :] * angle.cos() + offset[:, None] * angle.sin()
    across = -offset[None, :] * angle.sin() + offset[:, None] * angle.cos()
    smear = torch.exp(-(along**2) / (2 * reach**2) - across**2 / (2 * 0.4**2))
    moved = dice.chance(0.12 * strength)
    kernel = kernel / kernel.sum((2, 3), keepdim=True) * (1 - moved) + smear / smear.sum((2, 3), keepdim=True) * moved
    count, channels, height, width = picture.shape
    kernel = kernel.expand(count, channels, -1, -1).reshape(count * channels, 1, 2 * _REACH + 1, 2 * _REACH + 1)
    padded = functional.pad(picture, (_REACH,) * 4, mode="replicate").view(1, count * channels, height + 2 * _REACH, -1)
    return functional.conv2d(padded, kernel, groups=count * channels).view(count, channels, height, width)
