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
from rankiqa.distortions.chains import CHAINS, chained_codecs, drawn
from rankiqa.distortions.levels import TID2013_PSNR
from rankiqa.distortions.psnr import strengths_for_psnr
from rankiqa.distortions.sets import Strengths, number_of_levels
from rankiqa.errors import InputError, explain_os_error
from rankiqa.files import TEMPORARY, write_atomically
from rankiqa.images.photos import PRISTINE
from rankiqa.images.reading import read_image
from rankiqa.images.writing import KINDS, write_image
from rankiqa.judge import Judge
from rankiqa.ranks.judging import describe_judge, judge_rows
from rankiqa.ranks.manifest import JOURNAL, MANIFEST, MANIFEST_COLUMNS, RECIPE, format_rows, parse_rows, read_manifest
from rankiqa.ranks.pristine_photos import PristinePhotos
from rankiqa.ranks.ranked_set import image_seed
from rankiqa.version import versions

DESCRIPTION = "set.json"
FORMAT_VERSION = 2
MIN_SIDE = 224  # pixels: the smallest crop of the paper's networks
KEPT = "what was made is kept, and the same command goes on"

Row = dict[str, Any]
Job = tuple[str, int]  # distortion, level


@dataclass(frozen=True)
class Summary:
    """What was done.

    Attributes:
        made: Number of images made.
        kept: Number of images that were there already.
        skipped: Of each photo left out, what is wrong with it.
        judged: Number of images that the judge was asked about now.
    """

    made: int
    kept: int
    skipped: tuple[InputError, ...]
    judged: int = 0


@dataclass(frozen=True)
class _Work:
    """What a worker needs for any photo; goes to the worker processes."""

    photos: Path
    out: Path
    seed: int
    kind: str
    min_side: int
    convert: bool
    icc: str
    strengths: Strengths = field(default_factory=dict)


def output_name(reference: str, kind: str) -> str:
    """The path of a photo's images in each folder of the set: the reference, ending in the format's suffix.

    >>> output_name("street/a.jpg", "png"), output_name("street/a.png", "png")
    ('street/a.jpg.png', 'street/a.png')
    """
    return reference if reference.lower().endswith(f".{kind}") else f"{reference}.{kind}"


