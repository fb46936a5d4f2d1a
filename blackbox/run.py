#!/usr/bin/env python3
"""Black-box tests: the real binary, SIPp as both carriers, real audio, an HTTP customer, a webhook receiver.

Usage: blackbox/run.py --binary target/release/axbridge [--only NAME,NAME] [--jobs N] [--keep]
"""

import argparse
import multiprocessing
import shutil
import sys
import tempfile
import time
import traceback

import api_scenarios
import crash
import scenarios
from bench_bed import Bed

TESTS = scenarios.ALL + crash.ALL + api_scenarios.ALL


def run_one(work):
    """Runs one test in a process of its own; gives its name, whether it passed, and what is to be printed."""
    number, binary, keep = work
    test = TESTS[number]
    folder = tempfile.mkdtemp(prefix=f"axbridge-{test.__name__}-")
    bed, started, said, passed = None, time.monotonic(), [], False
    try:
        bed = Bed(binary, folder, **getattr(test, "settings", {}))
        test(bed)
        bed.check_leaks()
        bed.check_log()
        passed = True
        said.append(f"ok    {test.__name__} ({time.monotonic() - started:.1f} s)")
    except Exception:  # every failure is reported, none ends the run
        said.append(f"FAIL  {test.__name__}\n{traceback.format_exc()}")
        if bed:
            said.append(bed.explain())
    finally:
        if bed:
            bed.close()
    if keep or not passed:
        said.append(f"      kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return test.__name__, passed, "\n".join(said)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--only", default="", help="only tests whose name contains one of these, with commas between")
    parser.add_argument("--jobs", type=int, default=3, help="tests at once")
    parser.add_argument("--keep", action="store_true", help="keep the logs of every test")
    options = parser.parse_args()
    names = options.only.split(",")
    work = [
        (number, options.binary, options.keep)
        for number, test in enumerate(TESTS)
        if any(name in test.__name__ for name in names)
    ]
    failed = []
    with multiprocessing.Pool(options.jobs, maxtasksperchild=1) as pool:
        for name, passed, said in pool.imap_unordered(run_one, work, chunksize=1):
            print(said, flush=True)
            if not passed:
                failed.append(name)
    print(f"{len(work) - len(failed)} passed, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
    sys.exit(1 if failed or not work else 0)


if __name__ == "__main__":
    main()
