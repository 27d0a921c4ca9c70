"""Every published distortion strength, mildest first: one mapping a type, from table name to strengths.

Tables
------
live     4 types × 5 levels, for LIVE and CSIQ
tid2013  the TID2013 types × 4 levels

Source: X. Liu, J. van de Weijer, A. D. Bagdanov, "RankIQA: Learning from Rankings for No-Reference Image
Quality Assessment", ICCV 2017, supplement, and the authors' code.
"""

from __future__ import annotations

# Standard deviation in pixels. The paper gives the kernels, 7 to 199 pixels wide, and σ = kernel / 6
# (1.2, 2.5, 6.5, 15.2, 33.2 in its text, rounded).
GAUSSIAN_BLUR = {
    "live": (7 / 6, 15 / 6, 39 / 6, 91 / 6, 199 / 6),
    "tid2013": (7 / 6, 15 / 6, 39 / 6, 91 / 6),
}

# Variance of the noise, for pixel values on [0, 1] (.001, .006, .022, .088, 1.0 in the text, rounded).
GAUSSIAN_NOISE = {
    "live": (2**-10, 2**-7.5, 2**-5.5, 2**-3.5, 2.0**0),
    "tid2013": (0.001, 0.005, 0.01, 0.05),
}

# Quality setting of libjpeg, 0–100; it takes 0 for 1.
JPEG_QUALITY = {
    "live": (43, 12, 7, 4, 0),
    "tid2013": (43, 12, 7, 4),
}

# Compression ratio: bytes of the raw 24-bit image to bytes of the code stream, that is 24 / (bits per
# pixel), for 0.46, 0.16, 0.07, 0.04 and 0.02 bits per pixel.
JPEG2000_RATIO = {
    "live": (52, 150, 343, 600, 1200),
    "tid2013": (52, 150, 343, 600),
}
