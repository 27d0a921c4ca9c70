"""torch.hub with a local source, in a process that knows nothing of the package."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = """\
import sys
sys.meta_path = [f for f in sys.meta_path if "editable" not in repr(f).lower()]
sys.path = [p for p in sys.path if p != sys.argv[1]]
import torch
model = torch.hub.load(sys.argv[1], "rankiqa", source="local", device="cpu")
print(model.score(torch.zeros(3, 240, 240)).patches)
loss = torch.hub.load(sys.argv[1], "rankiqa", source="local", device="cpu", as_loss=True)
print(loss(torch.zeros(1, 3, 240, 240)).shape)
"""


def test_a_clone_is_enough(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(ROOT)], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["1", "torch.Size([])"]


def test_list_help_and_a_model_by_its_place(monkeypatch):
    import torch

    from rankiqa.models.bundled import BUNDLED

    monkeypatch.setattr(torch.hub, "_get_cache_or_reload", lambda *_, **__: str(ROOT))
    assert torch.hub.list("owner/name:main") == ["rankiqa"]
    assert "higher is better" in torch.hub.help("owner/name:main", "rankiqa")
    model = torch.hub.load(str(ROOT), "rankiqa", str(BUNDLED["ranks"]), source="local", device="cpu")
    assert model.source == "the bundled model ranks"
