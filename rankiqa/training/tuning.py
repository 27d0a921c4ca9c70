"""A model led by people's votes towards what they prefer: on statistics of its stages that are computed once."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from rankiqa.config.scores import PAIRS
from rankiqa.datasets.leakage import own_paths
from rankiqa.datasets.neighbours import content_groups
from rankiqa.datasets.pairs import Pairs
from rankiqa.errors import InputError, explain_os_error
from rankiqa.images.icc import CONVERT
from rankiqa.metrics.preferences import Agreement, right
from rankiqa.models.checkpoint import replace_folder
from rankiqa.models.linear_branch import add_linear
from rankiqa.models.parts import statistics_of
from rankiqa.models.rank_model import RankModel
from rankiqa.models.reference import Reference
from rankiqa.scoring.features import file_statistics
from rankiqa.scoring.scorer import Scorer
from rankiqa.training.preference_choice import Candidate, divide_photos, validate
from rankiqa.training.preference_fit import Features, PreferenceFit
from rankiqa.training.tuning_report import HeldOut, TuningReport
from rankiqa.version import __version__

REPORT = "tuning.json"
FOLDS = 5
REPEATS = 4  # divisions to choose by, over all votes
TRIALS = 2  # divisions to measure by; for each part of them is chosen anew, by as many divisions of the others
LEAST_VOTES, LEAST_HELD = 30, 5
DEVIATIONS = (0.25, 0.5, 1.0, 2.0)  # of a linear map, in logits


@dataclass(frozen=True)
class TuneOptions:
    """How a model is tuned.

    Attributes:
        seed: of the divisions of the photos.
        icc: what becomes of embedded colour profiles, as in `rankiqa.images.reading.read_image`.
        workers: threads that read photos while the network runs.
        what: the photos in words; None: the folder's name.
        command: the command line, for the model.
    """

    seed: int = 0
    icc: str = CONVERT
    workers: int = 2
    what: str | None = None
    command: str = ""


@dataclass(frozen=True)
class Photos:
    """What is known of the N photos that were voted on.

    Attributes:
        raw: (N,) scores of the model that is tuned, before its scale, higher is better.
        inputs: (N, D) of its head: statistics by the spread that it knows.
        share: (D,) what each of them counts, so that all stages count the same, those of few channels too.
        stage: (D,) the stage that each is of, from 0.
        group: (N,) names of what shows the same.
    """

    raw: np.ndarray
    inputs: np.ndarray
    share: np.ndarray
    stage: np.ndarray
    group: tuple[str, ...]

    @property
    def known(self) -> np.ndarray:
        """(N,) the score by its deviation over the photos."""
        return (self.raw - self.raw.mean()) / self.spread

    @property
    def spread(self) -> float:
        """The deviation of the score over the photos; 1 where it does not differ."""
        return float(self.raw.std()) or 1.0

    def candidates(self) -> list[Candidate]:
        """What may be learned, nothing first."""
        found = [Candidate("nothing, the score stays as it was")]
        for stages, of in self._halves().items():
            features = Features.of((self.inputs * self.share)[:, of])
            found += [
                Candidate(f"a linear map of the statistics of {stages}, deviation {d:g}", features, d, of)
                for d in DEVIATIONS
            ]
        return found

    def _halves(self) -> dict[str, np.ndarray]:
        """Which statistics may be mapped: colours are in the first stages, what a photo is of in the last ones."""
        stages = int(self.stage[-1]) + 1
        half = stages // 2
        every = {"all stages": np.ones(len(self.stage), bool)}
        if not half:
            return every
        first, last = f"the first {half} of {stages} stages", f"the last {stages - half} of {stages} stages"
        return every | {first: self.stage < half, last: self.stage >= half}

    def select(self, rows: np.ndarray) -> Photos:
        """Some of them."""
        return Photos(self.raw[rows], self.inputs[rows], self.share, self.stage, tuple(self.group[row] for row in rows))


@dataclass(frozen=True)
class Tuned:
    """A tuned model.

    Attributes:
        scorer: ready to score.
        report: what came of it.
    """

    scorer: Scorer
    report: TuningReport

    def save(self, out: str | Path) -> None:
        """Write the model folder: model.safetensors, config.json, README.md and tuning.json; whole, or not at all."""
        out = Path(out)
        new = out.with_name(f".{out.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        numbers = f"```\n{self.report.text()}\n```"
        try:
            card = {"folder": str(out), "written": {"By held-out votes": numbers}}
            self.scorer.save_pretrained(new, model_card_kwargs=card)
            text = json.dumps(self.report.facts(), indent=1, ensure_ascii=False, allow_nan=False)
            (new / REPORT).write_text(text + "\n", encoding="utf-8")
            replace_folder(new, out)
        except OSError as error:
            raise explain_os_error(error, out) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)


def tune(scorer: Scorer, root: str | os.PathLike[str], pairs: Pairs, options: TuneOptions | None = None) -> Tuned:
    """Tune a model on votes.

    Args:
        scorer: of a network that ends in statistics of its stages; it stays as it is.
        root: the folder of the photos.
        pairs: the votes.
        options: how.

    Raises:
        InputError: another network; votes that are too few, all ties, or on photos of one scene; a photo that cannot be
            read.
    """
    options = options or TuneOptions()
    check_votes(pairs)
    files = [Path(root) / photo for photo in pairs.photos]
    group = content_groups(files, workers=options.workers)
    check_division(pairs, group, options.seed)
    photos = look(scorer, files, group, options)
    candidates = photos.candidates()
    chosen, fit = learn(pairs, photos, candidates, options.seed)
    report = measure(scorer, pairs, photos, candidates, chosen, fit, options.seed)
    network, scores = apply(scorer.network, photos, chosen, fit)
    what = options.what or f"the photos in {Path(root).resolve().name}/ that were voted on"
    settings = _settings(scorer, pairs, group, scores, what, report, options.command)
    return Tuned(Scorer(network, settings, scorer.source), report)


def check_votes(pairs: Pairs) -> None:
    """Raise `InputError` for votes that nothing can be learned from."""
    if pairs.votes < LEAST_VOTES:
        raise InputError(
            f"holds {pairs.votes} vote{'s' * (pairs.votes != 1)}, and {LEAST_VOTES} are needed to learn from some and "
            "be measured by others",
            path=pairs.source,
        )
    if pairs.tied.all():
        raise InputError(f"all {pairs.votes} votes are ties: nothing says which photo is better", path=pairs.source)


def check_division(pairs: Pairs, group: Sequence[str], seed: int) -> None:
    """Raise `InputError` where a division of the photos leaves too few votes inside its parts."""
    scenes = len(set(group))
    if scenes < FOLDS:
        raise InputError(
            f"votes on {len(group)} photos of {scenes} scenes cannot be divided: {FOLDS} scenes are needed",
            path=pairs.source,
        )
    folds = [divide_photos(group, FOLDS, seed, repeat) for repeat in range(REPEATS)]
    held = sum(float(pairs.weight[_inside(pairs, fold)].sum()) for fold in folds)
    if held < LEAST_HELD * REPEATS:
        needed = int(np.ceil(pairs.votes * LEAST_HELD * REPEATS / max(held, 1.0)))
        raise InputError(
            f"of {pairs.votes} votes only {held / REPEATS:.1f} lie between photos that are held out together; about "
            f"{needed} votes on these {len(group)} photos are needed",
            path=pairs.source,
        )


def _inside(pairs: Pairs, fold: np.ndarray) -> np.ndarray:
    """(P,) booleans: both photos in one fold, and no tie."""
    return (fold[pairs.better] == fold[pairs.worse]) & ~pairs.tied


def look(scorer: Scorer, files: Sequence[Path], group: tuple[str, ...], options: TuneOptions) -> Photos:
    """Read the photos and let the network see each once.

    Raises:
        InputError: as `file_statistics` does.
    """
    rows = file_statistics(scorer, files, icc=options.icc, workers=options.workers)
    found = np.stack([*tqdm(rows, "look at the photos", len(files), unit="photo", disable=None, leave=False)])
    net = copy.deepcopy(statistics_of(scorer.network))
    assert net is not None  # `file_statistics` refuses others
    net.scale = None
    net = net.cpu().eval()
    statistics = torch.from_numpy(found)
    with torch.inference_mode():
        raw = net.top(statistics)[:, 0].double().numpy()
        inputs = ((statistics - net.centre) / net.spread).double().numpy()
    widths = 2 * np.array(net.channels)
    return Photos(raw, inputs, np.repeat(widths, widths) ** -0.5, np.repeat(np.arange(len(widths)), widths), group)


def learn(
    pairs: Pairs, photos: Photos, candidates: Sequence[Candidate], seed: int = 0
) -> tuple[Candidate, PreferenceFit]:
    """What is chosen of the candidates by votes that were held out, and what it learns from all of them."""
    chosen = candidates[_choose(candidates, pairs, photos, REPEATS, seed)]
    return chosen, chosen.fit(pairs, photos.known)


def _choose(candidates: Sequence[Candidate], pairs: Pairs, photos: Photos, repeats: int, seed: int) -> int:
    found = validate(candidates, pairs, photos.known, photos.group, FOLDS, repeats, seed)
    return found.choose(pairs, photos.group)


def measure(
    scorer: Scorer,
    pairs: Pairs,
    photos: Photos,
    candidates: Sequence[Candidate],
    chosen: Candidate,
    fit: PreferenceFit,
    seed: int = 0,
) -> TuningReport:
    """Choose and learn anew from the votes outside each part of the photos, and try what came of it inside."""
    after, times = np.zeros(len(pairs)), np.zeros(len(pairs))
    choices, dropped = [], []
    for trial in range(TRIALS):
        fold = divide_photos(photos.group, FOLDS, seed, trial)
        for held in range(FOLDS):
            inside = (fold[pairs.better] == held) & (fold[pairs.worse] == held)
            learned = pairs.within(fold != held)
            dropped.append(1 - inside.mean() - len(learned) / len(pairs))
            if not inside.any() or not len(learned):
                continue
            one = candidates[_choose(candidates, learned, photos, TRIALS, seed + 1 + trial)]
            scores = one.fit(learned, photos.known).scores(photos.known, one.features)
            choices.append(one.name)
            after[inside] += right(scores, pairs.better, pairs.worse)[inside]
            times[inside] += 1
    with np.errstate(invalid="ignore"):
        after = after / times
    before = np.where(times > 0, right(photos.known, pairs.better, pairs.worse), np.nan)
    return TuningReport(
        scorer.source,
        pairs.votes,
        pairs.select(pairs.tied).votes,
        len(pairs.photos),
        len(set(photos.group)),
        float(np.mean(dropped)),
        FOLDS,
        chosen.name,
        tuple(choices),
        HeldOut.of(pairs, before, after, photos.group),
        Agreement.of(pairs.shares()[0]),
        fit.slope / photos.spread,
        len(own_paths(scorer.settings.get("finetuned_on")) & set(pairs.photos)),
        pairs.checks,
        chosen.features is not None,
    )


def apply(network: RankModel, photos: Photos, chosen: Candidate, fit: PreferenceFit) -> tuple[RankModel, np.ndarray]:
    """The network that gives what was learned, on the scale that it had: the photos keep the mean and the deviation.

    Returns:
        A copy of the network, and (N,) its scores of the photos.
    """
    learned = fit.scores(photos.known, chosen.features)
    found = copy.deepcopy(network).cpu()
    net = statistics_of(found)
    assert net is not None
    weights = np.zeros(photos.inputs.shape[1])
    if chosen.features is not None:
        weights[chosen.of] = photos.share[chosen.of] * (chosen.features.back @ fit.weights) / chosen.features.size
    if (spread := float(learned.std())) > 0:
        unit = photos.spread / spread  # of a logit, in the unit of the score
        weights, factor = weights * unit, fit.slope * unit / photos.spread
        offset = photos.raw.mean() - factor * photos.raw.mean() - photos.inputs.mean(0) @ weights
        add_linear(net, factor, torch.from_numpy(weights), float(offset))
    with torch.inference_mode():
        statistics = torch.from_numpy(photos.inputs).float() * net.spread + net.centre
        return found.eval(), net.top(statistics)[:, 0].double().numpy()


def _settings(
    scorer: Scorer,
    pairs: Pairs,
    group: Sequence[str],
    scores: np.ndarray,
    what: str,
    report: TuningReport,
    command: str,
) -> dict[str, Any]:
    """The content of config.json."""
    before = scorer.settings
    earlier = before.get("finetuned_on")
    reference = Reference.of_scores(scores, what)
    tuned_on = {
        "dataset": PAIRS,
        "votes": pairs.votes,
        "paths": sorted(pairs.photos),
        "groups": sorted(set(group)),
        "earlier": [{k: v for k, v in one.items() if k != "earlier"} for one in _entries(earlier)],
    }
    provenance = {
        "command": command,
        "stage": "tune",
        "versions": {"rankiqa": __version__, "torch": str(torch.__version__)},
        "init": before.get("weights_sha256"),
        "learned": report.chosen,
        "slope": report.slope,
    }
    kept = {key: value for key, value in before.items() if key not in ("dtype", "weights_sha256")}
    more = {"reference": None if reference is None else asdict(reference), "finetuned_on": tuned_on}
    return kept | more | {"provenance": provenance}


def _entries(finetuned_on: dict[str, Any] | None) -> list[dict[str, Any]]:
    return [] if not finetuned_on else [finetuned_on, *(finetuned_on.get("earlier") or ())]
