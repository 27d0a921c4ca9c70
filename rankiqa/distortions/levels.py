"""Every published distortion strength, mildest first: one mapping a type, from table name to strengths.

Tables:

live        4 types × 5 levels, for LIVE and CSIQ (RankIQA)
tid2013     17 types of TID2013 × 4 levels (RankIQA); mean shift and contrast are two ranked groups each
tid2013-24  all 24 types × 5 levels: RankIQA's four and a fifth of ours that goes on in the same direction; for
            the seven types that RankIQA left out five of ours, set so that a photo's PSNR is near TID2013's 33, 30,
            27, 24 and 21 dB
mlive       blur followed by JPEG or noise, 3 × 3 levels
kadid10k    the 25 types of KADID-10k; of its 25 × 5 strengths five leave an image as it is (`KADID10K_IDENTITIES`) and
            are level 0; the two types that go both ways are two ranked groups each

Sources:

RankIQA: X. Liu, J. van de Weijer, A. D. Bagdanov, "RankIQA: Learning from Rankings for No-Reference Image Quality
Assessment", ICCV 2017, supplement, and the authors' code. TID2013: N. Ponomarenko et al., "Image database TID2013:
Peculiarities, results and perspectives", Signal Processing: Image Communication 30, 2015. KADID-10k: H. Lin, V. Hosu,
D. Saupe, "KADID-10k: A Large-scale Artificially Distorted IQA Database", QoMEX 2019, and the authors' code. MLIVE:
D. Jayaraman, A. Mittal, A. K. Moorthy, A. C. Bovik, "Objective quality assessment of multiply distorted images",
Asilomar 2012; levels of RankIQA.
"""

from __future__ import annotations

# PSNR in dB that TID2013 sets its five levels to, for most types.
TID2013_PSNR = (33.0, 30.0, 27.0, 24.0, 21.0)

# Standard deviation in pixels. RankIQA gives the kernels, 7 to 199 pixels wide, and σ = kernel / 6
# (1.2, 2.5, 6.5, 15.2, 33.2 in its text, rounded).
GAUSSIAN_BLUR = {
    "live": (7 / 6, 15 / 6, 39 / 6, 91 / 6, 199 / 6),
    "tid2013": (7 / 6, 15 / 6, 39 / 6, 91 / 6),
    "tid2013-24": (7 / 6, 15 / 6, 39 / 6, 91 / 6, 199 / 6),
    "kadid10k": (0.5, 1, 2, 5),
}

# Variance of the noise, for pixel values on [0, 1] (.001, .006, .022, .088, 1.0 in RankIQA's text, rounded).
GAUSSIAN_NOISE = {
    "live": (2**-10, 2**-7.5, 2**-5.5, 2**-3.5, 2.0**0),
    "tid2013": (0.001, 0.005, 0.01, 0.05),
    "tid2013-24": (0.001, 0.005, 0.01, 0.05, 0.1),
    "kadid10k": (0.001, 0.002, 0.003, 0.005, 0.01),
}

# Variance in Y, Cb and Cr on [0, 1].
COLOUR_NOISE = {
    "tid2013": (0.0140, 0.0198, 0.0343, 0.0524),
    "tid2013-24": (0.0140, 0.0198, 0.0343, 0.0524, 0.08),
    "kadid10k": (0.0001, 0.0005, 0.001, 0.002, 0.003),
}

# Variance on [0, 1] of the noise after the filter that correlates it.
CORRELATED_NOISE = {"tid2013-24": (0.0005, 0.001, 0.002, 0.004, 0.008)}

# Standard deviation of the noise as a fraction of the local contrast.
MASKED_NOISE = {"tid2013-24": (0.3, 0.42, 0.6, 0.85, 1.2)}

# Variance on [0, 1] of the noise before the high-pass.
HIGH_FREQUENCY_NOISE = {
    "tid2013": (0.001, 0.005, 0.01, 0.05),
    "tid2013-24": (0.001, 0.005, 0.01, 0.05, 0.1),
}

# Fraction of the samples that become 0 or 255.
IMPULSE_NOISE = {
    "tid2013": (0.005, 0.01, 0.05, 0.1),
    "tid2013-24": (0.005, 0.01, 0.05, 0.1, 0.2),
    "kadid10k": (0.001, 0.005, 0.01, 0.02, 0.03),
}

