#!/usr/bin/env python3
"""A customer of the PrivateNumber API, written from its reference alone: Python's standard library, AKSK scheme.

Runs the whole life of one mode: binds, queries, modifies, is told of calls, fetches a recording, unbinds, and meets
the refusals that the reference names. It is its own receiver of notifications and checks their signatures.

Calls themselves are made by whoever started it: it prints `{"want": "call", ...}` on a line of its own and waits for a
line on its input. The last line is `{"done": true}`; a failed check ends it with exit code 1.

Usage: aksk_client.py --url http://127.0.0.1:8080 --key KEY --secret SECRET --mode ax --numbers +8617...,+8617... \
           --parties +86139...,+86139...,+86139... --port PORT
"""

import argparse
import base64
import datetime
import hashlib
import hmac
import http.client
import http.server
import json
import queue
import sys
import threading
import time
import urllib.parse
import uuid

AUTHORIZATION = 'AKSK realm="SDP",profile="UsernameToken",type="Appkey"'
TIME = "%Y-%m-%d %H:%M:%S"
STOP = "/rest/httpsessions/callStop/v2.0"


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def digest(secret, nonce, created):
    mac = hmac.new(secret.encode(), (nonce + created).encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


class Client:
    def __init__(self, url, key, secret):
        parts = urllib.parse.urlsplit(url)
        self.address, self.key, self.secret = (parts.hostname, parts.port), key, secret

    def headers(self):
        nonce = uuid.uuid4().hex
        created = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        password = digest(self.secret, nonce, created)
        return {
            "Content-Type": "application/json;charset=UTF-8",
            "Authorization": AUTHORIZATION,
            "X-AKSK": f'UsernameToken Username="{self.key}",PasswordDigest="{password}",Nonce="{nonce}",Created="{created}"',
        }

    def send(self, method, path, query=None, body=None, headers=None):
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        if query:
            # urlencode writes a number's + as %2B, as the reference asks.
            path += "?" + urllib.parse.urlencode(query)
        payload = None if body is None else json.dumps(body).encode()
        connection.request(method, path, payload, self.headers() if headers is None else headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content

    def ok(self, method, path, query=None, body=None):
        status, headers, content = self.send(method, path, query, body)
        check(status == 200, f"{method} {path}: {status} {content!r}")
        check(headers["Content-Type"].replace(" ", "") == "application/json;charset=UTF-8", headers["Content-Type"])
        result = json.loads(content)
        check(result["resultcode"] == "0" and result["resultdesc"] == "Success", f"{method} {path}: {result}")
        return result

    def refused(self, code, method, path, query=None, body=None, status=403):
        got, _, content = self.send(method, path, query, body)
        result = json.loads(content)
        check((got, result["resultcode"]) == (status, code), f"{method} {path}: {got} {result}, not {code}")
        check(isinstance(result["resultdesc"], str) and result["resultdesc"], f"no resultdesc: {result}")


class Receiver:
    """Takes notifications; answers those in Block mode by `answer`."""

    def __init__(self, port, key, secret):
        self.told = queue.Queue()
        self.early = []  # events of the call of this moment that were read before its end
        self.answer = lambda info: b""
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                content = self.rfile.read(int(self.headers["Content-Length"]))
                body = json.loads(content)
                problem = None
                if self.headers["Authorization"] != AUTHORIZATION:
                    problem = f"Authorization of a notification: {self.headers['Authorization']}"
                else:
                    problem = signature_problem(self.headers["X-AKSK"], key, secret)
                reply = b""
                if body.get("statusInfo", {}).get("notifyMode") == "Block":
                    reply = receiver.answer(body["statusInfo"])
                receiver.told.put((body, problem))
                self.send_response(200)
                if reply:
                    self.send_header("Content-Type", "application/json;charset=UTF-8")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, limit):
        try:
            body, problem = self.told.get(timeout=max(0.01, limit - time.monotonic()))
        except queue.Empty:
            raise Failed(f"nothing more was told; so far {self.early}") from None
        check(problem is None, problem)
        return body

    def session_of(self, event, timeout=30):
        """Waits for this event of the call that is going on; gives its sessionId."""
        limit = time.monotonic() + timeout
        while not self.early or self.early[-1]["eventType"] != event:
            self.early.append(self.next(limit))
        return self.early[-1]["statusInfo"]["sessionId"]

    def call(self, timeout=30):
        """The events and the record of the next call that is told of to its end."""
        limit = time.monotonic() + timeout
        events, record, self.early = self.early, None, []
        while record is None or not events or events[-1]["eventType"] != "disconnect":
            body = self.next(limit)
            if body["eventType"] == "fee":
                check(1 <= len(body["feeLst"]) <= 50, "a fee list of this length")
                record = body["feeLst"][0]
            else:
                events.append(body)
        return events, record


def signature_problem(header, key, secret):
    if not header or not header.startswith("UsernameToken "):
        return f"X-AKSK of a notification: {header}"
    pairs = (part.strip().split("=", 1) for part in header.removeprefix("UsernameToken ").split(","))
    token = {name: value.strip('"') for name, value in pairs}
    wanted = digest(secret, token["Nonce"], token["Created"])
    if token["Username"] != key or token["PasswordDigest"] != wanted:
        return "a notification is not signed with the application's key"
    return None


class Life:
    def __init__(self, options):
        self.client = Client(options.url, options.key, options.secret)
        self.receiver = Receiver(options.port, options.key, options.secret)
        self.key = options.key
        self.numbers, self.parties = options.numbers.split(","), options.parties.split(",")

    def call(self, caller, dialled, reaches, keys=None, seconds=1, stopped=False):
        """Has `caller` dial a number, be put through to `reaches` (None: to nobody), talk and hang up; or `stopped`: wait
        until both are hung up on, which is then asked for."""
        want = {"want": "call", "caller": caller, "dialled": dialled, "reaches": reaches, "keys": keys, "seconds": seconds}
        print(json.dumps({**want, "stopped": stopped}), flush=True)
        if stopped:
            self.stop(self.receiver.session_of("answer"))
        said = sys.stdin.readline()
        check(said.strip() == "done", f"no call: {said!r}")
        events, record = self.receiver.call()
        self.check_events(events, caller, dialled, record)
        return events, record

    def check_events(self, events, caller, dialled, record):
        names = [e["eventType"] for e in events]
        check(names[0] == "callin" and names[-1] == "disconnect", names)
        sessions = {e["statusInfo"]["sessionId"] for e in events}
        check(sessions == {record["sessionId"]}, f"one call, one sessionId: {sessions}")
        times = [e["statusInfo"]["timestamp"] for e in events]
        check(times == sorted(times) and all(time.strptime(t, TIME) for t in times), times)
        first, last = events[0]["statusInfo"], events[-1]["statusInfo"]
        check((first["caller"], first["called"]) == (caller, dialled), first)
        check(isinstance(last["stateCode"], int) and isinstance(last["stateDesc"], str), last)
        check(record["appKey"] == self.key and record["serviceType"] == "004", record)
        check(record["callerNum"] == caller and record["calleeNum"] == dialled, record)
        for name in ("callInTime", "callEndTime"):
            time.strptime(record[name], TIME)
        for name in ("direction", "ulFailReason", "sipStatusCode", "fwdUnaswRsn", "recordFlag"):
            check(type(record[name]) is int, f"{name} must be an Integer: {record}")

    def stop(self, session):
        """Ends a call; the reference gives text/html for this answer, with JSON in it."""
        status, _, content = self.client.send("POST", STOP, body={"sessionid": session, "signal": "call_stop"})
        check(status == 200 and json.loads(content)["resultcode"] == "0", f"call stop: {status} {content!r}")

    def stopped(self, caller, dialled, reaches, shown, direction):
        """A call that the application ends, and cannot end again."""
        events, record = self.call(caller, dialled, reaches, stopped=True)
        self.talked(record, reaches, shown, direction)
        check(events[-1]["statusInfo"]["stateCode"] == 0, events[-1])
        self.client.refused("1020152", "POST", STOP, body={"sessionid": record["sessionId"], "signal": "call_stop"})

    def talked(self, record, callee, shown, direction):
        check(record["fwdDstNum"] == callee and record["fwdDisplayNum"] == shown, record)
        check(record["direction"] == direction and record["ulFailReason"] == 0, record)
        time.strptime(record["fwdAnswerTime"], TIME)

    def recording(self, record):
        check(record["recordFlag"] == 1, record)
        path = "/rest/provision/voice/record/v1.0"
        query = {"fileName": record["recordObjectName"], "recordDomain": record["recordDomain"]}
        status, headers, _ = self.client.send("GET", path, query)
        check(status == 301, f"recording: {status}")
        where = urllib.parse.urlsplit(headers["Location"])
        status, headers, content = self.client.send("GET", f"{where.path}?{where.query}", headers={})
        check(status == 200 and content[:4] == b"RIFF" and content[8:12] == b"WAVE", f"download: {status} {content[:12]}")
        self.client.refused("1012007", "GET", path, {**query, "fileName": "20300102030405000.wav"})

    def common(self):
        """What every application may do."""
        stop = {"sessionid": "1200_1827_4294967295_20300102030405@none", "signal": "call_stop"}
        self.client.refused("1020152", "POST", STOP, body=stop)
        headers = self.client.headers()
        del headers["X-AKSK"]
        status, _, content = self.client.send("POST", STOP, body=stop, headers=headers)
        check((status, json.loads(content)["resultcode"]) == (400, "1023033"), content)

    def foreign_modes(self, own):
        for mode, path in (
            ("axb", "/rest/caas/relationnumber/partners/v1.0"),
            ("ax", "/rest/provision/caas/privatenumber/v1.0"),
            ("axe", "/rest/caas/extendnumber/v1.0"),
            ("axyb", "/rest/omp/xyrelationnumber/v1.0"),
        ):
            if mode != own:
                self.client.refused("1010040", "GET", path, {"subscriptionId": "s1"})

    def axb(self):
        path, c = "/rest/caas/relationnumber/partners/v1.0", self.client
        (a, b, stranger), x = self.parties, self.numbers[0]
        body = {"callerNum": a, "relationNum": x, "calleeNum": b, "callDirection": 0, "duration": 3600, "maxDuration": 30,
                "recordFlag": "true", "userData": "order-1"}
        bound = c.ok("POST", path, body=body)
        check(bound["relationNum"] == x and (bound["duration"], bound["maxDuration"]) == (3600, 30), bound)
        key = {"subscriptionId": bound["subscriptionId"]}
        found = c.ok("GET", path, {"relationNum": x, "callerNum": a})["relationNumList"]
        check(len(found) == 1 and found[0]["calleeNum"] == b and found[0]["recordFlag"] == "true", found)
        c.refused("1012010", "POST", path, body=body)
        c.refused("1010002", "POST", path, body={**body, "callerNum": "13900000001"})
        c.ok("PUT", path, body={**key, "callDirection": 0, "userData": "order-2"})
        check(c.ok("GET", path, key)["relationNumList"][0]["userData"] == "order-2", "modified")
        events, record = self.call(a, x, b, seconds=4)
        check([e["eventType"] for e in events] == ["callin", "callout", "alerting", "answer", "disconnect"], events)
        check({e["statusInfo"]["userData"] for e in events} == {"order-2"}, events)
        self.talked(record, b, x, 1)
        self.recording(record)
        self.stopped(b, x, a, x, 0)
        _, record = self.call(stranger, x, None)
        check((record["direction"], record["ulFailReason"], record["subscriptionId"]) == (2, 8014, ""), record)
        c.ok("DELETE", path, key)
        c.refused("1012007", "GET", path, key)

    def ax(self):
        path, callee_path = "/rest/provision/caas/privatenumber/v1.0", "/rest/caas/privatenumber/calleenumber/v1.0"
        c, (a, b, other), x = self.client, self.parties, self.numbers[0]
        body = {"origNum": a, "privateNum": x, "calleeNumDisplay": "0", "recordFlag": "true", "privateSms": "true",
                "userData": "order-1"}
        bound = c.ok("POST", path, body=body)
        check((bound["origNum"], bound["privateNum"]) == (a, x), bound)
        key = {"subscriptionId": bound["subscriptionId"]}
        found = c.ok("GET", path, {"origNum": a})["privateNumList"]
        check(len(found) == 1 and found[0]["privateNumType"] == "mobile-virtual", found)
        c.refused("1011005", "POST", path, body={**body, "origNum": b})
        c.refused("1011001", "POST", path, body={**body, "privateNum": "+8617000099999"})
        _, record = self.call(other, x, a, seconds=4)
        self.talked(record, a, x, 0)
        self.recording(record)
        _, record = self.call(a, x, None)
        check(record["ulFailReason"] == 8013, record)
        c.ok("PUT", callee_path, body={"origNum": a, "privateNum": x, "calleeNum": b, "duration": 600, "userData": "call-7"})
        events, record = self.call(a, x, b)
        self.talked(record, b, x, 1)
        check(events[-1]["statusInfo"]["userData"] == "call-7", events[-1])
        self.stopped(other, x, a, x, 0)
        c.ok("PUT", path, body={"privateNum": x, "privateSms": "false", "callDirection": 1})
        shown = c.ok("GET", path, key)["privateNumList"][0]
        check((shown["privateSms"], shown["callDirection"]) == ("false", 1), shown)
        _, record = self.call(other, x, None)
        check(record["ulFailReason"] == 8016, record)
        c.ok("DELETE", path, {"origNum": a, "privateNum": x})
        c.refused("1011004", "DELETE", path, {"privateNum": x})
        _, record = self.call(other, x, None)
        check(record["ulFailReason"] == 8018, record)

    def axe(self):
        path, c = "/rest/caas/extendnumber/v1.0", self.client
        (a, b, other), x = self.parties, self.numbers[0]
        body = {"virtualNum": x, "bindNum": a, "recordFlag": "true", "bindExpiredTime": 720, "callbackExpiredTime": 720,
                "userData": "order-1"}
        bound = c.ok("POST", path, body=body)
        extension = bound["extendNum"]
        check(bound["virtualNum"] == x and 1 <= len(extension) <= 4 and extension.isdigit(), bound)
        key = {"subscriptionId": bound["subscriptionId"]}
        pair = {"virtualNum": x, "extendNum": extension}
        found = c.ok("GET", path, pair)
        check((found["bindNum"], found["bindExpiredTime"], found["timeUnit"]) == (a, 720, "0"), found)
        check(found["subscriptionId"] == key["subscriptionId"], found)
        listed = c.ok("GET", "/rest/caas/extendnumber/v2.0", {"virtualNum": x, "cursor": "0000000000000_0", "limit": 10})
        check(any(isinstance(v, list) and len(v) == 1 for v in listed.values()), listed)
        counted = c.ok("GET", "/rest/caas/virtualnumber/v1.0", {"number": x})
        check(any(isinstance(v, list) and len(v) == 1 for v in counted.values()), counted)
        c.refused("1016002", "POST", path, body=body)
        c.refused("1020167", "POST", path, body={**body, "bindNum": b, "extendNum": extension})
        c.refused("1010002", "POST", path, body={**body, "bindNum": b, "callbackNum": other, "timeUnit": "9"})
        _, record = self.call(a, x, None)
        check(record["ulFailReason"] == 8019, record)
        events, record = self.call(other, x, a, keys=extension, seconds=4)
        names = [e["eventType"] for e in events]
        check(names == ["callin", "collectInfo", "callout", "alerting", "answer", "disconnect"], names)
        check(events[1]["statusInfo"]["digitInfo"] == extension, events[1])
        check("subscriptionId" not in events[0]["statusInfo"], "the binding is not known before the extension is keyed")
        check(record["extendNum"] == extension, record)
        self.talked(record, a, x, 0)
        self.recording(record)
        events, record = self.call(a, x, other)
        check("collectInfo" not in [e["eventType"] for e in events], events)
        check("subscriptionId" not in events[0]["statusInfo"], events[0])
        self.talked(record, other, x, 1)
        self.stopped(a, x, other, x, 1)
        c.ok("PUT", path, body={**key, "callbackNum": b, "displayNumMode": "0"})
        check(c.ok("GET", path, key)["callbackNum"] == b, "modified")
        c.ok("PUT", path, body={**pair, "callbackNum": ""})
        check(not c.ok("GET", path, key).get("callbackNum"), "cleared")
        c.ok("DELETE", path, pair)
        c.refused("1016001", "GET", path, key)
        _, record = self.call(other, x, None, keys=extension)
        check(record["ulFailReason"] == 8022, record)

    def axyb(self):
        path, c = "/rest/omp/xyrelationnumber/v1.0", self.client
        a, b, stranger = self.parties
        own = {"app_key": self.key}

        def post(body):
            return c.ok("POST", f"{path}?app_key={self.key}", body=body)

        bound = post({"origNum": a, "areaCode": "0755", "duration": 3600, "recordFlag": "true", "userData": "order-1"})
        x = bound["relationNumber"]
        check(x in self.numbers, bound)
        key = {**own, "subscriptionId": bound["subscriptionId"]}
        second = post({"origNum": b, "subscriptionId": bound["subscriptionId"], "areaCode": "0755"})
        y = second["relationNumber"]
        check(y in self.numbers and y != x and second["subscriptionId"] == bound["subscriptionId"], second)
        found = c.ok("GET", path, {**own, "relationNum": x})["xyRelationNumList"]
        check(len(found) == 1, found)
        check([found[0][n] for n in ("numA", "numX", "numY", "numB", "duration")] == [a, x, y, b, "3600"], found)
        events, record = self.call(b, x, a, seconds=4)
        self.talked(record, a, y, 0)
        check(events[0]["statusInfo"]["subscriptionId"] == bound["subscriptionId"], events[0])
        self.recording(record)
        self.stopped(a, y, b, x, 1)
        _, record = self.call(a, x, None)
        check(record["ulFailReason"] == 8032, record)
        c.ok("DELETE", path, {**key, "yNum": y})
        _, record = self.call(stranger, x, a)
        allocated = record["fwdDisplayNum"]
        check(allocated in self.numbers and allocated != x, record)
        _, record = self.call(a, allocated, stranger)
        self.talked(record, stranger, x, 1)
        c.ok("DELETE", path, key)
        c.refused("1016001", "GET", path, key)
        _, record = self.call(b, x, None)
        check(record["ulFailReason"] == 8030, record)

    def x(self):
        a, b, _ = self.parties
        x = self.numbers[0]
        asked = []

        def connect(info):
            asked.append(info)
            answer = {"displayCalleeNum": x, "calleeNum": b, "maxDuration": 60, "recordFlag": "true", "userData": "order42"}
            return json.dumps({"operation": "connect", "connectInfo": answer}).encode()

        def close(info):
            asked.append(info)
            return json.dumps({"operation": "close", "closeInfo": [{"userData": "order43"}]}).encode()

        self.receiver.answer = connect
        events, record = self.call(a, x, b, seconds=4)
        check(len(asked) == 1 and "subscriptionId" not in asked[0], asked)
        check([e["eventType"] for e in events] == ["callin", "callout", "alerting", "answer", "disconnect"], events)
        check([e["statusInfo"].get("userData") for e in events] == [None] + ["order42"] * 4, events)
        check((record["userData"], record["notifyMode"], record["fwdDstNum"]) == ("order42", "Block", b), record)
        self.recording(record)
        check("extendNum" not in record and record["direction"] == 2, record)
        self.stopped(a, x, b, x, 2)
        self.receiver.answer = close
        events, record = self.call(a, x, None)
        check(record["ulFailReason"] == 8017 and record["userData"] == "order43", record)
        self.receiver.answer = lambda info: b'{"operation":"connect","connectInfo":[{"calleeNum":"%s","maxDuration":7200}]}' % b.encode()
        events, record = self.call(a, x, None)
        check(events[-1]["statusInfo"]["stateCode"] == 8014, events[-1])


def main():
    parser = argparse.ArgumentParser()
    for name in ("url", "key", "secret", "mode", "numbers", "parties"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", type=int, required=True, help="where notifications are received")
    options = parser.parse_args()
    life = Life(options)
    try:
        life.common()
        life.foreign_modes(options.mode)
        getattr(life, options.mode)()
    except (Failed, KeyError, ValueError, OSError) as problem:
        print(json.dumps({"failed": f"{type(problem).__name__}: {problem}"}), flush=True)
        raise SystemExit(1) from problem
    print(json.dumps({"done": True}), flush=True)


if __name__ == "__main__":
    main()
