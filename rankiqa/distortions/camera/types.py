"""The types of the set `camera`, in the order in which a photo meets them."""

from __future__ import annotations

from rankiqa.distortions.camera import (
    defocus,
    enlarging,
    exposure,
    flare,
    haze,
    lens_light,
    levels,
    low_light,
    motion,
    overdone,
    screen,
    white_balance,
)
from rankiqa.distortions.distortion import Distortion

_FACTOR = "factor {}"

TYPES: tuple[Distortion, ...] = (
    # The scene.
    Distortion(
        "HAZE", haze.haze, "Haze", "optical depth {}", levels.HAZE, (0.01, 20.0), stage="scene",
        source="Koschmieder 1924; He et al., CVPR 2009; strengths after RESIDE, TIP 2019",
        psnr=False, context=None, nested=True,
    ),
    Distortion(
        "SUBJECT", motion.subject_motion, "Subject motion", "length {} px", levels.SUBJECT, (1.5, 200.0),
        source="Wang and Adelson, TIP 1994; strengths of ours", nested=True, context=None, psnr=False, stage="scene",
    ),
    # The lens.
    Distortion(
        "DEFOCUS", defocus.defocus, "Out of focus", "radius {} px", levels.DEFOCUS, (0.6, 60.0),
        source="Potmesil and Chakravarty, SIGGRAPH 1981; strengths of ours", nested=True,
        context=defocus.defocus_reach, psnr=False, stage="lens",
    ),
    Distortion(
        "MISFOCUS", defocus.misfocus, "Focus on the wrong plane", "radius {} px", levels.MISFOCUS, (0.3, 48.0),
        source="Potmesil and Chakravarty, SIGGRAPH 1981; strengths of ours", nested=True, context=None, psnr=False,
        stage="lens",
    ),
    Distortion(
        "SHAKE", motion.camera_shake, "Camera shake", "extent {} px", levels.SHAKE, (1.5, 200.0),
        source="Boracchi and Foi, TIP 2012; Delbracio and Sapiro, CVPR 2015", nested=True,
        context=motion.shake_reach, psnr=False, stage="lens",
    ),
    Distortion(
        "GLARE", lens_light.glare, "Veiling glare", "{} of the light", levels.GLARE, (0.001, 1.0), stage="lens",
        source="ISO 9358; strengths of ours", psnr=False, context=None, nested=True,
    ),
    Distortion(
        "FLARE", flare.flare, "Lens flare", "light {}", levels.FLARE, (0.001, 10.0), stage="lens",
        source="Wu et al., ICCV 2021; Flare7K, NeurIPS 2022; strengths of ours", psnr=False, context=None, nested=True,
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
        "FLAT", exposure.grey_blacks, "Grey blacks", "black at L* {}", levels.FLAT, (0.5, 90.0), stage="processing",
        source="CIE 1976; strengths of ours", psnr=False,
    ),
    Distortion(
        "CRUSH", exposure.crushed_blacks, "Crushed blacks", "black up to L* {}", levels.CRUSHED, (0.5, 90.0),
        stage="processing", source="CIE 1976; strengths of ours", psnr=False,
    ),
    Distortion(
        "SMOOTH", overdone.over_smoothing, "Noise reduction overdone", "σ {} of 255", levels.SMOOTH, (1.0, 500.0),
        source="Tomasi and Manduchi, ICCV 1998; strengths of ours", context=overdone.SMOOTH_REACH, psnr=False,
        stage="processing",
    ),
    Distortion(
        "HALO", overdone.halos, "Sharpening overdone: halos", "gain {}", levels.HALO, (0.05, 20.0),
        source="Unsharp masking; strengths of ours", context=overdone.HALO_REACH, psnr=False, stage="processing",
    ),
    Distortion(
        "HDR", overdone.overdone_hdr, "Local tone mapping overdone", "detail ×{}", levels.HDR, (1.01, 20.0),
        source="Durand and Dorsey, SIGGRAPH 2002; strengths of ours", context=overdone.HDR_REACH, psnr=False,
        stage="processing",
    ),
    Distortion(
        "VIVID", overdone.overdone_colours, "Saturation overdone", "chroma ×{}", levels.VIVID, (1.01, 20.0),
        source="Ottosson's Oklab, 2020; strengths of ours", psnr=False, stage="processing",
    ),
    Distortion(
        "BANDING", overdone.banding, "Banding", "step {} of 255", levels.BANDING, (1.0, 128.0),
        source="Tu et al., ICASSP 2020; strengths of ours", context=overdone.BANDING_REACH, psnr=False,
        stage="processing",
    ),
    # Scaling.
    Distortion(
        "UPNEAR", enlarging.enlarge_nearest, "Enlarged by pixel repetition", _FACTOR, levels.UPNEAR, (1.01, 64.0),
        source="Enlargement; strengths of ours", context=None, psnr=False, stage="scaling",
    ),
    Distortion(
        "UPLIN", enlarging.enlarge_bilinear, "Enlarged bilinearly", _FACTOR, levels.UPLIN, (1.01, 64.0),
        source="Enlargement; strengths of ours", context=None, psnr=False, stage="scaling",
    ),
    Distortion(
        "UPCUBIC", enlarging.enlarge_bicubic, "Enlarged bicubically", _FACTOR, levels.UPCUBIC, (1.01, 64.0),
        source="Enlargement; strengths of ours", context=None, psnr=False, stage="scaling",
    ),
    Distortion(
        "UPLANC", enlarging.enlarge_lanczos, "Enlarged by Lanczos's kernel", _FACTOR, levels.UPLANC, (1.01, 64.0),
        source="Enlargement; strengths of ours", context=None, psnr=False, stage="scaling",
    ),
    Distortion(
        "ALIAS", enlarging.aliasing, "Reduced without a filter", _FACTOR, levels.ALIAS, (1.01, 64.0),
        source="Sampling below the Nyquist rate; strengths of ours", context=None, psnr=False, stage="scaling",
    ),
    Distortion(
        "MOIRE", screen.screen_moire, "Photo of a screen: moiré", "contrast {}", levels.MOIRE, (0.01, 1.0),
        source="Sun, Yu and Wang, TIP 2018; the model is ours", nested=True, context=None, psnr=False, stage="scaling",
    ),
)  # fmt: skip
