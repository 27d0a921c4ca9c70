"""Keras's .h5 files: outputs against those recorded from real Keras, and its count of layers."""

import re
import shutil
from pathlib import Path

import h5py
import pytest
import torch

from rankiqa.cli.import_weights import main
from rankiqa.compat.importing import Imported, import_table
from rankiqa.compat.keras_file import Layers
from rankiqa.compat.keras_weights import _numbered, import_keras
from rankiqa.errors import InputError
from rankiqa.models import load_model, save_model
from rankiqa.models.freezing import freeze_until
from rankiqa.models.keras_layers import boundaries, layer_at
from tests.compat.keras_files import (
    INCEPTION,
    MOBILENET,
    REFERENCE,
    check_outputs,
    later,
    write_keras3,
    write_legacy,
)


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    path = write_legacy(tmp_path_factory.mktemp("keras") / "inception.h5", INCEPTION, rename=later)
    imported = import_keras(path, INCEPTION)
    path.unlink()
    return imported


def test_inception_resnet_v2_gives_the_votes_of_keras(inception, photos):
    check_outputs(inception, photos, INCEPTION)


def test_the_table_has_a_row_for_every_tensor(inception):
    own = inception.model.backbone.state_dict()
    targets = [row.target for row in inception.rows]
    assert sorted(targets) == sorted(key for key in own if not key.endswith("num_batches_tracked"))
    weights = {f"{later(name)}/{w}" for name, shapes in REFERENCE[INCEPTION]["layers"] for w in shapes}
    sources = [row.source for row in inception.rows if row.source]
    assert len(sources) == len(weights) and set(sources) == weights
    hows = {row.how for row in inception.rows}
    assert hows == {"HWIO → OIHW", "IO → OI", "gamma absent: 1", ""}
    text = import_table(inception).splitlines()
    assert re.fullmatch(r"conv2d_7/kernel +3×3×3×32 +conv2d_1a\.conv\.weight +HWIO → OIHW", text[1])
    assert re.fullmatch(r"- +scalar +conv2d_1a\.bn\.weight +gamma absent: 1", text[2])


@pytest.mark.parametrize("layout", ["save_weights", "save", "nested", "without :0", "keras 3", "keras 3, nested"])
def test_every_layout_gives_the_votes_of_keras(tmp_path, photos, layout):
    path = tmp_path / "m.h5"
    if layout.startswith("keras 3"):
        write_keras3(path, MOBILENET, base="functional" if "nested" in layout else None)
    else:
        base = "mobilenet_1.00_224" if layout == "nested" else None
        write_legacy(path, MOBILENET, whole=layout == "save", base=base, end="" if layout == "without :0" else ":0")
    imported = import_keras(path, MOBILENET)
    check_outputs(imported, photos, MOBILENET)
    notes = " ".join(imported.notes)
    assert ("optimizer were left out" in notes) == (layout == "save" or "3" in layout)
    assert ("random generator was left out" in notes) == ("3" in layout)
    assert ("padding the file says nothing" in notes) == (layout == "nested")


