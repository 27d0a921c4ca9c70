"""How a network does on what it does not learn from: photos of part val, and crops of other pristine photos."""

from __future__ import annotations

import numpy as np
import torch
from network import Network
from scipy.stats import spearmanr
from sources import Photos, Scenes

FINE_JPEG = ("JPEG4", "JPEGROB", "JPEGFLAT")  # how the types begin that crops.py sets finely


@torch.inference_mode()
def validate(network: Network, photos: Photos, scenes: Scenes, photo_count: int, scene_count: int) -> dict[str, float]:
    """SROCC with people (biq), with VSI, which is not learned from, and with the judges (q), and shares of pairs.

    Returns:
        biq, vsi and q: SROCC over all images; within: share of the pairs inside a scene that VSI and the network order
        alike; jpeg: mean SROCC of the settings of JPEG inside a scene.
    """
    network.eval()
    rows = range(min(photo_count, len(photos.names)))
    scores = [network(photos.image(row)[None]).item() for row in rows]
    count = min(scene_count, len(scenes))
    found = np.stack([network(scenes.images(scene)).numpy() for scene in range(count)])
    vsi, quality, level = scenes.vsi[:count], scenes.quality[:count], scenes.level[:count]
    ahead, truth = found[:, :, None] - found[:, None], vsi[:, :, None] - vsi[:, None]
    fine = [s for s in range(count) if all(kind.startswith(FINE_JPEG) for kind in scenes.types[s, [1, 3]])]
    jpeg = [spearmanr(found[s], 1 - level[s])[0] for s in fine]
    network.train()
    return {
        "biq": float(spearmanr(scores, photos.mos[: len(rows)])[0]),
        "vsi": float(spearmanr(found[:, 1:].ravel(), vsi[:, 1:].ravel())[0]),
        "q": float(spearmanr(found[:, 1:].ravel(), quality[:, 1:].ravel())[0]),
        "within": float((np.sign(ahead) == np.sign(truth))[np.abs(truth) > 0.002].mean()),
        "jpeg": float(np.nanmean(jpeg)) if jpeg else float("nan"),
    }
