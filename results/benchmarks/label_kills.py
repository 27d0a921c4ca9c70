"""`rankiqa label` with many raters at once, killed at random times: is each vote that was acknowledged there, and once?

The raters are HTTP clients that do what the page does: a vote without an answer is sent again, under the same
identifier, until there is one. Photos are small, so that the votes are what takes the time.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from rankiqa.study.vote_file import VoteFile

HERE = Path(__file__).parent
RUN = "import sys; from rankiqa.cli import main; sys.exit(main())"


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    parse.add_argument("--raters", type=int, default=8, help="clients at once")
    parse.add_argument("--votes", type=int, default=2000, help="of all of them")
    parse.add_argument("--kills", type=int, default=20, help="SIGKILLs, each after a random share of the votes")
    parse.add_argument("--photos", type=int, default=60, help="how many")
    parse.add_argument("--seed", type=int, default=0, help="of answers and kills")
    parse.add_argument("--out", type=Path, default=HERE / "label_kills.md", help="where the table goes")
    args = parse.parse_args(argv)

    with tempfile.TemporaryDirectory() as folder:
        found = Study(args, Path(folder)).run()
    lines = [f"| {name} | {value} |" for name, value in found.items()]
    command = shlex.join(["python", "results/benchmarks/label_kills.py", *argv])
    text = "\n".join(["# `rankiqa label` through kills", "", f"    {command}", "", "| | |", "|---|---|", *lines, ""])
    args.out.write_text(text, encoding="utf-8")
    print(text)
    return 0 if found["acknowledged votes that are lost"] == found["votes that are there twice"] == 0 else 1


class Study:
    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder = args, folder
        self.photos, self.out = folder / "photos", folder / "votes.sqlite"
        self.photos.mkdir()
        rng = np.random.default_rng(args.seed)
        for k in range(args.photos):
            small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            small.resize((96, 64), Image.Resampling.BICUBIC).save(self.photos / f"{k:03}.jpg")
        self.acknowledged: list[str] = []  # a list grows safely under threads
        self.resent = self.again = 0
        self.lock = threading.Lock()
        self.port, self.address = 0, ""

    def run(self) -> dict[str, int | str]:
        server = self.start()
        raters = [threading.Thread(target=self.rate, args=(k,)) for k in range(self.args.raters)]
        for rater in raters:
            rater.start()
        rng, kills = random.Random(self.args.seed), 0
        places = sorted(rng.randrange(self.args.votes * 19 // 20) for _ in range(self.args.kills))
        for place in places:
            while len(self.acknowledged) < place:
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.05))  # anywhere in a request
            server.kill()
            server.wait()
            kills += 1
            server = self.start()
        for rater in raters:
            rater.join()
        server.send_signal(signal.SIGINT)
        server.wait(30)
        with VoteFile(self.out) as votes:
            there = Counter(vote.uid for vote in votes.comparisons())
        sent = Counter(self.acknowledged)
        return {
            "raters at once": self.args.raters,
            "votes acknowledged": len(sent),
            "kills (SIGKILL)": kills,
            "acknowledged votes that are lost": len(sent.keys() - there.keys()),
            "votes that are there twice": sum(count > 1 for count in there.values())
            + sum(n > 1 for n in sent.values()),
            "votes that nobody got an acknowledgement for": len(there.keys() - sent.keys()),
            "votes sent more than once, as no answer came": self.resent,
            "of these, on the disk already": self.again,
        }

    def start(self) -> subprocess.Popen:
        command = [sys.executable, "-c", RUN, "label", str(self.photos), "--out", str(self.out), "--no-browser"]
        server = subprocess.Popen(
            [*command, "--port", str(self.port)], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert server.stdout is not None
        for line in server.stdout:
            if line.startswith("open "):
                self.address = line.split()[1]
                self.port = int(self.address.split(":")[2].split("/")[0])
                return server
        raise SystemExit("rankiqa label does not start")

    def rate(self, number: int) -> None:
        rng, name = random.Random(f"{self.args.seed} {number}"), f"rater {number} “😀”"
        with httpx.Client(timeout=60) as client:
            while True:
                with self.lock:
                    if len(self.acknowledged) >= self.args.votes:
                        return
                state, _ = self.insist(client, "next", {"rater": name, "page": "p"})
                question = state["questions"][0]
                photos = [photo["n"] for photo in question["photos"]]
                answer = rng.choice(["left", "right", "tie", "skip"])
                vote = {"rater": name, "uid": question["uid"], "photos": photos, "answer": answer, "seconds": 1.0}
                found, tries = self.insist(client, "vote", vote)
                self.acknowledged.append(question["uid"])
                with self.lock:
                    self.resent += tries > 1
                    self.again += not found["counted"]

    def insist(self, client: httpx.Client, what: str, body: dict) -> tuple[dict, int]:
        """The answer, and how many times it was asked for."""
        for tries in range(1, 10_000):
            try:
                answer = client.post(f"{self.address}api/{what}", json=body)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == 200:
                return answer.json(), tries
            if answer.status_code != 503:
                raise SystemExit(f"{what}: {answer.status_code} {answer.text}")
            time.sleep(0.05)
        raise SystemExit("no answer")


if __name__ == "__main__":
    sys.exit(main())
