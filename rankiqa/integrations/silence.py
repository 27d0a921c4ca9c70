"""ONNX runtime without its reports: by itself it tells its maker, over the network, that and how it is used."""

from __future__ import annotations

import os


def silence_onnxruntime() -> None:
    """Let ONNX runtime report nothing; to be called before it is first imported, as it reports its start too.

    Who sets ORT_DISABLE_TELEMETRY himself has it his way. `disable_telemetry_events` of the package comes too late.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
