"""Make a ranked set from pristine photos, with several workers; what was interrupted goes on.

The unit of work is one photo with all its types and levels. Workers write the images; the parent alone
writes rows: to a journal as photos are finished, and at the end, sorted, to the manifest. Each image draws
from a seed of its own, so order and number of workers leave no trace in the set.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rankiqa.distortions import DISTORTIONS
from rankiqa.distortions.levels import TID2013_PSNR
from rankiqa.distortions.psnr import strengths_for_psnr
from rankiqa.distortions.sets import Plan, number_of_levels
from rankiqa.errors import InputError, explain_os_error
from rankiqa.files import write_atomically
from rankiqa.images import builtin_photos
from rankiqa.images.listing import list_images
from rankiqa.images.photos import PRISTINE
from rankiqa.images.reading import read_image
from rankiqa.images.writing import KINDS, write_image
from rankiqa.ranks.ranked_set import (
    COLUMNS,
    DESCRIPTION,
    JOURNAL,
    MANIFEST,
    RankedSet,
    format_rows,
    image_seed,
    parse_rows,
    temporary_files,
)
from rankiqa.seeding import derive_seed
from rankiqa.version import __version__

FORMAT_VERSION = 2
MIN_SIDE = 224  # pixels: the smallest crop of the paper's networks
KEPT = "what was made is kept, and the same command goes on"

Row = dict[str, Any]
Job = tuple[str, int]  # distortion, level


@dataclass(frozen=True)
class Source:
    """Pristine photos: a folder, paths of photos in it, and what `set.json` says about them."""

    folder: Path
    references: tuple[str, ...]
    description: Mapping[str, Any]

    @classmethod
    def find(
        cls,
        folder: str | Path | None = None,
        per_folder: int | None = None,
        limit: int | None = None,
        seed: int = 0,
    ) -> Source:
        """The photos in `folder`, at any depth, or those of `builtin_photos`.

        `per_folder` takes so many of each folder that holds photos, and `limit` so many of those. The choice
        depends on the seed and the paths, and a smaller one is a part of a larger one.
        """
        if folder is None:
            root, found = builtin_photos.folder(), list(builtin_photos.PHOTOS)
            name = "the photos of scikit-image"
        else:
            root, found = Path(folder), list_images(folder)
            name = str(root.resolve())
        chosen = sorted(found, key=lambda path: derive_seed(seed, "sample", path))
        if per_folder is not None:
            groups: dict[str, list[str]] = {}
            for path in chosen:
                groups.setdefault(path.rpartition("/")[0], []).append(path)
            kept = {path for group in groups.values() for path in group[:per_folder]}
            chosen = [path for path in chosen if path in kept]
        return cls(root, tuple(sorted(chosen[:limit])), {"photos": name, "per_folder": per_folder, "limit": limit})


@dataclass(frozen=True)
class Summary:
    """Numbers of images made and kept, and the photos left out, each with the reason."""

    made: int
    kept: int
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class _Work:
    """What a worker needs for any photo; goes to the worker processes."""

    source: Path
    out: Path
    seed: int
    kind: str
    min_side: int
    convert: bool
    strengths: Plan = field(default_factory=dict)


def output_name(reference: str, kind: str) -> str:
    """The path of a photo's images in each folder of the set: the reference, ending in the format's suffix.

    >>> output_name("street/a.jpg", "png"), output_name("street/a.png", "png")
    ('street/a.jpg.png', 'street/a.png')
    """
    return reference if reference.lower().endswith(f".{kind}") else f"{reference}.{kind}"


def make_ranked_set(
    source: Source,
    out: str | Path,
    strengths: Plan,
    *,
    seed: int = 0,
    kind: str = "png",
    min_side: int = MIN_SIDE,
    convert: bool = False,
    strict: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
) -> Summary:
    """Make the set in `out`, or what is missing of it. The same arguments give the same bytes.

    `strengths` come from `rankiqa.distortions.plan`. Photos that cannot be used are left out with a line on stderr;
    `strict` raises for the first. The work is done by `workers` processes, or by the workers of the dask scheduler at
    the address `scheduler`, which must find photos and `out` at the same paths.

    Raises:
    ------
    InputError
        `out` holds a set made otherwise (nothing is touched), no photo can be used, two photos would have
        the same name, a file cannot be written or the workers are lost (what was made is kept).
    """
    from tqdm import tqdm

    from rankiqa import parallel

    out = Path(out)
    if kind not in KINDS:
        raise InputError(f"unknown format {kind!r}; known: {', '.join(KINDS)}")
    _check_places(source, out)
    _check_names(source.references, kind)
    is_new = _describe(out, seed, kind, strengths, source)

    # Workers elsewhere do not share this process's working folder.
    work = _Work(source.folder.resolve(), out.resolve(), seed, kind, min_side, convert, strengths)
    jobs = [
        (PRISTINE, 0),
        *((name, level) for name, of_type in strengths.items() for level in range(1, number_of_levels(of_type) + 1)),
    ]
    rows = _finished_rows(out)
    missing = {reference: _missing(reference, jobs, rows, out) for reference in source.references}
    missing = {reference: wanted for reference, wanted in missing.items() if wanted}
    kept, made, skipped = len(source.references) * len(jobs) - sum(map(len, missing.values())), 0, []

    def refuse(reason: str) -> None:
        if strict:
            raise InputError(reason)
        tqdm.write(f"warning: left out {reason}", file=sys.stderr)
        skipped.append(reason)

    threads = cv2.getNumThreads()
    try:
        tasks = ((work, reference, wanted) for reference, wanted in missing.items())
        results = parallel.run(_make_one, tasks, workers, scheduler)
        total = sum(map(len, missing.values()))
        with tqdm(total=total, unit="image", desc="making", mininterval=1) as bar:
            for reference, new, reason in results:
                if reason:
                    refuse(reason)
                else:
                    _append(out / JOURNAL, new)
                    rows.update({_key(row): row for row in new})
                    made += len(new)
                bar.update(len(missing[reference]))
    except InputError as error:
        raise InputError(f"{error}; {KEPT}" if rows else str(error)) from error
    finally:
        cv2.setNumThreads(threads)  # a single worker runs in this process
        if not rows and is_new:
            (out / DESCRIPTION).unlink(missing_ok=True)
    if not rows:
        raise InputError(f"{source.folder}: none of its {len(source.references)} images can be used")
    _finish(out, rows, jobs)
    return Summary(made, kept, tuple(skipped))


def _check_places(source: Source, out: Path) -> None:
    photos, place = source.folder.resolve(), out.resolve()
    if place.exists() and not place.is_dir():
        raise InputError(f"{out}: is a file; name a folder (--out)")
    if photos == place or photos in place.parents or place in photos.parents:
        raise InputError(f"{out}: overlaps the photos' folder {source.folder}; choose another place (--out)")


def _check_names(references: Iterable[str], kind: str) -> None:
    taken: dict[str, str] = {}
    for reference in references:
        name = output_name(reference, kind)
        if name in taken:
            raise InputError(f"{taken[name]} and {reference} would both become {name}; rename one of them")
        taken[name] = reference


def _versions(names: Iterable[str]) -> dict[str, str]:
    """Of everything that may change a pixel."""
    import importlib.metadata

    import PIL
    import scipy
    from PIL import features

    extras = sorted({extra for name in names if (extra := DISTORTIONS[name].extra)})
    return {
        "rankiqa": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "Pillow": PIL.__version__,
        "OpenCV": cv2.__version__,
        "libjpeg": features.version("libjpeg_turbo") or features.version("jpg") or "unknown",
        "OpenJPEG": features.version("jpg_2000") or "unknown",
        **{extra: importlib.metadata.version(extra) for extra in extras},
    }


def _describe(out: Path, seed: int, kind: str, strengths: Plan, source: Source) -> bool:
    """Write `set.json`, or compare with the one that is there; True if it is new."""
    file = out / DESCRIPTION
    wanted = {
        "format_version": FORMAT_VERSION,
        "seed": seed,
        "format": kind,
        "distortions": {
            name: {"psnr": list(TID2013_PSNR)} if values is None else list(values) for name, values in strengths.items()
        },
        "source": dict(source.description),
        "versions": _versions(strengths),
    }
    if not file.exists():
        if (out / MANIFEST).exists() or (out / JOURNAL).exists():
            raise InputError(f"{file}: is missing beside a manifest; put it back or choose another --out")
        write_atomically(file, (json.dumps(wanted, indent=2) + "\n").encode())
        return True
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        made_by = found["format_version"]
        if made_by == FORMAT_VERSION:
            there = {key: found[key] for key in wanted}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: cannot be read ({error!r}); choose another --out") from error
    if made_by != FORMAT_VERSION:
        raise InputError(
            f"{file}: begun by another version of rankiqa (set format {made_by}, now {FORMAT_VERSION}); "
            "finish it with that version, or choose another --out"
        )
    for key, value in wanted.items():
        if key == "versions" or there[key] == value:
            continue
        raise InputError(
            f"{file}: made with another {key.replace('_', ' ')} ({json.dumps(there[key])}, "
            f"now {json.dumps(value)}); choose another --out, or give what the set was made with"
        )
    for name, version in wanted["versions"].items():
        if there["versions"].get(name) != version:
            print(
                f"warning: {file}: made with {name} {there['versions'].get(name)}, goes on with {version}: "
                "new images may differ in single pixels from what the old version makes",
                file=sys.stderr,
            )
    return False


def _finished_rows(out: Path) -> dict[tuple[str, str, int], Row]:
    """The rows of manifest and journal; a last line of the journal that was not finished is cut off."""
    tables = []
    if (out / MANIFEST).exists():
        tables.append(RankedSet.read(out).table)
    journal = out / JOURNAL
    if journal.exists():
        data = journal.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            write_atomically(journal, whole)
        if whole:
            try:
                tables.append(parse_rows(whole.decode(), header=False))
            except ValueError as error:
                raise InputError(f"{journal}: {error}; remove it to make these images anew") from error
    rows = {}
    for table in tables:
        for row in table.to_dict("records"):
            if row["level"] == 0:
                row["strength"] = row["seed"] = None
            rows[_key(row)] = row
    return rows


def _key(row: Mapping[str, Any]) -> tuple[str, str, int]:
    return row["reference"], row["distortion"], row["level"]


def _missing(reference: str, jobs: Sequence[Job], rows: Mapping[Any, Row], out: Path) -> list[Job]:
    return [job for job in jobs if not ((row := rows.get((reference, *job))) and (out / row["path"]).is_file())]


def _append(journal: Path, rows: Sequence[Row]) -> None:
    try:
        with open(journal, "a", encoding="utf-8", newline="") as file:
            file.write(format_rows(rows, header=False))
    except OSError as error:
        raise explain_os_error(error, journal) from error


def _make_one(work: _Work, reference: str, jobs: Sequence[Job]) -> tuple[str, list[Row], str | None]:
    """Write the images of one photo; returns (reference, rows, None) or (reference, [], why not)."""
    cv2.setNumThreads(1)  # the workers share the cores already
    if not reference.isprintable():
        return reference, [], f"{reference!r}: its name has characters that text files cannot hold; rename it"
    try:
        image = read_image(work.source / reference, work.convert)
        height, width = image.shape[:2]
        if min(height, width) < work.min_side:
            raise InputError(
                f"{work.source / reference}: {width}×{height} pixels are too small, the shorter side must "
                f"have {work.min_side} (--min-side)"
            )
    except InputError as error:
        return reference, [], str(error)
    rows = []
    name = output_name(reference, work.kind)
    strengths = dict(work.strengths)
    for distortion, level in jobs:
        if distortion == PRISTINE:
            path, strength, seed, made = f"{PRISTINE}/{name}", None, None, image
        else:
            if strengths[distortion] is None:
                seed = image_seed(work.seed, reference, distortion, 1)
                strengths[distortion] = strengths_for_psnr(DISTORTIONS[distortion], image, seed)
            path, strength = f"{distortion}/{level}/{name}", strengths[distortion][level - 1]
            seed = image_seed(work.seed, reference, distortion, level)
            made = DISTORTIONS[distortion](image, strength, np.random.default_rng(seed))
        sha256 = write_image(work.out / path, made, work.kind)
        values = (path, reference, distortion, level, strength, seed, sha256)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return reference, rows, None


def _finish(out: Path, rows: Mapping[Any, Row], jobs: Sequence[Job]) -> None:
    order = {distortion: position for position, (distortion, _) in enumerate(jobs)}
    text = format_rows(
        sorted(rows.values(), key=lambda row: (row["reference"], order[row["distortion"]], row["level"]))
    )
    manifest = out / MANIFEST
    if not manifest.exists() or manifest.read_text(encoding="utf-8") != text:
        write_atomically(manifest, text.encode())
    (out / JOURNAL).unlink(missing_ok=True)
    for file in temporary_files(out):
        file.unlink(missing_ok=True)
