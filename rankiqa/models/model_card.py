"""The README.md of a model: what it is, how it was made, what its scores mean. It tells what config.json tells."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rankiqa.images.crops import LEAST_SIDE, MOST_SIDE
from rankiqa.models.reference import Reference

TASK = "image-classification"  # the nearest of the hub's tasks; it has none for a single number
_STAGES = {
    "rank": "learned to rank: the order of photos that were distorted more and more, without any human score",
    "joint": "learned at once the order of photos that were distorted more and more, and what people say of images",
    "tune": "tuned on people's votes, which of two photos is better",
    "finetune": "fine-tuned on the scores that people gave to images",
    "nima": "trained as a NIMA, on the distribution of people's votes from 1 to 10",
    "siamese_nima": "a NIMA, sharpened on pairs of images whose human scores differ",
}
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_WORDS = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")  # what YAML reads as no text
_MOST = 300  # characters of a text from elsewhere


def model_card(
    settings: Mapping[str, Any],
    reference: Reference | None = None,
    *,
    repo_id: str | None = None,
    folder: str | None = None,
    license: str | None = None,
    license_name: str | None = None,
    license_link: str | None = None,
    tags: Sequence[str] = (),
    written: Mapping[str, str] | None = None,
) -> str:
    """The text of a model's README.md: metadata in YAML, then Markdown.

    Args:
        settings: the content of the model's config.json. What it does not tell is left out.
        reference: the scores of known images that are kept with the model.
        repo_id: OWNER/NAME on the Hugging Face hub, for the lines that show how to use it.
        folder: of this machine, for these lines where there is no `repo_id`.
        license: as the hub takes it, such as "mit"; None: none is named.
        license_name: of a license that the hub does not know, whose `license` is "other".
        license_link: where its text stands.
        tags: further ones.
        written: title → Markdown, in place of what the card says under that title, or, of a title that it does not
            have, before what a score means.

    >>> print(model_card({"architecture": {"name": "shallow"}, "preprocessing": {"crop": 224}})[:25])
    ---
    library_name: rankiqa
    """
    network = settings["architecture"]["name"]
    votes = bool(settings["architecture"].get("votes"))
    metadata = {
        "library_name": "rankiqa",
        "pipeline_tag": TASK,
        "license": license and _line(license),
        "license_name": license_name and _line(license_name),
        "license_link": license_link and _line(license_link),
        "tags": [
            *dict.fromkeys(
                ["image-quality-assessment", "no-reference", "nima" if votes else "rankiqa", *map(_line, tags)]
            )
        ],
        "metrics": ["spearmanr", "pearsonr"],
    }
    front = _yaml({key: value for key, value in metadata.items() if value})
    sections = {
        f"{'NIMA' if votes else 'RankIQA'}: {_code(network)}": _what(settings, votes),
        "Use": _use(repo_id or folder or "OWNER/NAME", local=not repo_id and folder is not None),
        "Training": _training(settings),
        "What a score means": _meaning(settings, reference, votes),
        "What it cannot judge": _limits(settings, votes),
        "Files": _files(settings),
    }
    sections = _with(sections, written or {})
    marks = ["#", *["##"] * (len(sections) - 1)]
    texts = (f"{mark} {title}\n\n{text}\n" for mark, (title, text) in zip(marks, sections.items(), strict=True))
    return f"---\n{front}---\n\n" + "\n".join(texts)


def _with(sections: dict[str, str], written: Mapping[str, str]) -> dict[str, str]:
    """The sections in their order, with those that were written by hand."""
    found: dict[str, str] = {}
    for title, text in sections.items():
        if title == "What a score means":
            found |= {other: text for other, text in written.items() if other not in sections}
        found[title] = written.get(title, text)
    return found


def _yaml(metadata: Mapping[str, Any]) -> str:
    r"""Texts and lists of texts as YAML: saving a model needs no package for that.

    >>> print(_yaml({"license": "mit", "tags": ["photos", "no", 'say "cheese"']}), end="")
    license: mit
    tags:
    - photos
    - "no"
    - "say \"cheese\""
    """
    lines = []
    for key, value in metadata.items():
        if isinstance(value, str):
            lines.append(f"{key}: {_scalar(value)}")
        else:
            lines += [f"{key}:", *(f"- {_scalar(text)}" for text in value)]
    return "".join(f"{line}\n" for line in lines)


def _scalar(text: str) -> str:
    """A text in YAML: as it stands where it can be nothing else, in double quotes otherwise."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    signs = (f"\\U{ord(c):08x}" if not c.isprintable() else f"\\{c}" if c in '"\\' else c for c in text)
    return f'"{"".join(signs)}"'


