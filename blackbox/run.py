#!/usr/bin/env python3
"""Black-box tests: the real binary, SIPp as both carriers, real audio, an HTTP customer, a webhook receiver.

Usage: blackbox/run.py --binary target/release/axbridge [--only NAME,NAME] [--jobs N] [--keep]

Each test is a process of its own, with a platform and carriers of its own; `--jobs` of them at a time. Beside them run
those that mostly wait, and, one after the other, those that kill and load their platform.
"""

import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

import api_scenarios
import crash
import malformed
import running_calls
import scenarios
import scenarios_ax
import scenarios_axe
import scenarios_axyb
import scenarios_endings
import scenarios_sms
import scenarios_x
from bench_bed import Bed

MODULES = [
    scenarios,
    scenarios_ax,
    scenarios_axe,
    scenarios_axyb,
    scenarios_x,
    scenarios_endings,
    scenarios_sms,
    running_calls,
    api_scenarios,
]
# One at a time: these keep the machine busy.
HEAVY = [crash, malformed]
# More than any of them needs on a busy machine.
LONGEST_S = 300


def tests():
    """All tests by name: `module.function`, where the module's `scenarios` is left out."""
    found = {}
    for module in [*MODULES, *HEAVY]:
        kind = module.__name__.removeprefix("scenarios").removeprefix("_")
        for test in module.ALL:
            found[f"{kind}.{test.__name__}" if kind else test.__name__] = test
    return found


def run_here(name, test, options):
    """Runs one test; whether it passed."""
    folder = tempfile.mkdtemp(prefix=f"axbridge-{name}-")
    bed, started, passed = None, time.monotonic(), False
    try:
        mode = getattr(sys.modules[test.__module__], "MODE", "axb")
        bed = Bed(options.binary, folder, **{"mode": mode, **getattr(test, "settings", {})})
        test(bed)
        bed.check_leaks()
        bed.check_log()
        passed = True
        print(f"ok    {name} ({time.monotonic() - started:.1f} s)", flush=True)
    except Exception:  # every failure is reported
        print(f"FAIL  {name}\n{traceback.format_exc()}", flush=True)
        if bed:
            print(bed.explain(), flush=True)
    finally:
        if bed:
            bed.close()
        if not options.keep and passed:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"      kept: {folder}", flush=True)
    return passed


def run_beside(name, options):
    """Runs one test in a process of its own; prints what it printed, in one piece."""
    command = [sys.executable, os.path.abspath(__file__), "--binary", options.binary, "--one", name]
    command += ["--keep"] if options.keep else []
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    try:
        said, _ = child.communicate(timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        child.kill()
        said = f"FAIL  {name}: not over after {LONGEST_S} s\n" + (child.communicate()[0] or "")
    print(said, end="", flush=True)
    return child.returncode == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--only", default="", help="only tests whose name contains one of these, with commas between")
    parser.add_argument("--jobs", type=int, default=3, help="tests at a time")
    parser.add_argument("--keep", action="store_true", help="keep the logs of every test")
    parser.add_argument("--one", help="exactly this test, in this process")
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    if options.one:
        sys.exit(0 if run_here(options.one, tests()[options.one], options) else 1)
    started = time.monotonic()
    parts = options.only.split(",")
    chosen = {name: test for name, test in tests().items() if any(part in name for part in parts)}
    waiting = [name for name, test in chosen.items() if getattr(test, "waits", False)]
    heavy_modules = {module.__name__ for module in HEAVY}
    heavy = [name for name, test in chosen.items() if test.__module__ in heavy_modules]
    others = [name for name in chosen if name not in waiting and name not in heavy]
    lanes = [(waiting, len(waiting)), (heavy, 1), (others, options.jobs)]
    pools = [(names, concurrent.futures.ThreadPoolExecutor(max(1, count))) for names, count in lanes]
    runs = {name: pool.submit(run_beside, name, options) for names, pool in pools for name in names}
    failed = [name for name, run in runs.items() if not run.result()]
    print(f"{len(runs) - len(failed)} passed, {len(failed)} failed in {time.monotonic() - started:.0f} s")
    for name in failed:
        print(f"FAIL  {name}")
    sys.exit(1 if failed or not runs else 0)


if __name__ == "__main__":
    main()