# Number of thresholds: 255 / 27, 255 / 39, 255 / 55 and 255 / 76, rounded.
QUANTIZATION = {
    "tid2013": (9, 7, 5, 3),
    "tid2013-24": (9, 7, 5, 3, 2),
    "kadid10k": (20, 16, 13, 10, 7),
}

# Variance on [0, 1] of the noise that is added, then removed.
DENOISING = {
    "tid2013": (0.001, 0.005, 0.01, 0.05),
    "tid2013-24": (0.001, 0.005, 0.01, 0.05, 0.1),
    "kadid10k": (0.01, 0.03, 0.05, 0.1, 0.15),
}

# Quality setting of libjpeg, 0–100; it takes 0 for 1.
JPEG_QUALITY = {
    "live": (43, 12, 7, 4, 0),
    "tid2013": (43, 12, 7, 4),
    "tid2013-24": (43, 12, 7, 4, 0),
    "mlive": (43, 12, 7),
    "kadid10k": (43, 36, 24, 7, 4),
}

# Compression ratio: bytes of the raw 24-bit image to bytes of the code stream, that is 24 / (bits per
# pixel), for 0.46, 0.16, 0.07, 0.04 and 0.02 bits per pixel.
JPEG2000_RATIO = {
    "live": (52, 150, 343, 600, 1200),
    "tid2013": (52, 150, 343, 600),
    "tid2013-24": (52, 150, 343, 600, 1200),
    "kadid10k": (16, 32, 45, 120, 400),
}

# Fraction of the coded bytes that an error hits.
JPEG_ERRORS = {"tid2013-24": (0.00007, 0.00017, 0.00037, 0.00075, 0.0015)}
JPEG2000_ERRORS = {"tid2013-24": (0.0003, 0.0006, 0.0012, 0.0024, 0.0048)}

# Number of 15×15 patches.
PATCHES = {
    "tid2013": (30, 70, 150, 300),
    "tid2013-24": (30, 70, 150, 300, 600),
    "kadid10k": (20, 40, 60, 80, 100),
}

# Number of 32×32 blocks.
BLOCKS = {
    "tid2013": (2, 4, 8, 16),
    "tid2013-24": (2, 4, 8, 16, 32),
}

# Shift of all values on 0–255.
MEAN_SHIFT_UP = {
    "tid2013": (15, 30, 45, 60),
    "tid2013-24": (15, 30, 45, 60, 75),
    "kadid10k": (0.08 * 255, 0.15 * 255),
}
MEAN_SHIFT_DOWN = {table: tuple(-shift for shift in shifts) for table, shifts in MEAN_SHIFT_UP.items()}

# Factor on the distance from the mean.
CONTRAST_UP = {
    "tid2013": (1.2, 1.4, 1.6, 1.8),
    "tid2013-24": (1.2, 1.4, 1.6, 1.8, 2.0),
}
CONTRAST_DOWN = {
    "tid2013": (0.85, 0.7, 0.55, 0.4),
    "tid2013-24": (0.85, 0.7, 0.55, 0.4, 0.25),
}

# Factor on Cb and Cr; below 0 the hues turn into their opposites.
SATURATION = {
    "tid2013": (0.4, 0, -0.4, -0.8),
    "tid2013-24": (0.4, 0, -0.4, -0.8, -1.2),
}

# Standard deviation of the factor 1 + n.
MULTIPLICATIVE_NOISE = {
    "tid2013": (0.05, 0.09, 0.13, 0.2),
    "tid2013-24": (0.05, 0.09, 0.13, 0.2, 0.3),
}

# Magnitude on 0–255 of the DCT coefficients (8×8, orthonormal) below which details are made up.
COMFORT_NOISE = {"tid2013-24": (18, 25, 43, 80, 190)}

# Variance on [0, 1] of the noise that the coder meets.
NOISY_COMPRESSION = {"tid2013-24": (0.0005, 0.002, 0.006, 0.016, 0.04)}

# Number of colours.
COLOUR_QUANTIZATION = {
    "tid2013": (64, 32, 16, 8),
    "tid2013-24": (64, 32, 16, 8, 4),
    "kadid10k": (64, 48, 32, 16, 8),
}

# Shift of red in pixels; blue moves by half of it.
CHROMATIC_ABERRATION = {
    "tid2013": (2, 6, 10, 14),
    "tid2013-24": (2, 6, 10, 14, 18),
}