def _sees_all(settings: Mapping[str, Any]) -> bool:
    """Whether the network ends in statistics of its stages, and so takes images as they are."""
    return _mapping(settings["architecture"].get("head")).get("kind") == "statistics"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _line(text: Any) -> str:
    return " ".join(str(text).split())


def _code(text: Any, most: int = _MOST) -> str:
    """A text from elsewhere as a code span, in which nothing is Markdown or HTML."""
    plain = "".join(c for c in _line(text) if c.isprintable()).replace("`", "'")
    return f"`{plain[:most]}`" if plain else "`?`"


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else _code(value)


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _what(settings: Mapping[str, Any], votes: bool) -> str:
    steps, crop = settings["preprocessing"], settings["preprocessing"]["crop"]
    gives = "the distribution of votes from 1 to 10 that people would give it, and its mean" if votes else "one number"
    side = f"{_number(crop)}×{_number(crop)} pixels"
    sees = (
        f"the whole image, resized to {side} whatever its shape"
        if votes
        else f"the whole image at its own size; one with a longer side above {MOST_SIDE:,} pixels is reduced to that"
        if _sees_all(settings)
        else f"crops of {side} at their native size, never resized; the score of an image is their mean"
    )
    lines = [
        f"Architecture: {_code(settings['architecture']['name'])}, with {gives} as its output.",
        f"It sees {sees}.",
    ]
    if {"channels", "scale", "mean", "std"} <= set(steps):
        mean, std = (", ".join(map(_number, steps[key])) for key in ("mean", "std"))
        lines.append(
            f"Input: {_code(str(steps['channels']).upper())} from 0 to {_number(steps['scale'])}, minus {mean}, "
            f"divided by {std}. rankiqa does this by itself."
        )
    return (
        "A network that judges the quality of photos without a reference. **A higher score is better.**\n\n"
        f"{_list(lines)}"
    )


def _use(name: str, local: bool) -> str:
    # A name of the hub has no character that could leave the quotes, and a folder's is quoted, but none may end the
    # block of code; another text is not taken over.
    allowed = name.isprintable() and "`" not in name if local else all(c.isalnum() or c in "-_./" for c in name)
    name = name if allowed else "OWNER/NAME"
    quoted = json.dumps(name, ensure_ascii=False)
    return (
        f'```python\nimport rankiqa\n\nmodel = rankiqa.load({quoted})\nprint(model.score("photo.jpg"))\n```\n\n'
        f"```bash\nrankiqa score photo.jpg --model {shlex.quote(name)}\n```"
    )


def _training(settings: Mapping[str, Any]) -> str:
    made = _mapping(settings.get("provenance"))
    data = _mapping(_mapping(made.get("settings")).get("data"))
    lines = []
    if stage := made.get("stage"):
        lines.append(f"Stage: {_STAGES.get(stage) or _code(stage)}.")
    if source := made.get("source"):
        lines.append(f"Imported from the file {_code(Path(str(source)).name)}.")
        lines += [f"Of the import: {_code(note)}" for note in made.get("notes") or ()]
    if photos := settings.get("training_photos") or settings.get("training_references"):
        lines.append(f"Pristine photos: {len(photos)}. Their hashes are in config.json.")
    if made.get("stage") in ("rank", "joint") and data.get("distortions"):
        lines.append(f"Distortions: {_code(data['distortions'])}, levels {_code(data.get('levels'))}.")
    tuned = _mapping(settings.get("finetuned_on"))
    for entry in [tuned, *(tuned.get("earlier") or ())] if tuned else ():
        first = entry is tuned or made.get("stage") == "joint"  # whose sets are learned side by side
        lines.append(_scores_of(entry, "Human scores" if first else "Before that, human scores"))
    if (steps := made.get("steps")) is not None:
        lines.append(f"Steps: {_number(steps)}.")
    if versions := _mapping(made.get("versions")):
        lines.append(
            "Versions: " + ", ".join(f"{_code(name)} {_code(value)}" for name, value in versions.items()) + "."
        )
    if command := made.get("command"):
        lines.append(f"Command: {_code(command, 2000)}")
    return _list(lines) if lines else "The model does not tell how it was trained."


