"""Every strength of the set `camera`, mildest first, with its unit and where it comes from."""

from __future__ import annotations

# The scene. Optical depth at the mean depth; RESIDE (TIP 2019) draws 0.6–1.8, which begins beyond what is just visible.
HAZE = {"camera": (0.1, 0.25, 0.5, 0.9, 1.5)}
SUBJECT = {"camera": (3.5, 6.0, 10.5, 17.5, 28.0)}  # pixels along the line, as the lengths below

# The lens. Pixels of a photo 512 pixels wide; ours, each about 1.75 times the last, up to where MDSI (Nafchi et al.,
# IEEE Access 2016) still tells two of them apart: in texture a wider blur looks the same.
DEFOCUS = {"camera": (1.1, 1.9, 3.3, 5.7, 10.0)}  # radius
MISFOCUS = {"camera": (1.8, 3.0, 5.0, 8.5, 14.0)}  # radius at the end out of focus
SHAKE = {"camera": (2.4, 4.2, 7.3, 12.7, 22.0)}  # extent of the path
FLARE = {"camera": (0.08, 0.16, 0.32, 0.6, 1.1)}  # light at a tenth of the side from the source, of white; ours
# Share of the light that scatters: ISO 9358's index is 0.01–0.05 of clean lenses, more of dirty ones.
GLARE = {"camera": (0.02, 0.05, 0.1, 0.19, 0.35)}
VIGNETTING = {"camera": (0.8, 1.5, 2.4, 3.5, 5.0)}  # EV lost at the corner: 1–3 of fast lenses

# The sensor. EV: Afifi et al. (CVPR 2021) take ±1.5; the worst of BIQ2021's photos are further off.
OVEREXPOSURE = {"camera": (0.4, 0.85, 1.4, 2.1, 3.0)}
UNDEREXPOSURE = {"camera": (-0.5, -1.1, -1.8, -2.6, -3.6)}
# Photo-electrons that make white: of a phone's pixels, which hold about 5000, at ISO 300 to 14 000, if 100 fills them.
LOW_LIGHT = {"camera": (1600, 550, 200, 80, 35)}
LOW_LIGHT_DENOISED = {"camera": (600, 220, 90, 40, 18)}

# Processing. Mired: a daylight camera under tungsten is 197 off, in the shade (8000 K) 29. Duv: ANSI
# C78.377 lets lamps differ by 0.006, which is just visible; ours go on from there.
TOO_WARM = {"camera": (25, 60, 105, 160, 225)}
TOO_COOL = {"camera": (-25, -60, -105, -160, -225)}
TOO_GREEN = {"camera": (0.006, 0.012, 0.02, 0.029, 0.04)}
TOO_MAGENTA = {"camera": (-0.006, -0.012, -0.02, -0.029, -0.04)}
FLAT = {"camera": (7, 14, 22, 32, 44)}  # L* of black
CRUSHED = {"camera": (5, 10, 17, 26, 38)}  # L* that becomes black

SMOOTH = {"camera": (9.0, 16.0, 28.0, 48.0, 80.0)}  # σ of the range kernel, grey levels
HALO = {"camera": (0.35, 0.6, 1.0, 1.7, 3.0)}  # gain; image editors offer up to 5
HDR = {"camera": (1.5, 2.0, 2.7, 3.8, 5.5)}  # factor on the detail
VIVID = {"camera": (1.25, 1.5, 1.8, 2.2, 2.8)}  # factor on the chroma
BANDING = {"camera": (6.0, 10.0, 16.0, 26.0, 42.0)}  # step, grey levels

# Scaling. Factors, ours: what is shown 512 pixels wide was 380 to 79. Repeated pixels begin above 2: below,
# only some of them are, and at 2 the means of 2×2 pixels stay, which is all that is seen from further away.
UPNEAR = {"camera": (2.2, 2.8, 3.6, 4.7, 6.2)}
UPLIN = {"camera": (1.35, 1.85, 2.6, 4.0, 6.5)}
UPCUBIC = {"camera": (1.35, 1.85, 2.6, 4.0, 6.5)}
UPLANC = {"camera": (1.35, 1.85, 2.6, 4.0, 6.5)}
ALIAS = {"camera": (1.25, 1.6, 2.2, 3.2, 5.0)}
MOIRE = {"camera": (0.08, 0.14, 0.24, 0.4, 0.7)}  # contrast of the fringes
