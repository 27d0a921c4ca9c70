"""Siamese NIMA's own interface: load_data, train, predict, in the manner of the Keras original and with its defaults.

Where this differs from it: a model is a folder (model.safetensors and config.json) or a Keras .h5; the network takes
any size, so there is no input_shape; the optimizer is Adam with a learning_rate, and checkpoints are always kept, so
there are no optimizer, callback and Keras arguments; labels become buckets; the default loss is the directed one; an
image is resized with smoothing, where Keras takes the nearest pixels.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rankiqa.compat.rank_list import to_number
from rankiqa.config import NimaModelConfig, OptimConfig, PairBatchConfig, PairLossConfig, SiameseNimaConfig
from rankiqa.datasets.label_file import read_csv_rows, read_lines
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.datasets.splits import Split
from rankiqa.errors import InputError
from rankiqa.images.crops import squeeze
from rankiqa.images.icc import IGNORE
from rankiqa.images.photos import Photo
from rankiqa.images.reading import read_image
from rankiqa.models import Nima, build_nima
from rankiqa.models.nima import DEFAULT
from rankiqa.parallel import ahead
from rankiqa.scoring.device import pick_device
from rankiqa.scoring.patches import PatchScores, score_files, score_inputs
from rankiqa.scoring.view import View
from rankiqa.seeding import derive_seed
from rankiqa.training.nima import open_nima
from rankiqa.training.scored_data import decodable
from rankiqa.training.siamese_nima import SiameseNimaTrainer
from rankiqa.votes import mean_of, std_of

KERAS_SUFFIXES = (".h5", ".hdf5")
TABLE_COLUMNS = ("file_name", "label")  # of the original's tables

Raw = tuple[np.ndarray, ...]  # of `load_data`: paths, and labels where the file has them


class SiameseNIMA:
    """NIMA, and its training as one branch of a Siamese network.

    Args:
        output_dir: folder of a training: checkpoints/, model/ and the log. None: runs/siamese_nima.
        network: of a NIMA that is made anew; see `rankiqa.models.build_nima`.
        device: auto, cpu, cuda, cuda:N or mps; for `predict`.
    """

    def __init__(
        self, output_dir: str | os.PathLike[str] | None = None, network: str = DEFAULT, device: str = "auto"
    ) -> None:
        self.output_dir = Path(output_dir or "runs/siamese_nima")
        self.network, self.device = network, device
        self._model: Nima | None = None

    @property
    def model_nima(self) -> Nima:
        """The network alone, as `train`, `build` or `predict` left it."""
        if self._model is None:
            raise InputError(
                "there is no model yet", cure="call train() or build(), or give one", options=("nima_weight_path",)
            )
        return self._model

    def build(self, nima_weight_path: str | os.PathLike[str] | None = None) -> Nima:
        """The NIMA of a model folder, a run or a Keras .h5; without one, with random weights."""
        self._model = self._open(nima_weight_path)[0].eval()
        return self._model

    def _open(self, path: str | os.PathLike[str] | None) -> tuple[Nima, dict]:
        if path is None:
            return build_nima(self.network), {}
        if Path(path).suffix.lower() in KERAS_SUFFIXES:
            from rankiqa.compat.keras_weights import import_keras

            return import_keras(path, f"nima-{self.network}").model, {}
        return open_nima(NimaModelConfig(), os.fspath(path))

    @staticmethod
    def load_data(
        image_dir: str | os.PathLike[str],
        data_path: str | os.PathLike[str],
        sep: str = " ",
        columns: Sequence[str] = TABLE_COLUMNS,
    ) -> Raw:
        """Read a table of images: (paths,) or (paths, labels), each (n,).

        Args:
            image_dir: folder of the images.
            data_path: the table, with a header.
            sep: one character, between its columns; a header with a comma and without `sep` is taken for CSV.
            columns: name of the column of file names, and of the labels where there are any (a score, or the number of
                a bucket; higher is better).

        Raises:
            InputError: no such folder or file, a table without a row or without these columns, an image that is not in
                the folder, or a label that is no finite number.
        """
        folder, file = Path(image_dir), Path(data_path)
        if not folder.is_dir():
            raise InputError("no such folder of images", path=folder)
        if not 1 <= len(columns) <= 2:
            raise InputError(f"columns must be one, to predict, or two, to train, not {list(columns)}")
        header, rows = _read_table(file, sep)
        for column in columns:
            if column not in header:
                raise InputError(f"no column {column}, only {', '.join(header)}", path=file)
        if not rows:
            raise InputError("no rows below the header", path=file)
        name_at, *label_at = map(header.index, columns)
        names = [cells[name_at] for _, cells in rows]
        paths = [os.fspath(folder / name) for name in names]
        absent = [name for name, path in zip(names, paths, strict=True) if not os.path.isfile(path)]
        if absent:
            raise InputError(
                f"{len(absent)} of {len(paths)} images are not in {folder}, the first is {absent[0]!r}", path=file
            )
        if not label_at:
            return (np.array(paths),)
        labels = []
        for (line, cells), name in zip(rows, names, strict=True):
            label = to_number(cells[label_at[0]])
            if label is None:
                raise InputError(f"the {columns[1]} of {name} is not a finite number", path=file, line=line)
            labels.append(label)
        return np.array(paths), np.array(labels)

    def train(
        self,
        train_raw: Raw,
        val_raw: Raw | None = None,
        nima_weight_path: str | os.PathLike[str] | None = None,
        layer_to_freeze: int | str | None = 618,
        epochs: int = 20,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        loss: str = "ranking",
        buckets: int = 5,
        seed: int = 0,
        workers: int = 0,
        overwrite: bool = False,
    ) -> Path:
        """Train, and keep the NIMA alone; returns the folder of its model.

        Args:
            train_raw: paths and labels of `load_data`.
            val_raw: those that are validated on. None: nothing is.
            nima_weight_path: as for `build`. None: from random weights, and no layer is frozen.
            layer_to_freeze: how many of Keras's layers are kept, or the name of the first one that learns; None: all
                learn. Other networks than inception_resnet_v2 know names only, and learn whole by default.
            epochs: draws of the pairs.
            batch_size: pairs in a batch.
            learning_rate: of Adam.
            loss: ranking, or contrastive as the original.
            buckets: see `rankiqa.training.bucket_pairs.make_buckets`.
            seed: of weights and pairs.
            workers: processes that read images beside this one.
            overwrite: move an earlier training in `output_dir` aside.

        Raises:
            InputError: an argument that cannot be, an image twice, labels without an order, or a training that is
                there.
        """
        if len(train_raw) != 2 or (val_raw is not None and len(val_raw) != 2):
            raise InputError("train needs paths and labels: load_data with two columns")
        for name, value in (("epochs", epochs), ("batch_size", batch_size)):
            if not isinstance(value, int) or value < 1:
                raise InputError(f"{name} must be a whole number of at least 1, not {value!r}")
        torch.manual_seed(derive_seed(seed, "weights"))
        model, origin = self._open(nima_weight_path)
        freeze = "none"
        default = layer_to_freeze == 618 and model.name != DEFAULT
        if nima_weight_path is not None and layer_to_freeze is not None and not default:
            freeze = str(layer_to_freeze)
        steps_per_epoch = -(-2 * len(train_raw[1]) // batch_size)
        config = SiameseNimaConfig(
            init=None if nima_weight_path is None else os.fspath(nima_weight_path),
            data="load_data",
            images=os.path.commonpath([os.path.dirname(path) or "." for path in train_raw[0]]),
            model=NimaModelConfig(name=model.name),
            batch=PairBatchConfig(pairs=batch_size, buckets=buckets),
            loss=PairLossConfig(kind=loss),
            optim=OptimConfig(
                kind="adam",
                lr=learning_rate,
                schedule="constant",
                weight_decay=0.0,
                bias_lr=1.0,
                head_lr=1.0,
                head_bias_lr=1.0,
            ),
            freeze_until=freeze,
            epochs=epochs,
            workers=workers,
            out=os.fspath(self.output_dir),
            seed=seed,
            val_every=steps_per_epoch,
            checkpoint_every=steps_per_epoch,
            overwrite=overwrite,
        )
        config.scores.convert, config.scores.icc = True, IGNORE  # as Keras's loader
        trainer = SiameseNimaTrainer(config, _scored_set(train_raw, val_raw), (model, origin))
        trainer.run()
        assert isinstance(trainer.model, Nima)  # what it started from
        self._model = trainer.model.eval()
        return self.output_dir / "model"

    def predict(
        self,
        predict_raw: Raw | Sequence[str | os.PathLike[str]],
        batch_size: int = 1,
        target_size: Sequence[int] | None = None,
        nima_weight_path: str | os.PathLike[str] | None = None,
        to_df: bool = True,
    ) -> pd.DataFrame | np.ndarray:
        """Score images.

        Args:
            predict_raw: of `load_data`, or paths.
            batch_size: images in a pass; one by one where they have their own sizes.
            target_size: (height, width) that every image is resized to; None: each at its native size.
            nima_weight_path: as for `build`. None: the model of this object.
            to_df: a table with source (path), mean (1–10, higher is better), std and scores (the ten shares of the
                votes); otherwise only the latter, (n, 10).

        Raises:
            InputError: no model, or an image that cannot be read, by its name.
        """
        if nima_weight_path is not None:
            self.build(nima_weight_path)
        device = pick_device(self.device)
        model = self.model_nima.to(device)
        given: Iterable[Any] = predict_raw
        if isinstance(predict_raw, str | os.PathLike):
            given = [predict_raw]
        elif isinstance(predict_raw, tuple) and predict_raw and isinstance(predict_raw[0], np.ndarray):
            given = predict_raw[0]
        paths = [os.fspath(path) for path in given]
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, not {batch_size}")
        if target_size is not None and (len(target_size) != 2 or min(target_size) < 1):
            raise InputError(f"target_size must be a height and a width in pixels, not {target_size!r}")
        if target_size is None:
            results = score_files(model, paths, View(mode="native"), device=device, convert=True, icc=IGNORE)
            found = [_votes(result) for result in results]
        else:
            height, width = target_size

            def read(path: str) -> torch.Tensor:
                image = squeeze(read_image(path, convert=True, icc=IGNORE), height, width)
                return torch.from_numpy(image.transpose(2, 0, 1).copy())

            images = ahead(read, paths, workers=2)
            found = []
            for start in range(0, len(paths), batch_size):
                batch = torch.stack([next(images) for _ in paths[start : start + batch_size]])
                found.append(_votes(score_inputs(model, batch, device, View(mode="resize"))))
        votes = np.concatenate(found) if found else np.empty((0, 10))
        if not to_df:
            return votes
        return pd.DataFrame({"source": paths, "mean": mean_of(votes), "std": std_of(votes), "scores": list(votes)})


def _read_table(file: Path, sep: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header of a table, and (line, cells) of its rows."""
    if sep in (" ", ","):
        return read_csv_rows(file, spaces=True)
    if len(sep) != 1:
        raise InputError(f"sep must be one character, not {sep!r}")
    lines = read_lines(file)
    head = lines[0][1]
    sep = "," if "," in head and sep not in head else sep
    table = [(line, [cell.strip() for cell in next(csv.reader([text], delimiter=sep))]) for line, text in lines]
    (_, header), *rows = table
    for line, cells in rows:
        if len(cells) != len(header):
            raise InputError(f"{len(cells)} cells, but the header has {len(header)}", path=file, line=line)
    return header, rows


