"""The types of the set `camera`, in the order in which a photo meets them."""

from __future__ import annotations

from rankiqa.distortions.camera import exposure, haze, lens_light, levels, low_light, white_balance
from rankiqa.distortions.distortion import Distortion

TYPES: tuple[Distortion, ...] = (
    # The scene.
    Distortion(
        "HAZE", haze.haze, "Haze", "optical depth {}", levels.HAZE, (0.01, 20.0), stage="scene",
        source="Koschmieder 1924; He et al., CVPR 2009; strengths after RESIDE, TIP 2019",
        psnr=False, context=None, nested=True,
    ),
    # The lens.
    Distortion(
        "GLARE", lens_light.glare, "Veiling glare", "{} of the light", levels.GLARE, (0.001, 1.0), stage="lens",
        source="ISO 9358; strengths of ours", psnr=False, context=None, nested=True,
    ),
    Distortion(
        "VIGN", lens_light.vignetting, "Vignetting", "{} EV lost at the corner", levels.VIGNETTING, (0.05, 12.0),
        stage="lens", source="Kang and Weiss, ECCV 2000; strengths of ours", psnr=False, context=None,
    ),
    # The sensor.
    Distortion(
        "OVER", exposure.exposure, "Overexposure", "{} EV", levels.OVEREXPOSURE, (0.05, 8.0), stage="sensor",
        source="Afifi et al., CVPR 2021; stronger levels of ours", psnr=False,
    ),
    Distortion(
        "UNDER", exposure.exposure, "Underexposure", "{} EV", levels.UNDEREXPOSURE, (-0.05, -8.0), stage="sensor",
        source="Afifi et al., CVPR 2021; stronger levels of ours", psnr=False,
    ),
    Distortion(
        "LOWLIGHT", low_light.low_light, "Little light", "{} electrons at white", levels.LOW_LIGHT, (100000, 4),
        stage="sensor", source="EMVA 1288; Foi et al., TIP 2008; strengths of ours",
        psnr=False, context=low_light.CONTEXT, grid=2, nested=True,
    ),
    Distortion(
        "LOWLIGHT-DN", low_light.denoised_low_light, "Little light, denoised", "{} electrons at white",
        levels.LOW_LIGHT_DENOISED, (100000, 4), stage="sensor",
        source="Foi et al., TIP 2008; Hasinoff et al., SIGGRAPH Asia 2016; strengths of ours",
        psnr=False, context=low_light.DENOISING_CONTEXT, grid=4, nested=True,
    ),
    # Processing.
    Distortion(
        "WARM", white_balance.colour_temperature, "White balance too warm", "{} mired", levels.TOO_WARM, (1, 400),
        stage="processing", source="Kim et al. 2006; strengths of ours", psnr=False,
    ),
    Distortion(
        "COOL", white_balance.colour_temperature, "White balance too cool", "{} mired", levels.TOO_COOL, (-1, -400),
        stage="processing", source="Kim et al. 2006; strengths of ours", psnr=False,
    ),
    Distortion(
        "GREEN", white_balance.tint, "White balance too green", "Duv {}", levels.TOO_GREEN, (0.0005, 0.08),
        stage="processing", source="ANSI C78.377; strengths of ours", psnr=False,
    ),
    Distortion(
        "MAGENTA", white_balance.tint, "White balance too magenta", "Duv {}", levels.TOO_MAGENTA, (-0.0005, -0.08),
        stage="processing", source="ANSI C78.377; strengths of ours", psnr=False,
    ),
    Distortion(
        "FLAT", exposure.black_point, "Grey blacks", "black at L* {}", levels.FLAT, (0.5, 90.0), stage="processing",
        source="CIE 1976; strengths of ours", psnr=False,
    ),
    Distortion(
        "CRUSH", exposure.black_point, "Crushed blacks", "black up to L* {}", levels.CRUSHED, (-0.5, -90.0),
        stage="processing", source="CIE 1976; strengths of ours", psnr=False,
    ),
)  # fmt: skip
