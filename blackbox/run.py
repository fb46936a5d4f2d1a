#!/usr/bin/env python3
"""Black-box tests: the real binary, SIPp as both carriers, real audio, an HTTP customer, a webhook receiver.

Usage: blackbox/run.py --binary target/release/axbridge [--only NAME] [--keep]
"""

import argparse
import shutil
import sys
import tempfile
import time
import traceback

import crash
import api_scenarios
import scenarios
from bench_bed import Bed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--only", default="", help="only tests whose name contains this")
    parser.add_argument("--keep", action="store_true", help="keep the logs of every test")
    options = parser.parse_args()
    passed, failed = 0, []
    for test in scenarios.ALL + crash.ALL + api_scenarios.ALL:
        if options.only not in test.__name__:
            continue
        folder = tempfile.mkdtemp(prefix=f"axbridge-{test.__name__}-")
        bed, started = None, time.monotonic()
        try:
            bed = Bed(options.binary, folder, **getattr(test, "settings", {}))
            test(bed)
            bed.check_leaks()
            bed.check_log()
            passed += 1
            print(f"ok    {test.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
        except Exception:  # every failure is reported, none ends the run
            failed.append(test.__name__)
            print(f"FAIL  {test.__name__}\n{traceback.format_exc()}", flush=True)
            if bed:
                print(bed.explain(), flush=True)
        finally:
            if bed:
                bed.close()
            if not options.keep and test.__name__ not in failed:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                print(f"      kept: {folder}", flush=True)
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