def _votes(result: PatchScores | InputError) -> np.ndarray:
    """(n, 10) shares of the votes that a NIMA gave; an image that could not be read raises here."""
    if isinstance(result, InputError):
        raise result
    assert result.votes is not None  # a NIMA gives some
    return result.votes


def _scored_set(train: Raw, val: Raw | None) -> tuple[ScoredSet, Split, dict[str, Photo]]:
    """The `ScoredSet`, `Split` and photos of a training; each image is a group of its own."""
    parts = {"train": train} | ({"val": val} if val is not None else {})
    paths = [Path(path) for raw in parts.values() for path in raw[0]]
    root = Path(os.path.commonpath([path.parent.absolute() for path in paths]))
    table = pd.DataFrame({"path": [path.absolute().relative_to(root).as_posix() for path in paths], "file": paths})
    if twice := table["path"][table["path"].duplicated()].tolist():
        raise InputError(f"{twice[0]} is there twice", cure="give each image once, to train on or to validate on")
    table[["reference", "group", "distortion"]] = ""
    table["level"] = pd.array([pd.NA] * len(table), dtype="Int64")
    table["score"] = np.concatenate([np.asarray(raw[1], dtype=np.float64) for raw in parts.values()])
    low, high = table["score"].min(), table["score"].max()
    if low == high:
        raise InputError(f"all {len(table)} labels are {low:g}: no order to learn")
    dataset = ScoredSet("csv", root, (low, high), True, table)
    names = tuple(part for part, raw in parts.items() for _ in raw[0])
    dataset, photos = decodable(dataset, convert=True, icc=IGNORE)
    return dataset, Split("load_data", names, None, None, tuple(table["path"])), photos
