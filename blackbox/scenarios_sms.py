"""Texts through X: SIPp as both carriers, an SMSC that is not ours (npm's `smpp`), a customer who is asked and told."""

import contextlib
import http.server
import json
import os
import queue
import subprocess
import threading
import time

import phones
from bench_bed import A, B, STRANGER, X, spellings
from platform_under_test import tcp_port

ALL = []
HERE = os.path.dirname(os.path.abspath(__file__))
AX_X, X_X = "+8617000000201", "+8617000000301"
FAST = "[sms]\nretry_first_s = 1\nreceipt_wait_s = 2\nblock_timeout_ms = 1000\n"
LINK = """[[smpp]]
name = "smsc"
host = "127.0.0.1"
port = {port}
system_id = "axbridge"
password = "s3cret"
throughput_per_s = 200
"""


def scenario(**settings):
    def register(test):
        test.settings = {"extra": FAST, **settings}
        ALL.append(test)
        return test

    return register


class Customer:
    """Is told of texts (/notify) and asked about them (/control); what it answers is `answer`, after `delay_s`."""

    def __init__(self):
        self.told, self.asked = [], []
        self.answer, self.delay_s = {}, 0
        customer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked = self.path == "/control"
                (customer.asked if asked else customer.told).append(body)
                if asked:
                    time.sleep(customer.delay_s)
                content = json.dumps(customer.answer).encode() if asked else b""
                with contextlib.suppress(OSError):
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def settings(self, **more):
        return {"sms": {"enabled": True, "notify_url": self.url + "/notify", "control_url": self.url + "/control", **more}}

    def event(self, count=1, timeout=20):
        """The last of `count` notifications; no more may have come."""
        limit = time.monotonic() + timeout
        while time.monotonic() < limit and len(self.told) < count:
            time.sleep(0.02)
        assert len(self.told) == count, f"{len(self.told)} notifications instead of {count}: {self.told}"
        event = self.told[-1]["smsEvent"]
        assert event["notificationMode"] == "Notify" and event["event"] == "Text SMS ", event
        event |= {para["key"]: para["value"] for para in event.pop("extInfo")["extParas"]}
        return event

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Smsc:
    """See smsc/smsc.cjs. The package must be there: without its peer this test means nothing."""

    def __init__(self, port):
        modules = os.environ.get("SMSC_MODULES", "")
        assert os.path.isdir(os.path.join(modules, "node_modules", "smpp")), "set SMSC_MODULES: npm ci in a copy of blackbox/smsc"
        command = ["node", os.path.join(HERE, "smsc", "smsc.cjs"), modules, str(port)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events, self.kept = queue.Queue(), []
        threading.Thread(target=self._read, daemon=True).start()
        self.expect("listening")

    def _read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))

    def expect(self, event, timeout=20):
        """The next event of this kind. The others are kept: an answer and a submission may overtake each other."""
        limit = time.monotonic() + timeout
        while True:
            for at, found in enumerate(self.kept):
                if found["event"] == event:
                    return self.kept.pop(at)
            try:
                self.kept.append(self.events.get(timeout=max(0.01, limit - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"no {event} of the SMSC; there were {self.kept}") from None

    def do(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def bring(self, sender, x, text, status=0, **more):
        """Brings a text; it must be answered with this status."""
        self.do(**{"do": "deliver", "from": sender[1:], "to": x[1:], "text": text, "tag": 1, **more})
        answer = self.expect("answer")
        assert answer["status"] == status, f"deliver_sm_resp {answer['status']:#x} instead of {status:#x}"

    def close(self):
        self.process.kill()
        self.process.wait()


def turn_on(bed, customer, texts, **more):
    """Texts on both trunks and for the application of the bed."""
    p = bed.platform
    for number in (1, 2):
        trunk = p.demand("GET", f"/admin/v1/trunks/{number}")
        p.demand("PUT", f"/admin/v1/trunks/{number}", trunk | {"texts": texts})
    p.demand("PATCH", f"/admin/v1/applications/{p.key}", {"settings": customer.settings(content=True, **more)})


def application(bed, customer, mode, x):
    """A further application, of another mode."""
    app = {"key": f"{mode}Sms01", "secret": "clientSecret-0123456789", "sp_id": "acme", "mode": mode}
    bed.platform.demand("POST", "/admin/v1/applications", app | {"settings": customer.settings(content=True)})
    numbers = [{"number": x, "area": "0755", "trunk": 2}]
    bed.platform.demand("POST", "/admin/v1/numbers", {"app": app["key"], "numbers": numbers})
    return app


def write(bed, text, x=X, a=A, name="a_texts"):
    keys = (("x", x), ("a", a), ("text", text))
    leg = phones.Sipp(name, bed.a_ip, bed.a_port, bed.folder, bed.a_phone, bed.platform.sip_at, keys)
    bed.legs.append(leg)
    assert leg.wait() == 0, leg.explain()
    return leg


def read(bed, leg, receiver, shown=X, sender=A):
    """What a receiving leg was sent, and that it shows X alone."""
    assert leg.wait() == 0, leg.explain()
    came = [body for direction, first, body in leg.parts() if direction == "received" and first.startswith("MESSAGE")]
    whole = came[-1]
    head, _, text = whole.partition(b"\r\n\r\n")
    assert head.startswith(f"MESSAGE sip:{receiver}@".encode()), head
    assert f"From: <sip:{shown}@".encode() in head, head
    for spelling in spellings(sender):
        assert spelling not in head, "the sender's number is in the head of a text"
    return text.decode().rstrip("\r\n")


def kept_text(bed):
    import sqlite3

    with contextlib.closing(sqlite3.connect(f"file:{bed.platform.data}/axbridge.db?mode=ro", uri=True)) as db:
        return db.execute("SELECT count(*) FROM texts WHERE written IS NOT NULL OR text IS NOT NULL").fetchone()[0]


@scenario()
def a_text_over_sip_reaches_b_and_the_customer_is_told(bed):
    with contextlib.closing(Customer()) as customer:
        turn_on(bed, customer, "sip")
        bound = bed.platform.bind(X, A, B, userData="order42")
        reader = bed.callee("b_reads")
        write(bed, "on my way 在路上")
        assert read(bed, reader, B) == "on my way 在路上"
        event = customer.event()
        assert (event["sendResult"], event["splitNum"], event["direction"]) == (0, "1", "1"), event
        assert (event["calling"], event["called"], event["virtualNumber"]) == (A, B, X), event
        assert (event["subscriptionId"], event["userData"]) == (bound["subscriptionId"], "order42")
        assert event["smsContent"] == "on my way 在路上"
        assert customer.told[0]["appKey"] == bed.platform.key
        assert kept_text(bed) == 0, "what was written is still in the database"


@scenario()
def a_text_that_nobody_may_send_is_refused_and_told(bed):
    with contextlib.closing(Customer()) as customer:
        turn_on(bed, customer, "sip")
        write(bed, "hello", name="a_text_refused")
        event = customer.event()
        assert (event["sendResult"], event["direction"]) == (2, "2") and "called" not in event, event
        refusing = bed.platform.bind(X, A, B, privateSms="false")
        write(bed, "hello", name="a_text_refused")
        assert customer.event(2)["sendResult"] == 11
        bed.platform.unbind(refusing["subscriptionId"])
        bed.platform.bind(X, A, B)
        for told, (party, number) in enumerate((("caller", A), ("callee", B)), 3):
            bed.platform.demand("POST", "/admin/v1/blocked-numbers", {"party": party, "numbers": [number]})
            time.sleep(0.3)  # until the calls and texts know
            write(bed, "hello", name="a_text_refused")
            assert customer.event(told)["sendResult"] == 8
            bed.platform.demand("DELETE", f"/admin/v1/blocked-numbers?party={party}&number=%2B{number[1:]}")
            time.sleep(0.3)
        bed.platform.demand("PATCH", f"/admin/v1/numbers/{X}", {"status": "suspended"})
        write(bed, "hello", name="a_text_refused")
        assert customer.event(5)["sendResult"] == 3


@scenario()
def a_text_that_is_not_taken_is_sent_again_also_after_a_kill(bed):
    with contextlib.closing(Customer()) as customer:
        turn_on(bed, customer, "sip")
        bed.platform.bind(X, A, B)
        busy = bed.callee("b_refuses_text")
        write(bed, "keep this")
        assert busy.wait() == 0, busy.explain()
        assert not customer.told, "told before it is over"
        bed.platform.kill()
        reader = bed.callee("b_reads")
        bed.platform.start()
        assert read(bed, reader, B) == "keep this"
        assert customer.event()["sendResult"] == 0


@scenario()
def ax_shows_a_who_wrote_and_a_answers_by_number(bed):
    with contextlib.closing(Customer()) as customer:
        turn_on(bed, customer, "sip")
        app = application(bed, customer, "ax", AX_X)
        bed.hidden_from_b = []  # A of AX is told who wrote, by design
        bed.platform.key, bed.platform.secret = app["key"], app["secret"]
        status, content, _ = bed.platform.customer("POST", "/rest/provision/caas/privatenumber/v1.0", {"origNum": A, "privateNum": AX_X, "privateNumType": "mobile-virtual", "recordFlag": "false", "privateSms": "true", "calleeNumDisplay": "0"})
        assert status == 200, content
        reader = bed.callee("b_reads")
        write(bed, "are you there", x=AX_X, a=STRANGER)
        assert read(bed, reader, A, AX_X, STRANGER) == f"are you there[From{STRANGER[3:]}]"
        event = customer.event()
        assert (event["sendResult"], event["direction"], event["called"]) == (0, "0", A), event
        reader = bed.callee("b_reads")
        write(bed, f"yes@{STRANGER[3:]}", x=AX_X, a=A)
        assert read(bed, reader, STRANGER, AX_X) == "yes"
        event = customer.event(2)
        assert (event["direction"], event["called"]) == ("1", STRANGER), event
        assert not customer.asked
        # Without a number the customer is asked; then a question for whom nobody answers in time.
        customer.answer = {"actions": [{"operation": "vNumberRoute", "message": {"called": B, "calling": A}}]}
        reader = bed.callee("b_reads")
        write(bed, "for whom", x=AX_X, a=A)
        assert read(bed, reader, B, AX_X) == "for whom"
        asked = customer.asked[0]["smsEvent"]
        assert (asked["notificationMode"], asked["calling"], asked["virtualNumber"]) == ("Block", A, AX_X), asked
        assert customer.event(3)["smsIdentifier"] == asked["smsIdentifier"]


@scenario()
def x_mode_asks_of_every_text(bed):
    with contextlib.closing(Customer()) as customer:
        turn_on(bed, customer, "sip")
        application(bed, customer, "x", X_X)
        customer.answer = {"actions": [{"operation": "vNumberRoute", "message": {"called": B, "calling": A}}]}
        reader = bed.callee("b_reads")
        write(bed, "through x", x=X_X)
        assert read(bed, reader, B, X_X) == "through x"
        event = customer.event()
        assert (event["sendResult"], event["direction"]) == (0, "1"), event
        customer.answer = {"actions": [{"operation": "DiscardMessage"}]}
        write(bed, "drop me", x=X_X)
        assert customer.event(2)["sendResult"] == 6
        customer.delay_s = 3
        write(bed, "too late", x=X_X)
        assert customer.event(3)["sendResult"] == 7
        assert len(customer.asked) == 3


@contextlib.contextmanager
def with_smsc(bed):
    with contextlib.closing(Customer()) as customer, contextlib.closing(Smsc(tcp_port())) as smsc:
        port = int(smsc.process.args[-1])
        with open(bed.platform.config, "a", encoding="utf-8") as f:
            f.write(LINK.format(port=port))
        bed.platform.stop()
        bed.platform.start()
        bind = smsc.expect("bind")
        assert bind["good"] and bind["version"] == 0x34, bind
        turn_on(bed, customer, {"smpp": "smsc"})
        bed.platform.bind(X, A, B)
        yield customer, smsc


def submitted(smsc, count=1):
    parts = [smsc.expect("submit") for _ in range(count)]
    for part in parts:
        assert (part["from"], part["to"], part["ton"]) == (X[1:], B[1:], 1), part
    return parts


@scenario()
def a_text_over_smpp_with_its_receipt(bed):
    with with_smsc(bed) as (customer, smsc):
        smsc.bring(A, X, "hello @ [you]")
        (part,) = submitted(smsc)
        assert (part["text"], part["coding"], part["receipt"]) == ("hello @ [you]", 0, 1), part
        time.sleep(0.5)
        assert not customer.told, "told before the receipt"
        smsc.bring(B, X, f"id:{part['id']} sub:001 dlvrd:001 stat:DELIVRD err:000 text:", receipt=True)
        assert customer.event()["sendResult"] == 0
        smsc.bring(A, X, "你好")
        (part,) = submitted(smsc)
        assert (part["text"], part["coding"]) == ("你好", 8), part
        smsc.bring(B, X, f"id:{part['id']} stat:UNDELIV err:001 text:", receipt=True)
        assert customer.event(2)["sendResult"] == 10
        smsc.bring(A, X, "no receipt comes")
        submitted(smsc)
        assert customer.event(3)["sendResult"] == 0, "what was taken counts when nothing is reported"


@scenario()
def long_texts_over_smpp(bed):
    text = "".join(chr(ord("a") + n % 26) for n in range(400))
    with with_smsc(bed) as (customer, smsc):
        for way in ("udh", "udh16", "sar", "payload"):
            cuts = [text[at : at + 140] for at in range(0, 400, 140)]
            if way == "payload":
                smsc.bring(A, X, text, payload=True)
            else:
                # The last part first, and one of them twice.
                for number in (3, 1, 1, 2):
                    more = {
                        "udh": {"udh": f"05000307{3:02x}{number:02x}"},
                        "udh16": {"udh": f"0608041234{3:02x}{number:02x}"},
                        "sar": {"sar": [99, 3, number]},
                    }[way]
                    smsc.bring(A, X, cuts[number - 1], **more)
            parts = submitted(smsc, 3)
            assert "".join(part["text"] for part in parts) == text, way
            headers = [part["udh"][0] for part in parts]
            assert len({h[:6] for h in headers}) == 1 and [h[-4:] for h in headers] == ["0301", "0302", "0303"], headers
            for part in parts:
                smsc.bring(B, X, f"id:{part['id']} stat:DELIVRD text:", receipt=True)
            event = customer.event(len(customer.told) or 1) if customer.told else customer.event()
            assert (event["sendResult"], event["splitNum"], event["smsContent"]) == (0, "3", text), (way, event)
            customer.told.clear()


@scenario()
def a_part_survives_a_kill_and_the_rest_makes_it_whole(bed):
    with with_smsc(bed) as (customer, smsc):
        smsc.bring(A, X, "first half, ", udh="050003070201")
        bed.platform.kill()
        bed.platform.start()
        smsc.expect("bind")
        time.sleep(0.3)
        smsc.bring(A, X, "second half", udh="050003070202")
        (part,) = submitted(smsc)
        assert part["text"] == "first half, second half", part


@scenario()
def an_smsc_that_is_busy_or_gone_loses_nothing(bed):
    with with_smsc(bed) as (customer, smsc):
        # ESME_RTHROTTLED, then taken; then refused for good.
        smsc.do(do="refuse", statuses=[0x58])
        smsc.bring(A, X, "wait a moment")
        assert smsc.expect("submit")["status"] == 0x58
        (part,) = submitted(smsc)
        assert part["status"] == 0 and customer.event()["sendResult"] == 0
        smsc.do(do="refuse", statuses=[0x0B])
        smsc.bring(A, X, "nobody there")
        assert customer.event(2)["sendResult"] == 10
        smsc.do(do="drop")
        smsc.expect("closed")
        smsc.expect("bind")
        time.sleep(0.3)
        smsc.bring(A, X, "after the loss")
        assert [part["text"] for part in submitted(smsc, 2)] == ["nobody there", "after the loss"]


@scenario()
def what_an_smsc_brings_wrongly_is_refused(bed):
    with with_smsc(bed) as (customer, smsc):
        smsc.bring(A, "+8617000009999", "who is this", status=0x0B)
        smsc.bring(STRANGER, X, "not bound", status=0x65)
        assert customer.event()["sendResult"] == 2
        smsc.bring(A, X, "binary", status=0x65, coding=4)
        smsc.bring(A, X, "a" * 2001, status=0x01, payload=True)
        smsc.bring(A, X, "part of too many", status=0x01, udh="05000307ff01")
        assert len(customer.told) == 1
        assert bed.platform.stop() == 0
        smsc.expect("unbind")
