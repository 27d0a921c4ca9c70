"""What scores sooner on a CPU: PyTorch with folded batch norms, or ONNX runtime; and what lies around them.

Beside them the bare rate of ONNX runtime: the maps of all stages, by the graph that PyTorch's exporter makes of the
network as it stands. The graph of scores is ours: padding in ONNX's own words, and all from the pixels to the scores.
In turns in one run, on as many threads as are asked for. With one thread the time is the processor's, which other
programs on the machine hardly move; with more it is the clock's.
"""

from __future__ import annotations

import argparse
import io
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from score import photos

HERE = Path(__file__).parent
BARE, GRAPH = "ONNX runtime, the maps alone, as PyTorch exports them", "ONNX runtime, the graph of scores alone"


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    parse.add_argument("--model", help="folder, run or hub id; none: the bundled model")
    parse.add_argument("--images", type=int, default=8, help="photos of 512×384, JPEG of quality 95")
    parse.add_argument("--repeats", type=int, default=7, help="rounds; the median counts")
    parse.add_argument("--threads", type=int, default=1, help="CPU threads")
    parse.add_argument("--out", type=Path, default=HERE / "runtime.md", help="where the table goes")
    args = parse.parse_args(argv)

    import torch

    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        files = photos(None, args.images, Path(folder))
        seconds, difference = _measure(args, files)
    bare, graph = seconds[BARE], seconds[GRAPH]
    rows = [
        f"| {name} | {1000 * value:.1f} | {bare / value:.2f} | {graph / value:.2f} |" for name, value in seconds.items()
    ]
    text = [
        "# PyTorch or ONNX runtime",
        "",
        f"    {shlex.join(['python', 'results/benchmarks/runtime.py', *argv])}",
        "",
        f"{args.images} JPEG photos of 512×384, threads: {args.threads}, time of the "
        f"{'processor' if args.threads == 1 else 'clock'}, median of {args.repeats} rounds in turns, torch "
        f"{torch.__version__}. The scores of the two differ by at most {difference:.1e}.",
        "",
        "| what | ms a photo | share of the rate of the maps | of the graph of scores |",
        "|---|---|---|---|",
        *rows,
        "",
    ]
    args.out.write_text("\n".join(text), encoding="utf-8")
    print("\n".join(text))
    return 0


def _measure(args: argparse.Namespace, files: list[Path]) -> tuple[dict[str, float], float]:
    import torch

    import rankiqa
    from rankiqa.images.reading import read_image
    from rankiqa.integrations.onnx_runtime import onnx_network
    from rankiqa.models.parts import statistics_of
    from rankiqa.scoring.patches import evaluating
    from rankiqa.scoring.windows import COARSE

    by_torch, by_onnx = (rankiqa.load(args.model, "cpu") for _ in range(2))
    by_onnx.score_by(onnx_network)
    pixels = [torch.from_numpy(read_image(file)).permute(2, 0, 1)[None] for file in files]  # as scoring has them
    images = [(some.float() / 255).contiguous() for some in pixels]
    graph = statistics_of(by_onnx.scoring)
    if graph is None:
        sys.exit("a model that sees crops: this script is about those that see the whole photo")

    runs, maps = graph.runtime, plain(by_torch.network)
    assert runs is not None

    def forward() -> None:
        network = by_torch.scoring
        with evaluating(network):
            for image in images:
                network(image.contiguous(memory_format=torch.channels_last))

    ways: dict[str, Callable[[], object]] = {
        BARE: lambda: [maps(image) for image in images],
        GRAPH: lambda: [runs(some, COARSE) for some in pixels],
        "PyTorch, the forward pass alone": forward,
        "decoding alone": lambda: [read_image(file) for file in files],
        "files, `--runtime onnx`": lambda: list(by_onnx.score_files(files)),
        "files, `--runtime torch`": lambda: list(by_torch.score_files(files)),
    }
    clock = time.process_time if args.threads == 1 else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(args.repeats + 1):
        for name, run in ways.items():
            start = clock()
            run()
            if repeat:  # the first round warms up
                times[name].append((clock() - start) / len(files))
    pairs = zip(by_onnx.score_files(files), by_torch.score_files(files), strict=True)
    difference = max(abs(float(one) - float(other)) for one, other in pairs)
    return {name: statistics.median(values) for name, values in times.items()}, difference


def plain(network: Any) -> Callable[[Any], Any]:
    """The maps of all stages by the graph that PyTorch's exporter makes of a network, batch norms folded."""
    import onnxruntime
    import torch
    from torch import nn

    from rankiqa.integrations.onnx_export import OPSET, quiet
    from rankiqa.integrations.onnx_graphs import exportable
    from rankiqa.models.parts import statistics_of

    class Maps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.statistics = statistics_of(exportable(network))

        def forward(self, images: Any) -> tuple:
            return tuple(self.statistics.maps(images))

    file, axes = io.BytesIO(), {"images": {0: "N", 2: "H", 3: "W"}}
    with quiet(), torch.no_grad():
        torch.onnx.export(
            *(Maps().eval(), (torch.zeros(1, 3, 65, 95),), file),
            input_names=["images"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 4
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"images": image.contiguous().numpy()})


if __name__ == "__main__":
    sys.exit(main())
