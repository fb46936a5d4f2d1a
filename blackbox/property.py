#!/usr/bin/env python3
"""Property test of both HTTP APIs: schemathesis reads the documents that the running program serves, makes up requests
that fit them and requests that do not, and holds every answer against them. No answer may be a 5xx, and none may be
one that the document does not describe.

Usage: blackbox/property.py --binary target/release/axbridge [--seed N] [--examples N] [--python VENV/bin/python]

Without --python it installs schemathesis with pip into a temporary folder; that it cannot be installed is a failure.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv

import audio
from platform_under_test import Platform

HERE = os.path.dirname(os.path.abspath(__file__))
WANTED = os.path.join(HERE, "property_requirements.txt")
# What is held against the documents. The others of schemathesis' checks concern how a refusal is to be chosen, where
# these APIs have their own rules (everything that is refused is 403 with a code).
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
]
# For each surface; on a machine that is not busy it takes about 25 s.
LIMIT_S = 150
# One binding of each mode: A, another, X.
BINDS = {
    "axb": lambda a, b, x: (Platform.AXB, {"callerNum": a, "calleeNum": b, "relationNum": x}),
    "ax": lambda a, _, x: ("/rest/provision/caas/privatenumber/v1.0", {"origNum": a, "privateNum": x}),
    "axe": lambda a, _, x: ("/rest/caas/extendnumber/v1.0", {"bindNum": a, "virtualNum": x}),
    "axyb": lambda a, _, x: ("/rest/omp/xyrelationnumber/v1.0", {"origNum": a, "areaCode": "0755"}),
    "x": None,
}
# What must have succeeded at least once, or the requests were all refused too early to prove anything.
SUCCEED = {
    "customer": [
        "POST /rest/caas/relationnumber/partners/v1.0 200",
        "POST /rest/provision/caas/privatenumber/v1.0 200",
        "POST /rest/caas/extendnumber/v1.0 200",
        "POST /rest/omp/xyrelationnumber/v1.0 200",
        "GET /v1/records 200",
    ],
    "operator": [
        "POST /admin/v1/applications 201",
        "POST /admin/v1/numbers 201",
        "PUT /admin/v1/trunks/{id} 200",
        "GET /admin/v1/records 200",
    ],
}


def install(folder):
    """The interpreter of a fresh environment with schemathesis in it."""
    venv.create(folder, with_pip=True)
    python = os.path.join(folder, "bin", "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement", WANTED], check=True, timeout=300)
    return python


def provision(platform):
    """An application of each mode with a few numbers and bindings: the key is the mode, so that the hooks know which to
    sign with. Gives them the numbers, and the identities of what is bound, by mode."""
    trunk = {"id": 1, "name": "carrier", "peers": ["127.0.0.2:5060"]}
    platform.demand("PUT", "/admin/v1/trunks/1", trunk)
    wav = audio.wav_alaw(audio.tone(1000, 200))
    numbers, bound = {}, {}
    for at, (mode, bind) in enumerate(BINDS.items()):
        settings = {"recording": True, "rate_per_s": 100_000, "rate_burst": 100_000, "axe": {"extension_digits": 2}}
        app = {"key": mode, "secret": platform.secret, "sp_id": "acme", "mode": mode, "settings": settings}
        platform.demand("POST", "/admin/v1/applications", app)
        numbers[mode] = [f"+861700000{at}{n:03}" for n in range(8)]
        given = [{"number": number, "area": "0755", "trunk": 1} for number in numbers[mode]]
        platform.demand("POST", "/admin/v1/numbers", {"app": mode, "numbers": given})
        platform.demand("PUT", f"/admin/v1/applications/{mode}/prompts/a.wav", wav, "audio/wav")
        platform.key = mode
        for n in range(4 if bind else 0):
            path, body = bind(f"+86139000001{n:02}", f"+86139000002{n:02}", numbers[mode][n])
            status, answer, _ = platform.customer("POST", path, body)
            assert status == 200, f"{mode}: {answer}"
            bound.setdefault(mode, []).append(answer["subscriptionId"])
    os.environ["AXBRIDGE_NUMBERS"] = json.dumps(numbers)
    os.environ["AXBRIDGE_BOUND"] = json.dumps(bound)


def examine(python, platform, surface, document, options):
    """Runs schemathesis against one document; gives whether it found nothing."""
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "property_hooks",
        "PYTHONPATH": HERE,
        "AXBRIDGE_SECRET": platform.secret,
        "AXBRIDGE_TOKEN": platform.token,
        "AXBRIDGE_SURFACE": surface,
        "AXBRIDGE_ANSWERS": os.path.join(platform.folder, f"answers-{surface}.json"),
    }
    command = [python, "-m", "schemathesis.cli", "run", document, "--checks", ",".join(CHECKS)]
    command += ["--seed", str(options.seed), "--max-examples", str(options.examples), "--workers", "2"]
    command += ["--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure", "--no-color"]
    command += ["--generation-database", "none", "--suppress-health-check", "all", "--warnings", "off"]
    command += ["--request-timeout", "10"]
    started = time.monotonic()
    try:
        done = subprocess.run(command, env=environment, cwd=platform.folder, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        print(f"FAIL  {surface}: not done in {LIMIT_S} s")
        return False
    with open(environment["AXBRIDGE_ANSWERS"], encoding="utf-8") as f:
        answers = json.load(f)
    never = [wanted for wanted in SUCCEED[surface] if wanted not in answers]
    passed = done.returncode == 0 and not never
    took = time.monotonic() - started
    print(f"{'ok   ' if passed else 'FAIL '} {surface}: {sum(answers.values())} requests ({took:.1f} s)", flush=True)
    if never:
        print(f"never happened: {', '.join(never)}")
    return passed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--seed", type=int, default=20261125)
    parser.add_argument("--examples", type=int, default=40, help="made-up requests for each operation")
    parser.add_argument("--python", help="an interpreter that has schemathesis")
    parser.add_argument("--only", choices=["customer", "operator"])
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="axbridge-property-")
    passed, platform = False, None
    try:
        python = options.python or install(os.path.join(folder, "venv"))
        platform = Platform(options.binary, folder, extra="[log]\nlevel = \"warn\"\n")
        provision(platform)
        # The customers' first: the operator's requests take applications and numbers away.
        surfaces = {
            "customer": f"http://{platform.host}:{platform.customer_port}/v1/openapi.json",
            "operator": f"http://{platform.host}:{platform.operator_port}/admin/v1/openapi.json",
        }
        wanted = [(name, url) for name, url in surfaces.items() if options.only in (None, name)]
        passed = all([examine(python, platform, name, url, options) for name, url in wanted])
        if platform.process.poll() is not None or "panicked" in platform.log_text():
            print(f"FAIL  the program broke off:\n{platform.log_tail()}")
            passed = False
    finally:
        if platform and platform.process.poll() is None:
            platform.kill()
    if passed:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"kept: {folder}")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
