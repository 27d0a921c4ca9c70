"""Every strength of the set `camera`, mildest first, with its unit and where it comes from."""

from __future__ import annotations

# The scene. Optical depth at the mean depth; RESIDE draws 0.6–1.8.
HAZE = {"camera": (0.1, 0.25, 0.5, 0.9, 1.5)}

# The lens. Share of the light that scatters.
GLARE = {"camera": (0.02, 0.05, 0.1, 0.19, 0.35)}
VIGNETTING = {"camera": (0.8, 1.5, 2.4, 3.5, 5.0)}  # EV lost at the corner

# The sensor. EV.
OVEREXPOSURE = {"camera": (0.4, 0.8, 1.3, 1.9, 2.6)}
UNDEREXPOSURE = {"camera": (-0.5, -1.1, -1.8, -2.6, -3.6)}
LOW_LIGHT = {"camera": (1600, 550, 200, 80, 35)}  # photo-electrons that make white
LOW_LIGHT_DENOISED = {"camera": (600, 220, 90, 40, 18)}

# Processing. Mired and Duv.
TOO_WARM = {"camera": (25, 60, 105, 160, 225)}
TOO_COOL = {"camera": (-25, -60, -105, -160, -225)}
TOO_GREEN = {"camera": (0.006, 0.012, 0.02, 0.029, 0.04)}
TOO_MAGENTA = {"camera": (-0.006, -0.012, -0.02, -0.029, -0.04)}
FLAT = {"camera": (7, 14, 22, 32, 44)}  # L* of black
CRUSHED = {"camera": (-5, -10, -17, -26, -38)}  # L* that becomes black, below 0
