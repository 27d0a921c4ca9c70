"""doctor: versions, devices, codecs and extras; what is missing, and how to get it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rankiqa.cli import HelpFormatter, guarded

_SIGNS = {"ok": " ", "missing": "-", "broken": "!"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa doctor",
        description="Look at what this machine has for rankiqa: versions, devices, image codecs, the bundled model and "
        "the optional extras. The exit status is 1 if something that is needed does not work.",
        epilog="example:\n  rankiqa doctor --json > report.json      for a bug report; it names no user and no host",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="as JSON (default: as text)")
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    from rankiqa.cli.installation import BROKEN, examine

    findings = examine()
    broken = [finding for finding in findings if finding.state == BROKEN]
    if options.json:
        import dataclasses
        import json

        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=1))
        return 1 if broken else 0
    width = max(len(finding.name) for finding in findings)
    group = None
    for finding in findings:
        if finding.group != group:
            group = finding.group
            print(f"{group}")
        cure = f"; {finding.cure}" if finding.cure else ""
        print(f" {_SIGNS[finding.state]} {finding.name:{width}s}  {finding.text}{cure}")
    print()
    if broken:
        print(f"{len(broken)} needed things do not work (!): {', '.join(finding.name for finding in broken)}")
    else:
        print("all that is needed works" + ("; - marks what is optional and not there" if _optional(findings) else ""))
    return 1 if broken else 0


def _optional(findings: Sequence) -> bool:
    return any(finding.state == "missing" for finding in findings)
