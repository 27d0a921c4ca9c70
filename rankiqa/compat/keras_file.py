"""The layers and tensors of a Keras .h5 file, read as data alone.

Three layouts are known: `save_weights("x.h5")` and `save("x.h5")` of Keras 2 (the second of Keras 3 too), and the
`.weights.h5` of Keras 3. No configuration in the file is read, and nothing of what it holds is run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from rankiqa.errors import InputError

if TYPE_CHECKING:
    import h5py

MOST_OBJECTS = 20_000  # groups and tensors; real files have about 2,600
DEEPEST = 8  # groups in each other; real files have 5

ADVICE = 'load it in Keras and save it again with model.save("x.h5")'


def show(name: str, most: int = 80) -> str:
    """A name out of the file on one short line, whatever it holds."""
    return name.encode("unicode_escape").decode("ascii")[:most]


class Layers(NamedTuple):
    """The layers of a file.

    Attributes:
        weights: by the layer's name, then by Keras's name of the weight, or its place in the list as "0", "1" ….
        names: of all layers, those without weights too.
        version: of Keras that wrote them, "" where it was not asked.
    """

    weights: dict[str, dict[str, h5py.Dataset]]
    names: frozenset[str]
    version: str = ""


class Reader:
    """The layers of one open file. It follows no link, and reads no more than names and shapes.

    Args:
        path: the file, for errors.
        library: h5py, which is imported only where a file is read.
    """

    def __init__(self, path: Path, library: ModuleType) -> None:
        self.path, self.h5py, self.objects = path, library, 0
        self.weights: dict[str, dict[str, h5py.Dataset]] = {}
        self.notes: list[str] = []

    def layers(self, file: h5py.File) -> Layers:
        """The layers of a file in any of the known layouts; `InputError` for anything that none of them has."""
        root = self.members(file)
        if "model_weights" in root or "layer_names" in file.attrs or "layer_names0" in file.attrs:
            if "optimizer_weights" in root:
                self.notes.append("the tensors of the optimizer were left out")
            surplus = sorted(set(root) - {"model_weights", "optimizer_weights"})
            if "model_weights" in root and surplus:
                raise InputError(f"{show(surplus[0])} is no part of a Keras file that is known here", path=self.path)
            return self.legacy(root.get("model_weights", file))
        if "layers" not in root:
            raise InputError("holds no Keras weights that are known here", path=self.path, cure=ADVICE)
        variables: dict[str, dict[str, h5py.Dataset]] = {}
        for name, item in root.items():
            if name == "optimizer":  # the network's own weights all lie in layers
                self.notes.append("the tensors of the optimizer were left out")
            elif name == "vars":
                variables[name] = self.datasets(item)
            elif name == "layers":
                self.keras3(item, name, variables)
            else:
                raise InputError(
                    f"{show(name)} is no part of a Keras file that is known here", path=self.path, cure=ADVICE
                )
        names = self.texts(list(variables), "name")
        for (where, tensors), name in zip(variables.items(), names, strict=True):
            if tensors and not name:
                raise InputError(
                    f"{show(where)} does not name its layer (an older Keras 3)", path=self.path, cure=ADVICE
                )
            for key, dataset in tensors.items():
                self.add(name, key, dataset)
        return Layers(self.weights, frozenset(names))

    def legacy(self, root: h5py.Group) -> Layers:
        """A group a layer, and in it a path a weight: conv2d/conv2d/kernel:0; a nested model is one layer of many.

        Keras lists these names in attributes as well, layer_names and weight_names. The groups say the same.
        """
        groups = self.members(root)
        names = set(groups)
        for name, group in groups.items():
            tensors = self.datasets(group)
            owners = {path: path.rpartition("/")[0] for path in tensors}
            nested = len(set(owners.values())) > 1
            for path, owner in owners.items():
                layer = owner.rpartition("/")[2] if nested else name
                names.add(layer)
                self.add(layer, path.rpartition("/")[2].partition(":")[0], tensors[path])
        version = self.texts([root.name], "keras_version")[0] if "conv1_pad" in names else ""
        return Layers(self.weights, frozenset(names), version)

    def keras3(self, group: h5py.Group, where: str, variables: dict[str, dict[str, h5py.Dataset]]) -> None:
        """layers/GROUP/vars/0 …, where GROUP says little and vars has the layer's name; nested models lie deeper."""
        if where.count("/") > DEEPEST:
            raise InputError(f"models lie more than {DEEPEST // 2} deep in each other", path=self.path)
        for name, layer in self.members(group).items():
            for part, item in self.members(layer).items():
                place = f"{where}/{name}/{part}"
                if part == "vars":
                    variables[place] = self.datasets(item)
                elif part == "layers":
                    self.keras3(item, place, variables)
                elif part == "seed_generator":
                    self.notes.append("the state of a random generator was left out")
                else:
                    raise InputError(
                        f"{show(place)} is no part of a network that is known here", path=self.path, cure=ADVICE
                    )

    def add(self, layer: str, weight: str, dataset: h5py.Dataset) -> None:
        """Take a weight of a layer; `InputError` for a second one of that name."""
        if weight in self.weights.setdefault(layer, {}):
            raise InputError(f"two tensors {show(layer)}/{show(weight)}", path=self.path)
        self.weights[layer][weight] = dataset

    def members(self, group: h5py.Group) -> dict[str, h5py.Group | h5py.Dataset]:
        """What lies in a group, by name."""
        if not isinstance(group, self.h5py.Group):
            raise InputError(f"{show(group.name or '')} is a tensor where Keras has a group", path=self.path)
        self.objects += len(group)
        if self.objects > MOST_OBJECTS:
            raise InputError(
                f"more than {MOST_OBJECTS} groups and tensors; no network here has so many", path=self.path
            )
        found = {}
        for name in group:
            # A slash would make HDF5 walk a path, over any link on it.
            if "/" in name or not isinstance(group.get(name, getlink=True), self.h5py.HardLink):
                raise InputError(f"{show(name)} is a link to another place, which is not followed", path=self.path)
            found[name] = group[name]
            if not isinstance(found[name], self.h5py.Group | self.h5py.Dataset):
                raise InputError(f"{show(name)} is neither a group nor a tensor", path=self.path)
        return found

    def datasets(self, group: h5py.Group, depth: int = 0) -> dict[str, h5py.Dataset]:
        """All tensors in a group and those below it, by their path from it."""
        if depth > DEEPEST:
            raise InputError(f"groups lie more than {DEEPEST} deep in each other", path=self.path)
        found: dict[str, h5py.Dataset] = {}
        for name, item in self.members(group).items():
            if isinstance(item, self.h5py.Group):
                found |= {f"{name}/{key}": value for key, value in self.datasets(item, depth + 1).items()}
            else:
                self.check(item, name)
                found[name] = item
        return found

    def check(self, dataset: h5py.Dataset, name: str) -> None:
        """Refuse what is no plain array in this very file, before its shape is looked at."""
        properties = dataset.id.get_create_plist()
        layout = properties.get_layout()
        if layout == self.h5py.h5d.VIRTUAL or properties.get_external_count():
            raise InputError(f"the values of {show(name)} lie in another file, which is not read", path=self.path)
        # A chunk or a filter can claim any amount of memory; Keras writes neither.
        if layout not in (self.h5py.h5d.CONTIGUOUS, self.h5py.h5d.COMPACT) or properties.get_nfilters():
            raise InputError(
                f"{show(name)} is compressed or in chunks, as Keras does not write", path=self.path, cure=ADVICE
            )

    def texts(self, groups: list[str], key: str) -> list[str]:
        """The attribute `key` of each group, "" where it has none.

        A string of free length says itself how long it is, and HDF5 believes it: a damaged one makes it take all memory
        or never end. So another process reads them, with limits on both.
        """
        job = {"path": sys.path, "file": str(self.path), "groups": groups, "key": key}
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", TEXTS], input=json.dumps(job), capture_output=True, text=True, timeout=30
            )
            texts = json.loads(done.stdout) if done.returncode == 0 else None
        except (subprocess.TimeoutExpired, ValueError):
            texts = None
        if texts is None:
            raise InputError("the names of its layers cannot be read", path=self.path, cure=ADVICE)
        return texts


TEXTS = """
import json, sys
job = json.load(sys.stdin)
sys.path[:] = job["path"]
import h5py
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except ImportError:
    pass  # Windows
texts = []
with h5py.File(job["file"], "r") as file:
    for group in job["groups"]:
        attributes = file[group].attrs
        text = attributes[job["key"]] if job["key"] in attributes else ""
        text = text.decode() if isinstance(text, bytes) else text
        if not isinstance(text, str) or len(text) > 1000:
            sys.exit("no name")
        texts.append(text)
print(json.dumps(texts))
"""
