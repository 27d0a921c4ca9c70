"""Five colour photographs that come with scikit-image: enough to try everything without a download.

Of the other colour pictures in its wheel, `motorcycle_right` shows the scene of `motorcycle_left`,
`hubble_deep_field` is a composite of telescope exposures, `retina` and `ihc` are medical, and `color`,
`logo`, `horse`, `phantom` and `chessboard_RGB` are drawings or charts. The rest is grey or tiny.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from rankiqa.errors import InputError

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
HELD_OUT = ("coffee.png", "rocket.jpg")  # for validation


def folder() -> Path:
    """Where the photographs lie; `InputError` if the installed scikit-image lacks one."""
    import skimage

    place = Path(skimage.__file__).parent / "data"
    for name in PHOTOS:
        if not (place / name).is_file():
            raise InputError(
                f"scikit-image {version('scikit-image')} lacks this photo of its own",
                path=place / name,
                cure="install it anew from its wheel, or name a folder of photos",
                options=("pristine",),
            )
    return place
