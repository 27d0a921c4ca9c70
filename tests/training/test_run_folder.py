"""The folder of a run: not overwritten by mistake, gone on with under the same settings alone."""

import torch
import yaml

import rankiqa.training.checkpoints as state
from rankiqa.cli.train_rank import main
from rankiqa.training.ranking import RankTrainer
from tests.training.ranked_runs import flags, settings, weights


def test_a_run_is_not_overwritten_and_not_resumed_with_other_settings(ranks, tmp_path, capsys):
    config = settings(ranks, tmp_path / "run", steps=2)
    arguments = flags(config)
    assert main(arguments) == 0
    before = weights(tmp_path / "run")
    capsys.readouterr()
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip()
    cure = "go on with it, start anew, or choose another place (--resume, --overwrite, --out)"
    assert error == f"error: {tmp_path / 'run'}: holds a run already; {cure}"
    assert main([*arguments, "--resume", "--optim.lr", "0.5"]) == 2
    assert "optim.lr is 0.5, but the run" in capsys.readouterr().err
    assert main([*arguments, "--overwrite", "--seed", "1"]) == 0
    moved = weights(tmp_path / "run.old1")
    assert all(torch.equal(before[k], moved[k]) for k in before)
    assert any(not torch.equal(before[k], v) for k, v in weights(tmp_path / "run").items())
    # With --out alone, resuming takes the run's own settings; here there is nothing left to do.
    assert main(["--out", str(tmp_path / "run"), "--resume", "--steps", "3"]) == 0
    assert (tmp_path / "run/checkpoints/step-00000003").is_dir()


def test_a_run_from_before_a_setting_was_there_is_resumed(ranks, tmp_path):
    config = settings(ranks, tmp_path / "run", steps=2)
    RankTrainer(config).run()
    written = tmp_path / "run" / "config.yaml"
    before = yaml.safe_load(written.read_text())
    for key in ("source", "pristine", "distortions", "levels", "convert"):
        del before["data"][key]
    written.write_text(yaml.safe_dump(before))
    config.resume, config.steps = True, 3
    assert RankTrainer(config).step == 2


def test_a_full_disk_keeps_the_older_checkpoint(ranks, tmp_path, capsys, monkeypatch):
    real = state.write_model_files

    def full(model, folder, *rest, **more):
        if "step-00000004" in str(folder):
            raise OSError(28, "No space left on device", str(folder / "model.safetensors"))
        return real(model, folder, *rest, **more)

    monkeypatch.setattr(state, "write_model_files", full)
    assert main(flags(settings(ranks, tmp_path / "run"))) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(error) == 1 and "step-00000004: " in error[0] and "No space left" in error[0]
    assert [p.name for p in (tmp_path / "run/checkpoints").iterdir()] == ["step-00000002"]
    monkeypatch.setattr(state, "write_model_files", real)
    assert main([*flags(settings(ranks, tmp_path / "run")), "--resume"]) == 0
