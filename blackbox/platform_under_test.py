"""The program under test, its two APIs, and the customer's receiver."""

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import os
import secrets
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

import phones


class Sink:
    """The customer's server: keeps every notification, answers 200 (or what `status` says). A question in Block mode
    (X mode) is kept in `asked` and answered with what `answer` makes of it: a status and a body."""

    def __init__(self, key, secret):
        self.received = []  # (time, path, body)
        self.asked = []  # (path, statusInfo) of questions
        self.answer = lambda info: (200, b"")
        self.bad_signatures = 0
        self.status = 200
        self.delay_s = 0
        self.key, self.secret = key, secret
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told = json.loads(body)
                info = told.get("statusInfo", {})
                time.sleep(sink.delay_s)
                status, reply = sink.status, b""
                if status == 200:
                    if not sink.verified(self.headers):
                        sink.bad_signatures += 1
                    if info.get("notifyMode") == "Block":
                        sink.asked.append((self.path, info))
                        status, reply = sink.answer(info)
                    else:
                        sink.received.append((time.time(), self.path, told))
                self.send_response(status)
                if reply:
                    self.send_header("Content-Type", "application/json;charset=UTF-8")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # a platform that was killed has reset its connections

        self.make = lambda port: Server(("127.0.0.1", port), Handler)
        self.port = 0
        self.up()

    def up(self):
        self.server = self.make(self.port)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def verified(self, headers):
        token = dict(
            part.strip().split("=", 1) for part in headers.get("X-AKSK", "").removeprefix("UsernameToken ").split(",") if "=" in part
        )
        value = {name: text.strip('"') for name, text in token.items()}
        message = value.get("Nonce", "") + value.get("Created", "")
        digest = hmac.new(self.secret.encode(), message.encode(), hashlib.sha256).digest()
        return value.get("Username") == self.key and value.get("PasswordDigest") == base64.b64encode(digest).decode()

    def events(self, session=None):
        """Call events in order of arrival."""
        infos = [b for _, path, b in self.received if "statusInfo" in b]
        return [b for b in infos if session in (None, b["statusInfo"]["sessionId"])]

    def records(self, session=None):
        fees = [fee for _, _, b in self.received if b["eventType"] == "fee" for fee in b["feeLst"]]
        return [fee for fee in fees if session in (None, fee["sessionId"])]

    def number_states(self):
        """`numInfo` of every notice of the state of numbers, in order of arrival."""
        return [info for _, _, b in self.received if b["eventType"] == "numStatus" for info in b["numInfo"]]

    def wait_for(self, found, timeout=15):
        """Waits until `found()` is true, and gives it."""
        limit = time.monotonic() + timeout
        while time.monotonic() < limit and not found():
            time.sleep(0.02)
        return found()

    def wait_records(self, count, timeout=15):
        limit = time.monotonic() + timeout
        while time.monotonic() < limit and len(self.records()) < count:
            time.sleep(0.02)
        return self.records()

    def clear(self):
        self.received.clear()

    def close(self):
        """Connections are refused from now on."""
        self.server.shutdown()
        self.server.server_close()


