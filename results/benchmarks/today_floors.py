"""The library calls that each type of the sets camera and codecs cannot do without, on arrays made beforehand.

From type to a function of its strength, which prepares (kernels, tables) and gives the call that is timed.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import cv2
import numpy as np
from PIL import Image

from rankiqa.distortions import codecs as ours
from rankiqa.distortions.blur import disk_kernel, motion_kernel
from rankiqa.distortions.camera import defocus, low_light, motion, overdone

Floors = dict[str, Callable[[float], Callable[[], object]]]
REFLECT = cv2.BORDER_REFLECT


def camera(image: np.ndarray) -> Floors:
    height, width = image.shape[:2]
    rng = np.random.default_rng(0)
    light = rng.random(image.shape, np.float32)
    plane = np.ascontiguousarray(light[..., 0])
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    ycc = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    bytes_of, light_of = np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.float32) / 255
    back = np.zeros(65536, np.uint8)
    matrix = np.eye(3, dtype=np.float32)
    to_grey = np.full((1, 3), 1 / 3, np.float32)
    field = rng.random((32, 32, 3), np.float32)

    def to_light():
        return cv2.LUT(image, light_of)

    def to_pixels(of=light):
        return back.take(cv2.addWeighted(of, 65535, of, 0, 0, dtype=cv2.CV_16U))

    def enlarge(of, how=cv2.INTER_LINEAR):
        return cv2.resize(of, (width, height), interpolation=how)

    def scale(of=light, gain=plane):
        return cv2.multiply(of, cv2.merge((gain, gain, gain)))

    def detail(side):
        cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        for a, b in ((grey[:, 1:], grey[:, :-1]), (grey[1:], grey[:-1])):
            cv2.resize(cv2.absdiff(a, b), (side, side), interpolation=cv2.INTER_AREA)

    def filtered(kernel, of=light, border=REFLECT):
        return cv2.filter2D(of, cv2.CV_32F, kernel, borderType=border)

    def haze():
        to_light()
        cv2.calcHist([image], [1], None, [256], [0, 256])
        enlarge(field[..., 0])
        made = scale()
        cv2.add(made, enlarge(field), dst=made)
        to_pixels()

    def subject(strength):
        drawn = np.random.default_rng(0)
        kernel = motion_kernel(strength, float(drawn.random() * 180))
        cover = motion.subject(image, drawn)
        rows, columns = (
            int(cover.any(axis=axis).sum()) + of for axis, of in ((1, kernel.shape[0]), (0, kernel.shape[1]))
        )
        part, alpha = (np.ascontiguousarray(of[:rows, :columns]) for of in (light, plane))

        def call():
            detail(16)
            np.sqrt(plane)
            image.copy()
            for _ in range(2):
                cv2.LUT(image[:rows, :columns], light_of)
                scale(part, alpha)
            cv2.add(part, filtered(kernel, part))
            filtered(kernel, alpha)
            to_pixels(part)

        return call

    def through(kernel):
        return lambda: (to_light(), filtered(kernel), to_pixels())

    def misfocus(strength):
        discs = defocus._LAYERS[: 1 + sum(disc < strength for disc in defocus._LAYERS)]
        kernels = [disk_kernel(1.6), *(disk_kernel(2.3) for _ in discs[1:])]
        sizes = [(width, height), *((width >> i, height >> i) for i in range(1, len(discs)))]

        def call():
            to_light()
            detail(32)
            enlarge(field[..., 0], cv2.INTER_CUBIC)
            for kernel, size in zip(kernels, sizes, strict=True):
                if size[0] == width:
                    filtered(kernel)
                else:
                    enlarge(filtered(kernel, cv2.resize(light, size, interpolation=cv2.INTER_AREA)))
                cv2.blendLinear(light, light, plane, plane)
            to_pixels()

        return call

    def glare():
        cv2.resize(to_light(), (32, 32), interpolation=cv2.INTER_AREA)
        cv2.addWeighted(light, 0.9, enlarge(field), 0.1, 0)
        to_pixels()

    def flare():
        small = np.ascontiguousarray(plane[:128, :128])
        for of in (np.cos, np.cos, np.exp):
            of(small)
        np.arctan2(small, small)
        np.hypot(small, small)
        to_light()
        cv2.addWeighted(light, 1, enlarge(cv2.merge([small] * 3)), 0.1, 0)
        to_pixels()

    def sensor():
        wider = cv2.copyMakeBorder(image, 2, 2, 2, 2, borderType=cv2.BORDER_REFLECT_101)
        noise = rng.standard_normal(wider.shape[:2], dtype=np.float32)
        for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
            light_of.take(wider[row::2, column::2, channel])
        made = cv2.demosaicing(cv2.addWeighted(noise, 1, noise, 0, 9, dtype=cv2.CV_16U), cv2.COLOR_BayerRGGB2RGB)
        cv2.addWeighted(to_light(), 1, made[2:-2, 2:-2], 1e-5, -1, dtype=cv2.CV_32F)
        to_pixels()

    def denoised():
        sensor()
        planes = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb).astype(np.float32))
        for i, of in enumerate(planes):
            for _ in range(2):
                low_light._wide_mean(of) if i else low_light._mean(of)
            cv2.convertScaleAbs(of)
        cv2.LUT(grey, light_of)
        cv2.cvtColor(cv2.merge(cv2.split(ycc)), cv2.COLOR_YCrCb2RGB)

    def smooth(strength):
        return lambda: [cv2.bilateralFilter(image, 5, strength, 2.5, borderType=REFLECT) for _ in range(8)]

    def halo():
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        side = 2 * overdone.HALO_REACH + 1
        change = cv2.addWeighted(luma, 1, cv2.GaussianBlur(luma, (side, side), 8, borderType=REFLECT), -1, 0)
        cv2.add(image, cv2.merge((change, change, change)), dtype=cv2.CV_8U)

    def guided(of, radius):
        for _ in range(4):
            cv2.blur(of, (2 * radius + 1, 2 * radius + 1), borderType=REFLECT)

    def hdr():
        to_light()
        np.log2(cv2.transform(light, to_grey))
        guided(plane, overdone._HDR_RADIUS)
        np.exp2(plane)
        to_pixels()

    def vivid():
        np.cbrt(cv2.transform(to_light(), matrix))
        for _ in range(2):
            cv2.transform(light, matrix)
        to_pixels()

    def banding():
        real = image.astype(np.float32)
        guided(real, overdone._BAND_RADIUS)
        cv2.blur(real, (5, 5), borderType=REFLECT)
        cv2.convertScaleAbs(np.rint(light))

    def enlarged(how, strength):
        size = (round(width / strength), round(height / strength))
        return lambda: enlarge(np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)), how)

    def alias(strength):
        few = np.ascontiguousarray(image[: round(height / strength), : round(width / strength)])
        y, x = np.mgrid[:height, :width].astype(np.float32) / np.float32(strength)
        return lambda: cv2.remap(few, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def moire():
        cv2.GaussianBlur(image, (5, 5), 0.5, borderType=REFLECT)
        for of in (np.cos, np.sin, np.cos, np.rint, np.rint):
            of(plane)
        for _ in range(3):
            cv2.scaleAdd(cv2.addWeighted(plane, 0.5, plane, 0.5, 0), 0.3, plane)
        cv2.merge([plane] * 3)
        to_light()
        cv2.multiply(light, light)
        to_pixels()

    def always(call):
        return lambda strength: call

    ways = {"UPNEAR": cv2.INTER_NEAREST_EXACT, "UPLIN": cv2.INTER_LINEAR, "UPCUBIC": cv2.INTER_CUBIC}
    return {
        "HAZE": always(haze),
        "SUBJECT": subject,
        "DEFOCUS": lambda strength: through(disk_kernel(strength)),
        "MISFOCUS": misfocus,
        "SHAKE": lambda strength: through(motion.shake_kernel(strength, motion.shake_path(np.random.default_rng(0)))),
        "GLARE": always(glare),
        "FLARE": always(flare),
        "VIGN": always(lambda: (to_light(), scale(), to_pixels())),
        **dict.fromkeys(("OVER", "UNDER", "FLAT", "CRUSH"), always(lambda: cv2.LUT(image, bytes_of))),
        "LOWLIGHT": always(sensor),
        "LOWLIGHT-DN": always(denoised),
        **dict.fromkeys(
            ("WARM", "COOL", "GREEN", "MAGENTA"), always(lambda: (cv2.transform(to_light(), matrix), to_pixels()))
        ),
        "SMOOTH": smooth,
        "HALO": always(halo),
        "HDR": always(hdr),
        "VIVID": always(vivid),
        "BANDING": always(banding),
        **{name: partial(enlarged, how) for name, how in {**ways, "UPLANC": cv2.INTER_LANCZOS4}.items()},
        "ALIAS": alias,
        "MOIRE": always(moire),
    }


def codecs(image: np.ndarray) -> Floors:
    height, width = image.shape[:2]
    planes = ours._to_planes(image)

    def pillow(kind, times=1, **options):
        def call(quality):
            for _ in range(times):
                buffer = io.BytesIO()
                Image.fromarray(image).save(buffer, kind, quality=quality, **options)
                np.array(Image.open(buffer))

        return lambda quality: partial(call, quality)

    def jxl(quality):
        import pillow_jxl

        form = {"lossless": False, "decoding_speed": 0, "use_container": False, "use_original_profile": False}

        def call():
            encoder = pillow_jxl.Encoder(mode="RGB", quality=float(quality), effort=5, num_threads=0, **form)
            pillow_jxl.Decoder(num_threads=0)(encoder(image.tobytes(), width, height, jpeg_encode=False))

        return call

    def heic(quality):
        import pillow_heif

        settings = {"preset": "superfast", **{f"x265:{name}": value for name, value in ours._X265.items()}}
        form = {"quality": quality, "chroma": 420, "enc_params": settings}

        def call():
            buffer = io.BytesIO()
            pillow_heif.encode("RGB", (width, height), image.tobytes(), buffer, **form)
            np.array(pillow_heif.open_heif(buffer))

        return call

    def video(library, codec, settings):
        def prepare(crf):
            import av

            def call():
                encoder = av.CodecContext.create(library, "w")
                encoder.width, encoder.height = width, height
                encoder.pix_fmt, encoder.time_base, encoder.thread_count = "yuv420p", Fraction(1, 25), 1
                encoder.options = {"crf": f"{crf:g}", **settings}
                frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
                data = b"".join(bytes(packet) for step in (frame, None) for packet in encoder.encode(step))
                decoder = av.CodecContext.create(codec, "r")
                decoder.thread_count = 1
                return decoder.decode(av.Packet(data)) + decoder.decode(None)

            return call

        return prepare

    x265 = ours._joined({**ours._X265, "log-level": "none"})
    avif = {"speed": 8, "codec": "aom", "subsampling": "4:2:0", "max_threads": 1, "autotiling": False}
    return {
        "JPEG420": pillow("JPEG", subsampling=2),
        "JPEG444": pillow("JPEG", subsampling=0),
        "JPEG2X": pillow("JPEG", times=2, subsampling=2),
        "WEBP": pillow("WEBP", method=4),
        "AVIF": pillow("AVIF", **avif),
        "JXL": jxl,
        "HEIC": heic,
        "H264": video("libx264", "h264", {"preset": "medium", "x264-params": ours._joined(ours._X264)}),
        "HEVC": video("libx265", "hevc", {"preset": "superfast", "x265-params": x265}),
    }
