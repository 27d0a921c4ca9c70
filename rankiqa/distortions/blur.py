"""Blur."""

from __future__ import annotations

import math

import cv2
import numpy as np


def kernel_width(sigma: float) -> int:
    """The odd width in pixels of the kernel that reaches three standard deviations to each side."""
    return 2 * math.floor(3 * sigma) + 1


def gaussian_blur(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Blur by a Gaussian cut at three standard deviations, the border reflected (edge pixel repeated).

    `strength` is the standard deviation in pixels; `rng` is not used. uint8 H×W×3 in and out; `image` is
    not changed. Source: RankIQA (ICCV 2017), supplement; TID2013 type 8.
    """
    width = kernel_width(strength)
    profile = cv2.getGaussianKernel(width, strength, cv2.CV_32F)
    # In floating point: for 8-bit results OpenCV rounds the kernel itself to 8 bits.
    blurred = cv2.sepFilter2D(image, cv2.CV_32F, profile, profile, borderType=cv2.BORDER_REFLECT)
    return cv2.convertScaleAbs(blurred)  # rounds and clips


def lens_blur(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Blur as a lens out of focus does: the mean over a disk, the border replicated.

    `strength` is the radius of the disk in pixels; `rng` is not used. uint8 H×W×3 in and out; `image` is not changed.
    Source: KADID-10k (QoMEX 2019) type 2, which takes MATLAB's `fspecial('disk', radius)`.
    """
    return _filter(image, disk_kernel(strength))


def motion_blur(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Blur as a camera in motion does: the mean along a line in a direction drawn from `rng`, the border replicated.

    `strength` is the length of the line in pixels, from 1, where nothing changes. The direction is a whole number of
    degrees, each as likely as the other, and the same for every strength. uint8 H×W×3 in and out; `image` is not
    changed. Source: KADID-10k (QoMEX 2019) type 3, which takes MATLAB's `fspecial('motion', length, degrees)`.
    """
    return _filter(image, motion_kernel(strength, int(rng.integers(180))))


def disk_kernel(radius: float) -> np.ndarray:
    """The share of a disk's area that falls on each pixel: float32, odd square, sum 1."""
    reach = math.ceil(radius - 0.5)
    edges = np.arange(-reach, reach + 2) - 0.5
    # The area over a pixel is the mixed difference of the area between the axes and its corners.
    x, y = np.meshgrid(edges, edges)
    area = np.diff(np.diff(_area_to_corner(x, y, radius), axis=0), axis=1)
    return (area / area.sum()).astype(np.float32)


def _area_to_corner(x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    """Area of the disk over the rectangle from its centre to (x, y), negative where just one of x and y is."""
    sign = np.sign(x) * np.sign(y)
    x, y = (np.minimum(np.abs(side), radius) for side in (x, y))
    # Up to `flat` the rectangle's top lies in the disk; from there to x the circle is lower, down to y = 0.
    flat = np.minimum(np.sqrt(radius**2 - y**2), x)
    return sign * (flat * y + _area_under_arc(x, radius) - _area_under_arc(flat, radius))


def _area_under_arc(x: np.ndarray, radius: float) -> np.ndarray:
    return (x * np.sqrt(radius**2 - x**2) + radius**2 * np.arcsin(x / radius)) / 2


def motion_kernel(length: float, degrees: float) -> np.ndarray:
    """MATLAB's line, `degrees` anticlockwise from the right: float32, odd sides, sum 1.

    A pixel weighs 1 less its distance from the line of `length` − 1 between the centres of the first and last pixel.
    """
    half = (length - 1) / 2
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    # Less a trifle, so that rounding of the sine and cosine adds no empty rows and columns.
    right, up = (int(abs(part) * half + 1 - 1e-9) for part in (cos, sin))
    y, x = np.mgrid[up : -up - 1 : -1, -right : right + 1]
    along, across = np.abs(x * cos + y * sin), np.abs(y * cos - x * sin)
    # Pixels as far away as the ends are measured from the nearer end, those closer in from the line.
    distance = np.where(np.hypot(x, y) >= half, np.hypot(along - half, across), across)
    weights = np.maximum(1 - distance, 0)
    return (weights / weights.sum()).astype(np.float32)


def _filter(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    # Both kernels are unchanged by half a turn, so that correlation, which this is, and convolution agree. OpenCV is
    # faster in floating point than on 8 bits; large kernels it takes through the Fourier plane.
    pixels = image.astype(np.float32, order="C")
    cv2.filter2D(pixels, cv2.CV_32F, kernel, dst=pixels, borderType=cv2.BORDER_REPLICATE)
    return cv2.convertScaleAbs(pixels)  # rounds and clips