# Fraction of the samples that are kept.
SPARSE_SAMPLING = {"tid2013-24": (0.45, 0.3, 0.18, 0.08, 0.025)}

# KADID-10k's own types.
LENS_BLUR = {"kadid10k": (1, 2, 4, 6, 8)}  # radius of the disk, pixels
MOTION_BLUR = {"kadid10k": (2, 4, 6, 10)}  # length, pixels
COLOUR_DIFFUSION = {"kadid10k": (1, 3, 6, 8, 12)}  # amount: σ = 1.5 amount + 2 pixels, gain = amount
COLOUR_SHIFT = {"kadid10k": (1, 3, 6, 8, 12)}  # pixels
HSV_SATURATION = {"kadid10k": (0.4, 0.2, 0.1, 0, -0.4)}  # factor on S
LAB_SATURATION = {"kadid10k": (2, 3, 6, 9)}  # factor on a and b
SPECKLE_NOISE = {"kadid10k": (0.001, 0.005, 0.01, 0.02, 0.05)}  # variance of the factor 1 + n
BRIGHTEN = {"kadid10k": (0.1, 0.2, 0.4, 0.7, 1.1)}  # amount: the middle of the curve rises by half of it
DARKEN = {"kadid10k": (0.05, 0.1, 0.2, 0.4, 0.8)}  # amount: the middle of the curve falls by half of it
JITTER = {"kadid10k": (0.05, 0.1, 0.2, 0.5, 1)}  # standard deviation of one displacement, pixels; five in a row
PIXELATE = {"kadid10k": (0.01, 0.05, 0.1, 0.2, 0.5)}  # s: the image is sampled at 0.95 − s^0.6 of its size
COLOUR_BLOCKS = {"kadid10k": (2, 4, 6, 8, 10)}  # number of 32×32 blocks
SHARPEN = {"kadid10k": (1, 2, 3, 6, 12)}  # gain of the unsharp mask
CURVE_UP = {"kadid10k": (0.15, 0.3)}  # amount: the curve at 1/4 and 3/4 moves by a quarter of it
CURVE_DOWN = {"kadid10k": (-0.4, -0.6)}

# The cells of KADID-10k, (type, published strength), that leave every image as it is.
KADID10K_IDENTITIES = ((1, 0.1), (3, 1), (8, 1), (18, 0), (25, 0))

# MLIVE: blur first, with these standard deviations; then JPEG (`JPEG_QUALITY`) or noise of this variance.
MLIVE_BLUR = (7 / 6, 15 / 6, 39 / 6)
MLIVE_NOISE = (2**-10, 2**-7.5, 2**-5.5)


# The set `codecs`: the encoders' own qualities. Levels 1 to 5 of a type have the mean MDSI (against the original, over
# photos of 512×512) of JPEG420's: 0.16, which a careful viewer just sees, 0.20, 0.245, 0.29 and 0.33, as far as that is
# met. JPEG: from what cameras and web pages save at (75 to 85) to a picture that messengers have passed on often.
JPEG420_QUALITY = {"codecs": (80, 50, 27, 16, 10)}  # libjpeg's quality
JPEG444_QUALITY = {"codecs": (70, 45, 26, 16, 10)}
JPEG2X_QUALITY = {"codecs": (85, 62, 36, 21, 12)}  # both times
WEBP_QUALITY = {"codecs": (87, 73, 35, 12, 3)}  # libwebp's; 75 is usual
AVIF_QUALITY = {"codecs": (68, 51, 39, 27, 13)}  # libavif's; 60 to 75 are usual
# libjxl's; 90 is usual. Below 19 it halves the image first, which may be better than 19 is.
JXL_QUALITY = {"codecs": (81, 62, 43, 29, 19)}
HEIC_QUALITY = {"codecs": (55, 44, 34, 25, 17)}  # libheif's; 50 is usual
H264_RATE_FACTOR = {"codecs": (21.5, 27, 31, 35, 39)}  # x264's CRF; 23 is usual, 18 to 28 are sane, says FFmpeg
HEVC_RATE_FACTOR = {"codecs": (22, 28, 33, 37.5, 41.5)}  # x265's CRF; 28 is usual

# Chains: t on [0, 1], of each fault from just visible to its own most (`rankiqa.distortions.chains`); ours.
CHAIN = {"photo": (0.0, 0.25, 0.5, 0.75, 1.0)}
