"""Names of networks, told by the source of timm, against what timm registers."""

from __future__ import annotations

import pytest

from rankiqa.errors import InputError
from rankiqa.models import names


def test_timm_knows_what_its_source_registers():
    import timm
    from timm.models._registry import _model_entrypoints  # with the names that it has dropped

    assert names.registered(names.timm_source()) == sorted(timm.list_models())
    for name in (*_model_entrypoints, "resnet18.a1_in1k", "tf_efficientnet_lite0", "mobilenet", "mobilenet_keras"):
        names.check_name(name)


def test_without_timm_nothing_is_said_of_its_names(monkeypatch):
    monkeypatch.setattr(names.importlib.util, "find_spec", lambda name: None)
    names.check_name("nosuch")
    with pytest.raises(InputError, match="unknown network 'local-dir:x'"):
        names.check_name("local-dir:x")
