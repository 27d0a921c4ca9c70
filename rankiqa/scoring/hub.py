"""A model that is saved as a folder with its card, and published on the Hugging Face hub."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankiqa.errors import explain_os_error
from rankiqa.extras import extra
from rankiqa.models.checkpoint import write_model_files
from rankiqa.models.config_file import HALF
from rankiqa.models.locate import CONFIG
from rankiqa.models.model_card import model_card
from rankiqa.models.rank_model import RankModel
from rankiqa.models.reference import Reference

if TYPE_CHECKING:
    from huggingface_hub import ModelCard

    from rankiqa.scoring.scorer import Scorer

CARD = "README.md"


class HubModel:
    """The methods of a `rankiqa.scoring.scorer.Scorer` that bear the names of the hub's own models.

    They behave as those of `huggingface_hub.ModelHubMixin`, whose client only an upload needs, and a download: the
    extra `hub`.

    Attributes:
        network: what is saved.
        settings: the content of its config.json; saving brings it up to date.
        reference: the scores of known images, for the card.
    """

    network: RankModel
    settings: dict[str, Any]
    reference: Reference | None

    @classmethod
    def load(cls, model: str | Path | None = None, device: str = "auto", **hub: Any) -> Scorer:
        """See `rankiqa.scoring.scorer.Scorer.load`."""
        raise NotImplementedError

    @classmethod
    def from_pretrained(cls, model: str | Path, *, device: str = "auto", **hub: Any) -> Scorer:
        """`load` under the hub's name for it. Only config.json and model.safetensors are read."""
        return cls.load(model, device, **hub)

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        model_card_kwargs: dict[str, Any] | None = None,
        push_to_hub: bool = False,
        repo_id: str | None = None,
        **options: Any,
    ) -> str | None:
        """Write model.safetensors, config.json and a model card, README.md, into a folder.

        Files of these names are replaced when the new ones are whole, which may be those that the model was read from;
        a README.md that is there stays.

        Args:
            save_directory: made if need be.
            model_card_kwargs: of `rankiqa.models.model_card.model_card`.
            push_to_hub: upload it too; gives the address of the commit.
            repo_id: OWNER/NAME to upload it to; None: the name of the folder.
            options: of `push_to_hub`.

        Raises:
            InputError: the folder cannot be written to.
        """
        folder = Path(save_directory)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".rankiqa-", dir=folder) as temporary:
                self._save(Path(temporary), model_card_kwargs or {})
                for path in Path(temporary).iterdir():
                    if path.name != CARD or not (folder / CARD).exists():
                        os.replace(path, folder / path.name)
        except OSError as error:
            raise explain_os_error(error, folder) from error
        if not push_to_hub:
            return None
        return self.push_to_hub(repo_id or folder.resolve().name, model_card_kwargs=model_card_kwargs, **options)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        model_card_kwargs: dict[str, Any] | None = None,
        commit_message: str = "Push model using huggingface_hub.",
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
        **patterns: Any,
    ) -> str:
        """Upload what `save_pretrained` writes to OWNER/NAME; gives the address of the commit.

        Args:
            repo_id: made if need be.
            model_card_kwargs: of `rankiqa.models.model_card.model_card`.
            commit_message: the commit's.
            private: of a new repository; None: as its owner has it.
            token: of the hub; None: that of `hf auth login`.
            branch: None: main.
            create_pr: as a pull request.
            patterns: allow_patterns, ignore_patterns and delete_patterns of `huggingface_hub.HfApi.upload_folder`.

        Raises:
            rankiqa.extras.MissingExtra: the hub's client is not installed.
            OSError: of the hub's client: it cannot be reached, or refuses.
        """
        with extra("hub"):
            from huggingface_hub import HfApi

        api = HfApi(token=token)
        name = api.create_repo(repo_id=repo_id, private=private, exist_ok=True).repo_id
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / name
            self.save_pretrained(folder, model_card_kwargs={"repo_id": repo_id} | (model_card_kwargs or {}))
            return api.upload_folder(
                repo_id=name,
                repo_type="model",
                folder_path=folder,
                commit_message=commit_message,
                revision=branch,
                create_pr=create_pr,
                **patterns,
            )

    def generate_model_card(self, **kwargs: Any) -> ModelCard:
        """What the model is, on what it was trained, what its scores mean; written beside it as README.md.

        `kwargs` are those of `rankiqa.models.model_card.model_card`, which gives the same as a text, without the hub's
        client.
        """
        with extra("hub"):
            from huggingface_hub import ModelCard

        return ModelCard(model_card(self.settings, self.reference, **kwargs))

    def _save(self, folder: Path, card: dict[str, Any]) -> None:
        kept = ("training_photos", "score_range", "finetuned_on", "provenance", "reference")
        files = {key: self.settings.get(key) for key in kept}
        write_model_files(self.network, folder, **files, half=self.settings.get("dtype") == HALF)
        path = folder / CONFIG
        # The card tells what is in the file, its hash above all.
        self.settings = self.settings | json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(self.settings, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        text = model_card(self.settings, self.reference, **card)
        (folder / CARD).write_text(text, encoding="utf-8", newline="")
