"""The life of each mode, told by customers' clients of two languages and both signing schemes; see api_clients.

The clients know the reference and nothing of this program; here they get their application, and their calls."""

import json
import os
import subprocess
import tempfile

import phones
from bench_bed import A, B, STRANGER, spellings
from platform_under_test import tcp_port

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "api_clients")
AKSK = ["python3", os.path.join(CLIENTS, "aksk_client.py")]
WSSE = ["node", os.path.join(CLIENTS, "wsse_client.mjs")]
NUMBERS = [f"+861700000110{n}" for n in range(4)]
PARTIES = [A, B, STRANGER]
ALL = []


def provision(bed, mode, scheme, port):
    """An application of this mode, with its numbers and the client as its receiver."""
    url = f"http://127.0.0.1:{port}"
    settings = {"recording": True, "call_status_url": url + "/status", "cdr_url": url + "/cdr"}
    settings |= {"notification_scheme": scheme, "axe": {"tries": 1}}
    app = {"key": f"{mode}Key01", "secret": "clientSecret-0123456789", "sp_id": "acme", "mode": mode, "settings": settings}
    bed.platform.demand("POST", "/admin/v1/applications", app)
    numbers = [{"number": n, "area": "0755", "trunk": 2} for n in NUMBERS]
    bed.platform.demand("POST", "/admin/v1/numbers", {"app": app["key"], "numbers": numbers})
    return app


def life(bed, mode, scheme, program):
    # Who must not see whom changes from call to call; it is checked at each of them.
    bed.hidden_from_a, bed.hidden_from_b = [], []
    port = tcp_port()
    app = provision(bed, mode, scheme, port)
    command = [*program, "--url", f"http://{bed.platform.host}:{bed.platform.customer_port}", "--key", app["key"]]
    command += ["--secret", app["secret"], "--mode", mode, "--numbers", ",".join(NUMBERS)]
    command += ["--parties", ",".join(PARTIES), "--port", str(port)]
    with tempfile.TemporaryFile() as errors:
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            last = serve(bed, client)
            assert client.wait(10) == 0 and last == {"done": True}, f"{program[0]}: {last}"
        except AssertionError:
            errors.seek(0)
            print(errors.read().decode(errors="replace")[-2000:])
            raise
        finally:
            client.kill()
            client.wait()


def serve(bed, client):
    """Makes the calls that the client wants; gives its last line."""
    last = None
    for line in client.stdout:
        last = json.loads(line)
        if last.get("want") == "call":
            call(bed, **{name: last[name] for name in ("caller", "dialled", "reaches", "keys", "seconds", "stopped")})
            client.stdin.write("done\n")
            client.stdin.flush()
    return last


def call(bed, caller, dialled, reaches, keys, seconds, stopped):
    keyed = [(f"d{n + 1}", digit) for n, digit in enumerate(keys or "")]
    callee = bed.callee("b_answers") if reaches else None
    if stopped:
        scenario = "a_waits"
    elif keys:
        scenario = "a_keys_info" if reaches else "a_keys_wrong"
    else:
        scenario = "a_hangs_up" if reaches else "a_refused"
    # With a menu the caller's clock runs while the callee rings, too.
    pause = int(seconds * 1000) + (1500 if keys else 0)
    names = (("x", dialled), ("a", caller), *keyed)
    leg = phones.Sipp(scenario, bed.a_ip, bed.a_port, bed.folder, bed.a_phone, bed.platform.sip_at, names, pause)
    bed.legs.append(leg)
    assert leg.wait() == 0, leg.explain()
    if callee:
        assert callee.wait() == 0, callee.explain()
        invite = next(first for d, first in callee.ladder() if d == "received" and first.startswith("INVITE"))
        assert f"sip:{reaches}@" in invite, f"not {reaches} but {invite} was called"
        hide(callee, caller)
        hide(leg, reaches)


def hide(leg, number):
    for spelling in spellings(number):
        assert spelling not in leg.received(), f"{leg.name} has received a hidden number"


def register(mode, scheme, program):
    def test(bed):
        life(bed, mode, scheme, program)

    test.__name__ = f"life_of_{mode}_told_by_{program[0].removesuffix('3')}_with_{scheme}"
    ALL.append(test)


for _mode in ("axb", "ax", "axe", "axyb", "x"):
    register(_mode, "aksk", AKSK)
    register(_mode, "wsse", WSSE)
