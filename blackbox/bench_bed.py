"""One test's bed: a platform with an application, numbers, prompts and two trunks, and its two carriers."""

import contextlib
import json
import os
import sqlite3
import time

import audio
import phones
from platform_under_test import Platform, Sink

X = "+8617000000001"
X2 = "+8617000000002"
A = "+8613900000001"
B = "+8613900000002"
STRANGER = "+8613900000009"
# A third private number, which AXYB needs to have a choice.
X3 = "+8617000000003"
# What must never be seen on the other side besides the numbers: the canaries of the scenarios, and the addresses.
CANARIES = [b"canary", b"Canary"]

PROMPTS = {
    "pre.wav": (1000, 600),
    "hint.wav": (1200, 500),
    "last.wav": (1400, 800),
    "refuse.wav": (1600, 600),
    "ask.wav": (1800, 800),
    "wrong.wav": (2000, 600),
    "wrong_end.wav": (2200, 600),
    "empty_end.wav": (2400, 600),
    "wait.wav": (2600, 600),
    "tone.wav": (2800, 600),
}


class Bed:
    """See the module. `minute_ms` is the length of a minute of maxDuration. `trunks`: keys of the callee's and of the
    caller's trunk that are not as by default, by "a" and "b"."""

    def __init__(
        self, binary, folder, minute_ms=60000, settings=None, extra="", transport="udp", ipv6=False, mode="axb", trunks=None,
        numbers=2, environment=None,
    ):
        self.folder, self.mode, self.trunks, self.numbers = folder, mode, trunks or {}, numbers
        self.sink = Sink("demoKey01", "demoSecret-0123456789")
        host, *carriers = phones.own_addresses()
        self.a_ip, self.b_ip = ("::1", "::1") if ipv6 else carriers
        self.tcp = transport == "tcp"
        self.platform = Platform(binary, folder, minute_ms, extra, "::1" if ipv6 else host, host, environment)
        self.a_port, self.b_port = phones.free_port(self.a_ip), phones.free_port(self.b_ip)
        self.a_phone, self.b_phone = phones.Phone(self.a_ip, 440), phones.Phone(self.b_ip, 880)
        self.legs = []
        self.hidden_from_b, self.hidden_from_a = [A], [B]
        self._provision(settings or {})

    def _provision(self, settings):
        p = self.platform
        for number, side, ip, port in ((1, "a", self.a_ip, self.a_port), (2, "b", self.b_ip, self.b_port)):
            trunk = {"id": number, "name": f"carrier-{number}", "peers": [phones.at(ip, port)]}
            trunk["transport"] = "tcp" if self.tcp else "udp"
            trunk |= self.trunks.get(side, {})
            p.demand("PUT", f"/admin/v1/trunks/{number}", trunk)
        url = f"http://127.0.0.1:{self.sink.port}"
        wanted = {"recording": True, "recording_layout": "stereo", "call_status_url": url + "/status", "cdr_url": url + "/cdr"}
        p.demand(
            "POST",
            "/admin/v1/applications",
            {"key": p.key, "secret": p.secret, "sp_id": "acme", "mode": self.mode, "settings": wanted},
        )
        numbers = [{"number": n, "area": "0755", "trunk": 2} for n in (X, X2, X3)[: self.numbers]]
        p.demand("POST", "/admin/v1/numbers", {"app": p.key, "numbers": numbers})
        for name, (frequency, milliseconds) in PROMPTS.items():
            wav = audio.wav_alaw(audio.tone(frequency, milliseconds))
            p.demand("PUT", f"/admin/v1/applications/{p.key}/prompts/{name}", wav, "audio/wav")
        if settings:
            p.demand("PATCH", f"/admin/v1/applications/{p.key}", {"settings": settings})

    def callee(self, scenario, pause_ms=3000, **keys):
        leg = phones.Sipp(
            scenario, self.b_ip, self.b_port, self.folder, self.b_phone, keys=keys.items(), pause_ms=pause_ms, tcp=self.tcp
        )
        leg.listening()
        self.legs.append(leg)
        return leg

    def caller(self, scenario, pause_ms=3000, x=X, a=A, phone=None, port=None, keyed=""):
        """`phone` and `port`: for a second caller at the same time; `keyed`: the digits of a scenario that keys."""
        keys = (("x", x), ("a", a), *((f"d{n}", digit) for n, digit in enumerate(keyed, 1)))
        target, phone, port = self.platform.sip_at, phone or self.a_phone, port or self.a_port
        leg = phones.Sipp(scenario, self.a_ip, port, self.folder, phone, target, keys, pause_ms, tcp=self.tcp)
        self.legs.append(leg)
        return leg

    def call(self, caller, callee, pause_ms=3000, callee_pause_ms=None, **who):
        """Runs one call to its end; both scenarios must have gone as they say."""
        b = self.callee(callee, pause_ms if callee_pause_ms is None else callee_pause_ms)
        a = self.caller(caller, pause_ms, **who)
        codes = a.wait(), b.wait()
        assert codes == (0, 0), f"SIPp: {codes}\n{a.explain()}\n{b.explain()}"
        return a, b

    def wait_event(self, name, timeout=15):
        """Waits until the customer has been told of an event of this name; gives its `statusInfo`."""
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            for event in self.sink.events():
                if event["eventType"] == name:
                    return event["statusInfo"]
            time.sleep(0.03)
        raise AssertionError(f"no {name} within {timeout} s")

    def record(self):
        """The one call record there must be, and the names of the events before it, in order."""
        records = self.sink.wait_records(1)
        assert len(records) == 1, f"{len(records)} call records"
        assert self.sink.bad_signatures == 0, "a notification was not signed as it should be"
        record = records[0]
        events = [e["eventType"] for e in self.sink.events(record["sessionId"])]
        return record, events

    def kept_record(self, session):
        """The record as the store keeps it: with milliseconds."""
        with contextlib.closing(sqlite3.connect(f"file:{self.platform.data}/axbridge.db?mode=ro", uri=True)) as db:
            (fact,) = db.execute("SELECT fact FROM call_records WHERE session = ?", (session,)).fetchone()
        return json.loads(fact)["kind"]

    def outbox_pending(self):
        """Notifications that are not noted as delivered."""
        with contextlib.closing(sqlite3.connect(f"file:{self.platform.data}/axbridge.db?mode=ro", uri=True)) as db:
            return db.execute("SELECT count(*) FROM outbox WHERE state = 0").fetchone()[0]

    def nothing_recorded(self):
        """No file, neither published nor half done."""
        files = [f for _, _, names in os.walk(os.path.join(self.platform.data, "recordings")) for f in names]
        assert not files, f"recordings on disk: {files}"

    def no_more_records(self):
        assert len(self.sink.records()) == 1, "more than one call record"

    def check_leaks(self):
        """Nothing that one side must not know is in anything that the other side has received."""
        for leg in self.legs:
            to_caller = leg.name.startswith("a_")
            bytes_in = leg.received()
            hidden = self.hidden_from_a if to_caller else self.hidden_from_b
            for number in hidden if leg.hidden is None else leg.hidden:
                for spelling in spellings(number):
                    assert spelling not in bytes_in, f"{leg.name} has received a hidden number"
            # The platform answers a carrier with that carrier's own From, To, Call-ID and Via: canaries are
            # looked for only in what the platform sends to the callee, and in the callee's own ones to the caller.
            other_ip = phones.at(*((self.b_ip, self.b_port) if to_caller else (self.a_ip, self.a_port)))
            if self.a_ip != self.b_ip:
                other_ip = other_ip.rsplit(":", 1)[0]
            assert other_ip.encode() not in bytes_in, f"{leg.name} has received the address of the other side"
            others = [b"canary-callee", b"canary-server"] if to_caller else CANARIES[:1] + [b"Canary Name"]
            own = b"canary-callee" if not to_caller else None
            for canary in others:
                found = bytes_in.replace(own, b"") if own else bytes_in
                assert canary not in found, f"{leg.name} has received {canary!r} of the other side"
        for phone in self.a_phone, self.b_phone:
            raw = b"".join(phone.raw)
            for number in (A, B, STRANGER):
                assert number[1:].encode() not in raw, "a hidden number is in the audio"

    def check_log(self):
        log = self.platform.log_tail()
        for number in {A, B, STRANGER}:
            assert number[1:] not in log and number[3:] not in log, "a whole number is in the log"
        assert "panicked" not in log, "the program panicked"

    def explain(self):
        parts = [leg.explain() for leg in self.legs]
        parts.append("events: " + ", ".join(e["eventType"] for e in self.sink.events()))
        parts.append("records: " + repr(self.sink.records()))
        try:
            parts.append(self.platform.log_tail())
        except OSError:
            pass
        return "\n".join(parts)

    def close(self):
        for leg in self.legs:
            leg.end()
        if self.platform.process.poll() is None:
            self.platform.kill()
        self.a_phone.close()
        self.b_phone.close()
        self.sink.close()


def spellings(number):
    digits = number[1:]
    national = number[3:]
    percent = "".join(f"%{ord(c):02X}" for c in national)
    return [s.encode() for s in (number, digits, national, "0" + national, percent, percent.lower(), "-".join(national))]
