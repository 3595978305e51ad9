"""The command line of a chaos run; exit code 1 unless nothing was lost, doubled or out of order."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import Outcome, Plan, run


def main() -> int:
    """Run once, print the verdict, and give the exit code."""
    plan = Plan()
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=plan.seconds, help="how long people ask (default: 60)")
    parser.add_argument("--mentions", type=int, default=plan.mentions, help="how much they ask (default: 300)")
    parser.add_argument("--seed", type=int, default=plan.seed, help="what is broken, and when (default: 1)")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="routernesia-chaos-"))
    plan = Plan(seconds=asked.seconds, mentions=asked.mentions, seed=asked.seed)
    outcome = asyncio.run(run(plan, folder=folder))
    print(report(plan, outcome))
    passed = outcome.verdict.passed and outcome.facts["settled"] and not outcome.facts["unaccounted"]
    if passed:
        shutil.rmtree(folder)
    print("PASSED" if passed else f"FAILED: the processes' logs are in {folder}")
    return 0 if passed else 1


def report(plan: Plan, outcome: Outcome) -> str:
    """The verdict, for people."""
    verdict = outcome.verdict
    lines = [f"seed {plan.seed}: {verdict.asked} mentions over {plan.places} conversations on Slack and Discord"]
    lines += [f"  {name:<22}{value}" for name, value in outcome.facts.items()]
    counts = {
        "answered whole": verdict.whole,
        "answered, interrupted": verdict.interrupted,
        "apologised for": verdict.apologised,
        "lost by Discord itself": verdict.unheard,
        "overtaken by a resend": verdict.overtaken,
    }
    lines += [f"  {name:<22} {len(found)}" for name, found in counts.items()]
    wrong = {
        "LOST": verdict.lost,
        "DOUBLED": [*verdict.doubled, *verdict.reposted],
        "OUT OF ORDER": verdict.disordered,
        "GARBLED": [*verdict.garbled, *verdict.strays],
    }
    return "\n".join([*lines, *(f"  {name:<22} {len(found)} {found or ''}".rstrip() for name, found in wrong.items())])


if __name__ == "__main__":
    sys.exit(main())