def _scores_of(entry: Mapping[str, Any], what: str) -> str:
    many = f"{len(entry.get('paths') or ())} images"
    if votes := entry.get("votes"):
        return f"Votes: {_number(votes)}, on pairs of {many}."
    if split := entry.get("split"):
        many = f"all but the test part of its split {_code(split)}"
    text = f"{what}: data set {_code(entry.get('dataset'))}, {many}"
    if native := entry.get("native_range"):
        better = "higher" if entry.get("native_higher_is_better") else "lower"
        text += f"; its scores go from {_number(native[0])} to {_number(native[1])}, {better} is better"
    return f"{text}."


def _meaning(settings: Mapping[str, Any], reference: Reference | None, votes: bool) -> str:
    lines, bounds = [], settings.get("score_range")
    if bounds:
        lines.append(
            f"The scale of people's scores: {_number(bounds[0])} is their worst, {_number(bounds[1])} their best. "
            "`Score.unit` is the same on [0, 1]."
        )
    elif reference is not None and reference.low is not None:
        lines.append(
            f"The raw score has no unit: it orders images. `Score.unit` is 0 at {reference.low:.4g}, the strongest "
            f"distortions, and 1 at {reference.high:.4g}, pristine photos."
        )
    else:
        lines.append("The raw score has no unit: it orders images.")
    if not bounds:
        lines.append("Scores of two networks cannot be compared.")
    if reference is not None:
        low, middle, high = (reference.quantiles[percent] for percent in (5, 50, 95))
        lines.append(
            f"`Score.percentile` is its place among {reference.images} images ({_code(reference.what)}), of which the "
            f"middle one has {middle:.4g}, and nine in ten lie between {low:.4g} and {high:.4g}."
        )
    return _list(lines)


def _limits(settings: Mapping[str, Any], votes: bool) -> str:
    crop = _number(settings["preprocessing"]["crop"])
    sees = (
        [f"Fine noise and the sharpness of details: the image is shrunk to {crop}×{crop} pixels first."]
        if votes
        else [
            "What an image shows, and how it is composed, but for what of it the scores that it learned from told.",
            f"What only an enlarged part of a large image shows: it is reduced to {MOST_SIDE:,} pixels.",
            f"Images smaller than {LEAST_SIDE}×{LEAST_SIDE} pixels: they are mirrored at their borders, and the "
            "score says so.",
        ]
        if _sees_all(settings)
        else [
            "What an image shows, and how it is composed: it sees crops, and no more than one at a time.",
            f"Images smaller than {crop}×{crop} pixels as they are: they are mirrored at their borders, and the score "
            "says so.",
        ]
    )
    return _list(
        [
            *sees,
            "Images with a side below 32 pixels; they are refused.",
            "Whether a fault is meant: blur behind a portrait is blur.",
            "Kinds of images and of faults that it was not trained on.",
            "Colours outside sRGB: an embedded profile is converted to sRGB, and what it cannot hold is clipped.",
        ]
    )


def _files(settings: Mapping[str, Any]) -> str:
    half = ", in half precision" if settings.get("dtype") == "float16" else ""
    lines = [
        "`config.json`: architecture, preprocessing, training and the meaning of the scores.",
        f"`model.safetensors`: the weights{half}; no pickle, no code.",
    ]
    if digest := settings.get("weights_sha256"):
        lines.append(f"SHA-256 of the weights: {_code(digest)}")
    return _list(lines)