def make_ranked_set(
    photos: PristinePhotos,
    out: str | Path,
    strengths: Strengths,
    *,
    seed: int = 0,
    kind: str = "png",
    min_side: int = MIN_SIDE,
    convert: bool = False,
    strict: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    judge: Judge | None = None,
) -> Summary:
    """Make the set in `out`, or what is missing of it. The same arguments give the same bytes.

    Args:
        photos: what is distorted; those that cannot be used are left out with a line on stderr.
        out: folder of the set.
        strengths: of `rankiqa.distortions.plan`.
        seed: of the noise.
        kind: format of the images made, "png" or "bmp".
        min_side: photos with a shorter side, in pixels, are left out.
        convert: take greyscale, transparent, CMYK and 16-bit photos too, as `read_image` does.
        strict: raise for the first photo that cannot be used.
        workers: processes of this machine.
        scheduler: address of a dask scheduler, whose workers do it in place of `workers`; they must find photos and
            `out` at the same paths.
        judge: also says of every image of the set how good it is beside its pristine one, a column of the manifest a
            metric; of a set that is there already, of what was not judged yet.

    Raises:
        InputError: `out` holds a set made otherwise (nothing is touched), no photo can be used, two photos would have
            the same name, a file cannot be written or the workers are lost (what was made is kept), or the judge misses
            an image.
        MissingExtra: there is a `scheduler`, and dask is not installed; or there is a judge, and piq is not.
    """
    from tqdm import tqdm

    from rankiqa import parallel

    out = Path(out)
    if judge is not None:
        judge.need()
    if kind not in KINDS:
        raise InputError(f"unknown format {kind!r}; known: {', '.join(KINDS)}")
    _check_places(photos.folder, out)
    _check_names(photos.references, kind)
    is_new = _describe(out, seed, kind, strengths, photos.description)

    # Workers elsewhere do not share this process's working folder.
    work = _Work(photos.folder.resolve(), out.resolve(), seed, kind, min_side, convert, photos.icc, strengths)
    jobs = [
        (PRISTINE, 0),
        *((name, level) for name, of_type in strengths.items() for level in range(1, number_of_levels(of_type) + 1)),
    ]
    rows = _finished_rows(out)
    missing = {reference: _missing(reference, jobs, rows, out) for reference in photos.references}
    missing = {reference: wanted for reference, wanted in missing.items() if wanted}
    kept, made, judged = len(photos.references) * len(jobs) - sum(map(len, missing.values())), 0, 0
    skipped: list[InputError] = []

    def refuse(error: InputError) -> None:
        if strict:
            raise error
        tqdm.write(f"warning: left out {error}", file=sys.stderr)
        skipped.append(error)

    threads = cv2.getNumThreads()
    try:
        tasks = ((work, reference, wanted) for reference, wanted in missing.items())
        results = parallel.run(_make_one, tasks, workers, scheduler)
        total = sum(map(len, missing.values()))
        with tqdm(total=total, unit="image", desc="making", mininterval=1) as bar:
            for reference, new, error in results:
                if error:
                    refuse(error)
                else:
                    _append(out / JOURNAL, new)
                    rows.update({_key(row): row for row in new})
                    made += len(new)
                bar.update(len(missing[reference]))
        if judge is not None and rows:
            for new in judge_rows(out, rows.copy(), judge, workers, scheduler):
                _append(out / JOURNAL, new)
                rows.update({_key(row): row for row in new})
                judged += len(new)
            describe_judge(out / DESCRIPTION, judge)
    except InputError as error:
        if not rows:
            raise
        raise error.but(cure="; ".join(filter(None, (error.cure, KEPT)))) from error
    finally:
        cv2.setNumThreads(threads)  # a single worker runs in this process
        if not rows and is_new:
            (out / DESCRIPTION).unlink(missing_ok=True)
    if not rows:
        raise InputError(f"none of its {len(photos.references)} images can be used", path=photos.folder)
    _finish(out, rows, jobs)
    return Summary(made, kept, tuple(skipped), judged)


def _check_places(folder: Path, out: Path) -> None:
    photos, place = folder.resolve(), out.resolve()
    if place.exists() and not place.is_dir():
        raise InputError("is a file", path=out, cure="name a folder", options=("out",))
    if photos == place or photos in place.parents or place in photos.parents:
        why = f"overlaps the photos' folder {folder}"
        raise InputError(why, path=out, cure="choose another place", options=("out",))


def _check_names(references: Iterable[str], kind: str) -> None:
    taken: dict[str, str] = {}
    for reference in references:
        name = output_name(reference, kind)
        if name in taken:
            why = f"{taken[name]} and {reference} would both become {name}"
            raise InputError(why, cure="rename one of them")
        taken[name] = reference


def _versions(names: Iterable[str]) -> dict[str, str]:
    """Of everything that may change a pixel."""
    from PIL import features

    known = [DISTORTIONS[name] for name in (*names, *chained_codecs(names))]
    encoders = {d.name: d.recipe(d.limits[0], 0) for d in known if d.recipe and d.stage == "saving"}
    return {
        **versions(("numpy", "scipy", "Pillow")),
        "OpenCV": cv2.__version__,  # several packages bring it
        "libjpeg": features.version("libjpeg_turbo") or features.version("jpg") or "unknown",
        "OpenJPEG": features.version("jpg_2000") or "unknown",
        **versions(sorted({d.extra for d in known if d.extra and not d.recipe})),
        **encoders,
        **({"chains": drawn()} if not set(CHAINS).isdisjoint(names) else {}),
    }