def test_an_imported_model_is_saved_and_loaded_as_it_is(tmp_path, mobilenet):
    imported = import_keras(mobilenet, MOBILENET)
    save_model(imported.model, tmp_path / "m")
    loaded, _ = load_model(tmp_path / "m")
    x = torch.rand(1, 3, 65, 80, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(loaded(x), imported.model(x))


def test_the_command_makes_a_model_that_votes_as_keras(tmp_path, mobilenet, photos, capsys):
    assert main(["keras", str(mobilenet), "--model", MOBILENET, "--out", str(tmp_path / "nima")]) == 0
    model, config = load_model(tmp_path / "nima")
    check_outputs(Imported(model, ()), photos, MOBILENET)
    assert (config["score_range"], config["higher_is_better"]) == ([1, 10], True)
    # 27 convolutions, as many batch norms of four tensors, and the dense layer.
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last == f"{27 * 5 + 2} tensors of {mobilenet} are in {tmp_path / 'nima'}, a model of mobilenet_keras"
    assert main(["keras", str(mobilenet), "--model", INCEPTION, "--out", str(tmp_path / "other")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "other").exists()


def test_numbered_layers_come_in_the_order_of_their_numbers():
    names = ["conv2d_10", "conv2d_9", "conv2d_100", "conv2d", "conv2d_7b", "conv_7b", "block35_1_conv"]
    assert _numbered(Layers(dict.fromkeys(names), frozenset()), "conv2d") == [
        "conv2d",
        "conv2d_9",
        "conv2d_10",
        "conv2d_100",
    ]
    names = ["batch_normalization_v1_10", "batch_normalization_v1", "batch_normalization_v1_2"]
    layers = Layers(dict.fromkeys(names), frozenset())
    assert [n[-2:] for n in _numbered(layers, "batch_normalization")] == ["v1", "_2", "10"]


@pytest.mark.parametrize(
    ("version", "message"),
    [("2.1.6", "Keras 2.1.6 padded MobileNet's strided layers by one pixel on every side"), ("2.2.4", "is odd$")],
)
def test_the_padding_of_older_versions_is_told(tmp_path, mobilenet, version, message):
    path = Path(shutil.copy(mobilenet, tmp_path / "old.h5"))
    with h5py.File(path, "r+") as file:
        file.create_group("conv1_pad")
        file.attrs["keras_version"] = version
    (note,) = import_keras(path, MOBILENET).notes
    assert re.search(message, note)


# ------------------------------------------------------------------------------------------------- layers by count


def test_the_boundaries_are_those_of_keras_s_list():
    names = [name for name, _ in REFERENCE[INCEPTION]["layers"]]
    convs = [k for k, name in enumerate(names) if name.startswith("conv2d")]
    after = {name: names.index(name) + 1 for name in names}
    expected = dict(zip(["conv2d_1a", "conv2d_2a", "conv2d_2b", "conv2d_3b", "conv2d_4a"], convs, strict=False))
    expected |= {"maxpool_3a": names.index("max_pooling2d"), "maxpool_5a": names.index("max_pooling2d_1")}
    expected |= {"mixed_5b": after["max_pooling2d_1"], "repeat.0": after["mixed_5b"]}
    expected |= {f"repeat.{k}": after[f"block35_{k}_ac"] for k in range(1, 10)}
    expected |= {"mixed_6a": after["block35_10_ac"], "repeat_1.0": after["mixed_6a"]}
    expected |= {f"repeat_1.{k}": after[f"block17_{k}_ac"] for k in range(1, 20)}
    expected |= {"mixed_7a": after["block17_20_ac"], "repeat_2.0": after["mixed_7a"]}
    expected |= {f"repeat_2.{k}": after[f"block8_{k}_ac"] for k in range(1, 9)}
    expected |= {"block8": after["block8_9_ac"], "conv2d_7b": names.index("conv_7b")}
    expected |= {"global_pool": after["conv_7b_ac"]}
    assert boundaries() == expected and len(names) == 783
    assert all(name.startswith(layer_at(count)) for name, count in expected.items())
    assert layer_at(618) == "repeat_2" and layer_at(323) == "repeat_1.3" and layer_at(782) == "global_pool"


@pytest.mark.parametrize("count", [1, 41, 618, 762, 782])
def test_a_count_freezes_the_tensors_that_it_freezes_in_keras(inception, count):
    layers = REFERENCE[INCEPTION]["layers"][:count]
    frozen = {later(name) for name, weights in layers if weights}
    expected = {row.target.rpartition(".")[0] for row in inception.rows if row.source.partition("/")[0] in frozen}
    model = inception.model
    try:
        freeze_until(model, str(count))
        own = {n.rpartition(".")[0] for n, p in model.backbone.named_parameters() if not p.requires_grad}
    finally:
        model.requires_grad_(True)
        model.frozen = ()
        model.eval()
    assert own == expected and len(own) == len(frozen)


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (619, "619 of Keras's layers end inside repeat_2.0; give 618, and it learns, or 634, and it is frozen"),
        (2, "2 of Keras's layers end inside conv2d_1a; give 1, and it learns, or 4"),
        (0, "give 1 to 782"),
        (783, "give 1 to 782"),
    ],
)
def test_a_count_inside_a_block_names_its_ends(count, message):
    with pytest.raises(InputError, match=message):
        layer_at(count)