class Platform:
    """One running axbridge with its data folder."""

    def __init__(self, binary, folder, minute_ms=60000, extra="", ip="127.0.0.1", host="127.0.0.1", environment=None):
        self.binary, self.folder = os.path.abspath(binary), folder
        self.data = os.path.join(folder, "data")
        self.sip = phones.free_port(ip)
        self.sip_at = phones.at(ip, self.sip)
        self.host = host  # of its APIs
        self.customer_port = tcp_port(host)
        self.operator_port = tcp_port(host)
        self.metrics_port = tcp_port(host)
        self.token = secrets.token_hex(24)
        self.config = os.path.join(folder, "axbridge.toml")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(**vars(self), minute_ms=minute_ms, extra=extra, ip=ip))
        self.process = None
        self.environment = environment or {}
        self.key, self.secret = "demoKey01", "demoSecret-0123456789"
        self.start()

    def launch(self):
        self.log = open(os.path.join(self.folder, "axbridge.log"), "ab")
        self.process = subprocess.Popen(
            [self.binary, "serve", "--config", self.config],
            stdout=self.log,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env={**os.environ, **self.environment},
            restore_signals=False,  # a limit of file sizes gives an error instead of a signal, see crash.py
        )

    def start(self):
        self.launch()
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            if self.process.poll() is not None:
                raise RuntimeError(f"axbridge ended with {self.process.returncode}: {self.log_tail()}")
            try:
                status, _ = self.operator("GET", "/admin/v1/ready")
                if status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError(f"axbridge did not become ready: {self.log_tail()}")

    def log_text(self):
        with open(os.path.join(self.folder, "axbridge.log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def log_tail(self):
        return self.log_text()[-3000:]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def stop(self, timeout=60):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.log.close()
        return code

    def request(self, port, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection(self.host, port, timeout=30)
        try:
            payload = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
            connection.request(method, path, payload, dict(headers))
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        finally:
            connection.close()

    def operator(self, method, path, body=None, kind="application/json"):
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = kind
        status, content, _ = self.request(self.operator_port, method, path, body, headers)
        return status, parsed(content)

    def demand(self, method, path, body=None, kind="application/json"):
        status, content = self.operator(method, path, body, kind)
        if not 200 <= status < 300:
            raise RuntimeError(f"{method} {path}: {status} {content}")
        return content

    def signed(self):
        nonce = secrets.token_hex(16)
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        digest = base64.b64encode(hmac.new(self.secret.encode(), (nonce + created).encode(), hashlib.sha256).digest()).decode()
        token = f'UsernameToken Username="{self.key}", PasswordDigest="{digest}", Nonce="{nonce}", Created="{created}"'
        return {
            "Content-Type": "application/json;charset=UTF-8",
            "Authorization": 'AKSK realm="SDP",profile="UsernameToken",type="Appkey"',
            "X-AKSK": token,
        }

    def customer(self, method, path, body=None, query=None):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        status, content, headers = self.request(self.customer_port, method, path, body, self.signed())
        return status, parsed(content), headers

    def ok(self, method, path, body=None, query=None):
        """A customer's request that is to succeed; its answer."""
        status, content, _ = self.customer(method, path, body, query)
        if status != 200:
            raise RuntimeError(f"{method} {path}: {status} {content}")
        return content

    AXB = "/rest/caas/relationnumber/partners/v1.0"

    def bind(self, x, a, b, **more):
        return self.ok("POST", self.AXB, {"callerNum": a, "relationNum": x, "calleeNum": b, **more})

    def unbind(self, subscription):
        return self.customer("DELETE", self.AXB, query={"subscriptionId": subscription})

    def recording(self, record):
        """The audio of a call record through the customer API: 301, then the file."""
        status, _, headers = self.customer(
            "GET",
            "/rest/provision/voice/record/v1.0",
            query={"fileName": record["recordObjectName"], "recordDomain": record["recordDomain"]},
        )
        assert status == 301, f"recording: {status}"
        url = urllib.parse.urlsplit(headers["Location"])
        status, content, _ = self.request(self.customer_port, "GET", f"{url.path}?{url.query}")
        assert status == 200, f"download: {status}"
        return content

    def live_calls(self):
        return self.demand("GET", "/admin/v1/calls")["items"]

    def wait_idle(self, timeout=45):
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            if not self.live_calls():
                return
            time.sleep(0.05)
        raise AssertionError("calls are still live")

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


CONFIG = """\
[store]
dir = "{data}"
[sip]
listen = ["udp:{sip_at}", "tcp:{sip_at}"]
[media]
ips = ["{ip}"]
[api]
listen = "{host}:{customer_port}"
[admin]
listen = "{host}:{operator_port}"
token = "{token}"
[metrics]
listen = "{host}:{metrics_port}"
[prompts]
auto_pass = true
[notify]
allow_private = true
[test]
enabled = true
minute_ms = {minute_ms}
{extra}
"""


def parsed(content):
    try:
        return json.loads(content)
    except ValueError:
        return content


def tcp_port(host="127.0.0.1"):
    with socket.socket() as s:
        s.bind((host, 0))
        return s.getsockname()[1]
