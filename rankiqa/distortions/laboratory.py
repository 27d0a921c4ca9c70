"""The types of the published sets: LIVE's, TID2013's, KADID-10k's and MLIVE's."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from rankiqa.distortions import blur, colour, compression, levels, noise, restoration, spatial, tone, transmission
from rankiqa.distortions.distortion import Distortion, Function

_TID2013 = "TID2013, SPIC 30, 2015; strengths of ours"
_KADID = "KADID-10k, QoMEX 2019"
_MLIVE = "MLIVE, Asilomar 2012; levels of RankIQA"


def _reach(sigma: float) -> int:
    return blur.kernel_width(sigma) // 2


def _after_blur(sigma: float, function: Function) -> Function:
    return partial(_blur_then, sigma, function)


def _blur_then(
    sigma: float, function: Function, image: np.ndarray, strength: float, rng: np.random.Generator
) -> np.ndarray:
    return function(blur.gaussian_blur(image, sigma, rng), strength, rng)


TYPES = (
    # LIVE's four, which TID2013 and KADID-10k have too.
    Distortion(
        "GB", blur.gaussian_blur, "Gaussian blur", "σ {} px", levels.GAUSSIAN_BLUR, (0.05, 100.0),
        tid2013=8, kadid10k=1, context=_reach,
    ),
    Distortion(
        "GN", noise.gaussian_noise, "Gaussian noise", "variance {}", levels.GAUSSIAN_NOISE, (1e-6, 4.0),
        tid2013=1, kadid10k=11,
    ),
    Distortion(
        "JPEG", compression.jpeg, "JPEG", "quality {}", levels.JPEG_QUALITY, (100, 0),
        tid2013=10, kadid10k=10, whole=True, apart=2,  # quality 0 is taken for 1
        context=1, grid=16,  # chroma is interpolated from block to block
    ),
    Distortion(
        "JP2K", compression.jpeg2000, "JPEG 2000", "ratio {}", levels.JPEG2000_RATIO, (1.0, 10000.0),
        tid2013=11, kadid10k=9, context=None,
    ),
    # TID2013, in its order.
    Distortion(
        "GNC", noise.colour_noise, "Noise in colour components", "variance {}", levels.COLOUR_NOISE, (1e-6, 4.0),
        tid2013=2, kadid10k=12,
    ),
    Distortion(
        "SCN", noise.correlated_noise, "Spatially correlated noise", "variance {}", levels.CORRELATED_NOISE,
        (1e-6, 4.0), tid2013=3, source=_TID2013,
    ),
    Distortion(
        "MN", noise.masked_noise, "Masked noise", "{} of contrast", levels.MASKED_NOISE, (0.01, 20.0),
        tid2013=4, source=_TID2013, context=noise.MASKING_REACH,
    ),
    Distortion(
        "HFN", noise.high_frequency_noise, "High-frequency noise", "variance {}", levels.HIGH_FREQUENCY_NOISE,
        (1e-6, 4.0), tid2013=5,
    ),
    Distortion(
        "IN", noise.impulse_noise, "Impulse noise", "fraction {}", levels.IMPULSE_NOISE, (1e-5, 1.0),
        tid2013=6, kadid10k=13,
    ),
    Distortion(
        "QN", tone.quantization, "Quantization noise", "{} thresholds", levels.QUANTIZATION, (254, 1),
        tid2013=7, kadid10k=22, whole=True, context=None,
    ),
    Distortion(
        "ID", restoration.bm3d_denoising, "Denoising (BM3D)", "variance {}", levels.DENOISING, (1e-6, 1.0),
        tid2013=9, kadid10k=15, context=None, extra="bm3d",
    ),
    Distortion(
        "ID-NLM", restoration.nl_means_denoising, "Denoising (non-local means)", "variance {}", levels.DENOISING,
        (1e-6, 1.0), tid2013=9, kadid10k=15, context=restoration.NL_MEANS_REACH,
    ),
    Distortion(
        "JPEGTE", transmission.jpeg_errors, "JPEG transmission errors", "error rate {}", levels.JPEG_ERRORS,
        (1e-6, 0.5), tid2013=12, source=_TID2013, nested=True, context=None,
        psnr=False,
    ),
    Distortion(
        "JP2KTE", transmission.jpeg2000_errors, "JPEG 2000 transmission errors", "error rate {}",
        levels.JPEG2000_ERRORS, (1e-6, 0.5), tid2013=13, source=_TID2013, nested=True, context=None,
        psnr=False,
    ),
    Distortion(
        "NEPN", spatial.moved_patches, "Non-eccentricity pattern noise", "{} patches", levels.PATCHES, (1, 100_000),
        tid2013=14, kadid10k=20, whole=True, nested=True, context=None, psnr=False,
    ),
    Distortion(
        "BW", spatial.blocks, "Local block-wise distortion", "{} blocks", levels.BLOCKS, (1, 100_000),
        tid2013=15, whole=True, nested=True, context=None, psnr=False,
    ),
    Distortion(
        "MSH", tone.mean_shift, "Mean shift up", "shift {}", levels.MEAN_SHIFT_UP, (1.0, 255.0),
        tid2013=16, kadid10k=18,
    ),
    Distortion(
        "MSL", tone.mean_shift, "Mean shift down", "shift {}", levels.MEAN_SHIFT_DOWN, (-1.0, -255.0),
        tid2013=16, kadid10k=18,
    ),
    Distortion(
        "CCH", tone.contrast, "Contrast up", "factor {}", levels.CONTRAST_UP, (1.01, 20.0), tid2013=17, context=None,
    ),
    Distortion(
        "CCL", tone.contrast, "Contrast down", "factor {}", levels.CONTRAST_DOWN, (0.99, 0.0), tid2013=17, context=None,
    ),
    Distortion(
        "CS", colour.saturation, "Colour saturation", "factor {}", levels.SATURATION, (0.99, -4.0),
        tid2013=18, psnr=False,
    ),
    Distortion(
        "MGN", noise.multiplicative_noise, "Multiplicative Gaussian noise", "std {}", levels.MULTIPLICATIVE_NOISE,
        (1e-3, 4.0), tid2013=19,
    ),
    Distortion(
        "CN", restoration.comfort_noise, "Comfort noise", "below {}", levels.COMFORT_NOISE, (0.5, 3000.0),
        tid2013=20, source=_TID2013, grid=8,
    ),
    Distortion(
        "LCNI", compression.noisy_compression, "Lossy compression of a noisy image", "variance {}",
        levels.NOISY_COMPRESSION, (1e-6, 1.0), tid2013=21, source=_TID2013, context=1, grid=16,
    ),
    Distortion(
        "CQD", colour.colour_quantization, "Colour quantization with dither", "{} colours",
        levels.COLOUR_QUANTIZATION, (256, 2), tid2013=22, kadid10k=6, whole=True, context=None,
    ),
    Distortion(
        "CA", colour.chromatic_aberration, "Chromatic aberration", "red by {} px", levels.CHROMATIC_ABERRATION,
        (1, 128), tid2013=23, whole=True, context=colour.aberration_reach,
    ),
    Distortion(
        "SSR", restoration.sparse_sampling, "Sparse sampling and reconstruction", "{} kept", levels.SPARSE_SAMPLING,
        (0.99, 0.005), tid2013=24, source=_TID2013, context=None,
    ),
    # KADID-10k's own.
    Distortion(
        "LENS", blur.lens_blur, "Lens blur", "radius {} px", levels.LENS_BLUR, (0.6, 100.0),
        kadid10k=2, source=_KADID, context=math.ceil,
    ),
    Distortion(
        "MOTION", blur.motion_blur, "Motion blur", "{} px", levels.MOTION_BLUR, (1.5, 200.0),
        kadid10k=3, source=_KADID, nested=True, context=math.ceil,
    ),
    Distortion(
        "CDIFF", colour.colour_diffusion, "Colour diffusion", "amount {}", levels.COLOUR_DIFFUSION, (0.1, 30.0),
        kadid10k=4, source=_KADID, context=colour.diffusion_reach,
    ),
    Distortion(
        "CSHIFT", colour.colour_shift, "Colour shift", "{} px", levels.COLOUR_SHIFT, (1.0, 100.0),
        kadid10k=5, source=_KADID, nested=True, context=None, psnr=False,
    ),
    Distortion(
        "HSVSAT", colour.hsv_saturation, "Saturation in HSV", "factor {}", levels.HSV_SATURATION, (0.99, -2.0),
        kadid10k=7, source=_KADID,
    ),
    Distortion(
        "LABSAT", colour.lab_saturation, "Saturation in Lab", "factor {}", levels.LAB_SATURATION, (1.01, 20.0),
        kadid10k=8, source=_KADID,
    ),
    Distortion(
        "SPECKLE", noise.speckle_noise, "Multiplicative noise", "variance {}", levels.SPECKLE_NOISE, (1e-6, 4.0),
        kadid10k=14, source=_KADID,
    ),
    Distortion(
        "BRIGHT", tone.brighten, "Brighten", "amount {}", levels.BRIGHTEN, (0.01, 2.0), kadid10k=16, source=_KADID,
    ),
    Distortion(
        "DARK", tone.darken, "Darken", "amount {}", levels.DARKEN, (0.01, 2.0), kadid10k=17, source=_KADID,
    ),
    Distortion(
        "JITTER", spatial.jitter, "Jitter", "σ {} px", levels.JITTER, (0.01, 20.0),
        kadid10k=19, source=_KADID, context=spatial.jitter_reach,
    ),
    Distortion(
        "PIXEL", spatial.pixelate, "Pixelate", "amount {}", levels.PIXELATE, (0.001, 0.85),
        kadid10k=21, source=_KADID, context=None,
    ),
    Distortion(
        "CBLOCK", spatial.colour_blocks, "Colour blocks", "{} blocks", levels.COLOUR_BLOCKS, (1, 100_000),
        kadid10k=23, source=_KADID, whole=True, nested=True, context=None, psnr=False,
    ),
    Distortion(
        "SHARP", spatial.sharpen, "High sharpen", "gain {}", levels.SHARPEN, (0.01, 100.0),
        kadid10k=24, source=_KADID, context=spatial.SHARPEN_REACH,
    ),
    Distortion(
        "CURVEH", tone.contrast_curve, "Contrast curve up", "amount {}", levels.CURVE_UP, (0.01, 2.0),
        kadid10k=25, source=_KADID,
    ),
    Distortion(
        "CURVEL", tone.contrast_curve, "Contrast curve down", "amount {}", levels.CURVE_DOWN, (-0.01, -1.0),
        kadid10k=25, source=_KADID,
    ),
    # MLIVE: every cell of its 3 × 3 levels, as three ranked groups each, one for each blur.
    *(
        Distortion(
            f"GB{sigma:.1f}+JPEG", _after_blur(sigma, compression.jpeg), f"Blur of σ {sigma:.2g} px, then JPEG",
            "quality {}", {"mlive": levels.JPEG_QUALITY["mlive"]}, (100, 0), apart=2,
            source=_MLIVE, whole=True, context=_reach(sigma) + 16, grid=16,
        )
        for sigma in levels.MLIVE_BLUR
    ),
    *(
        Distortion(
            f"GB{sigma:.1f}+GN", _after_blur(sigma, noise.gaussian_noise), f"Blur of σ {sigma:.2g} px, then noise",
            "variance {}", {"mlive": levels.MLIVE_NOISE}, (1e-6, 4.0),
            source=_MLIVE, context=_reach(sigma),
        )
        for sigma in levels.MLIVE_BLUR
    ),
)  # fmt: skip