def _describe(out: Path, seed: int, kind: str, strengths: Strengths, source: Mapping[str, Any]) -> bool:
    """Write `set.json`, or compare with the one that is there; True if it is new."""
    file = out / DESCRIPTION
    now = _versions(strengths)
    wanted = {
        "format_version": FORMAT_VERSION,
        "seed": seed,
        "format": kind,
        "distortions": {
            name: {"psnr": list(TID2013_PSNR)} if values is None else list(values) for name, values in strengths.items()
        },
        "source": dict(source),
        "versions": now,
    }
    if not file.exists():
        if (out / MANIFEST).exists() or (out / JOURNAL).exists():
            cure = "put it back or choose another place"
            raise InputError("is missing beside a manifest", path=file, cure=cure, options=("out",))
        write_atomically(file, (json.dumps(wanted, indent=2) + "\n").encode())
        return True
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        made_by = found["format_version"]
        if made_by == FORMAT_VERSION:
            there = {key: found[key] for key in wanted}
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"cannot be read ({error!r})"
        raise InputError(why, path=file, cure="choose another place", options=("out",)) from error
    if made_by != FORMAT_VERSION:
        raise InputError(
            f"begun by another version of rankiqa (set format {made_by}, now {FORMAT_VERSION})",
            path=file,
            cure="finish it with that version, or choose another place",
            options=("out",),
        )
    for key, value in wanted.items():
        if key == "versions" or there[key] == value:
            continue
        raise InputError(
            f"made with another {key.replace('_', ' ')} ({json.dumps(there[key])}, now {json.dumps(value)})",
            path=file,
            cure="give what the set was made with, or choose another place",
            options=("out",),
        )
    for name, version in now.items():
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
        tables.append(read_manifest(out))
    journal = out / JOURNAL
    anew = "remove it to make these images anew"
    if journal.exists():
        data = journal.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            write_atomically(journal, whole)
        if whole:
            try:
                tables.append(parse_rows(whole.decode(), header=False))
            except InputError as error:
                raise error.but(path=journal, cure=anew) from error
            except UnicodeDecodeError as error:
                raise InputError(str(error), path=journal, cure=anew) from error
    rows: dict[tuple[str, str, int], Row] = {}
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


def _make_one(work: _Work, reference: str, jobs: Sequence[Job]) -> tuple[str, list[Row], InputError | None]:
    """Write the images of one photo; returns (reference, rows, None) or (reference, [], why not)."""
    cv2.setNumThreads(1)  # the workers share the cores already
    photo = work.photos / reference
    if not reference.isprintable():
        why = "its name has characters that text files cannot hold"
        return reference, [], InputError(why, path=photo, cure="rename it")
    try:
        image = read_image(photo, work.convert, icc=work.icc)
    except InputError as error:
        return reference, [], error
    height, width = image.shape[:2]
    if min(height, width) < work.min_side:
        why = f"{width}×{height} pixels are too small, the shorter side must have {work.min_side}"
        return reference, [], InputError(why, path=photo, options=("min_side",))
    rows: list[Row] = []
    name = output_name(reference, work.kind)
    strengths = dict(work.strengths)
    for distortion, level in jobs:
        if distortion == PRISTINE:
            path, strength, seed, made, recipe = f"{PRISTINE}/{name}", None, None, image, ""
        else:
            path, seed = f"{distortion}/{level}/{name}", image_seed(work.seed, reference, distortion, level)
            kind = DISTORTIONS[distortion]
            try:
                of_type = strengths[distortion]
                if of_type is None:
                    of_type = strengths_for_psnr(kind, image, image_seed(work.seed, reference, distortion, 1))
                    strengths[distortion] = of_type
                strength = of_type[level - 1]
                made = kind(image, strength, np.random.default_rng(seed))
            except InputError as error:  # a codec cannot hold so long a side, or fails
                for row in rows:  # which no manifest will list
                    (work.out / row["path"]).unlink(missing_ok=True)
                return reference, [], error.at(photo)
            recipe = kind.recipe(strength, seed) if kind.recipe else ""
        sha256 = write_image(work.out / path, made, work.kind)
        values = (path, reference, distortion, level, strength, seed, sha256)
        rows.append({**dict(zip(MANIFEST_COLUMNS, values, strict=True)), RECIPE: recipe})
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
    for file in out.rglob("*".join(TEMPORARY)):  # of a process that was killed
        file.unlink(missing_ok=True)
