"""10,000 requests that are broken in ways a client, a proxy or an attacker breaks them: none may be answered with a
5xx, end the program, or leave anything behind. Every address of the served documents gets its share.

Each connection comes from an address of its own within 127/8, so that bans for failing to authenticate stay what they
are and do not answer in place of what is tested."""

import concurrent.futures
import contextlib
import json
import os
import random
import re
import socket
import time

SEED = 20261125
REQUESTS = 10_000
THREADS = 4
CONNECTIONS_MAX = 64
# A request that is not whole is not answered until the client has closed its side, as is done here.
ANSWER_S = 5
# What the program may grow by while it reads all that.
GROWTH_KIB_MAX = 64 << 10


class Maker:
    """Makes broken requests, always the same from the same seed."""

    def __init__(self, platform, surface, operations, seed):
        self.platform, self.surface, self.operations = platform, surface, operations
        self.random = random.Random(seed)

    def text(self, size):
        """Bytes that are text for the most part."""
        kinds = [b"a", b"0", b" ", b"\"", b"{", b"%", b"\xff", b"\x00", b"\xc3\x28", b"\xed\xa0\x80", "数".encode(), b"\r", b"\n"]
        return b"".join(self.random.choices(kinds, k=size))

    def target(self, path):
        def value(_):
            choices = ["1", "x", "%2e%2e", "%00", "%ff", "%zz", "a" * 300, "+8617000000001", "%F0%9F%98%80", "..%2f..%2fetc"]
            return self.random.choice(choices)

        path = re.sub(r"\{[^}]*\}", value, path)
        if self.random.random() < 0.3:
            names = ["subscriptionId", "relationNum", "page", "pageSize", "cursor", "from_ms", "limit", "number", "app", "x"]
            values = ["", "-1", "0", "1e9", "9" * 40, "%", "%zz", "%00", "+86", "true", "[]", "{}", "&&&", "=" * 5, "%ed%a0%80"]
            pairs = [f"{self.random.choice(names)}={self.random.choice(values)}" for _ in range(self.random.randint(1, 6))]
            path += "?" + "&".join(pairs)
        return path

    def json(self, depth=0):
        """A value that fits nothing."""
        r = self.random
        kind = r.randrange(9)
        if kind == 0 and depth < 4:
            return {r.choice(NAMES): self.json(depth + 1) for _ in range(r.randint(0, 4))}
        if kind == 1 and depth < 4:
            return [self.json(depth + 1) for _ in range(r.randint(0, 4))]
        return r.choice(
            [None, True, -1, 0, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.1, "", "0", "a" * 500, "\0", "\ud800", "+86139", "１２", "true"]
        )

    def body(self):
        r = self.random
        kind = r.randrange(11)
        named = {r.choice(NAMES): self.json() for _ in range(r.randint(1, 8))}
        text = json.dumps(named).encode()
        if kind == 0:
            return text
        if kind == 1:
            return text[: r.randrange(len(text))]
        if kind == 2:
            deep = r.choice([10, 127, 128, 129, 1_000, 30_000])
            return r.choice([b"[", b'{"callerNum":', b'{"settings":{"axe":']) * deep
        if kind == 3:
            number = r.choice(["1e999999", "-1e999999", "1" * 5_000, "0x10", "01", "1.", "NaN", "Infinity", "-0", "1e-400"])
            return b'{"%s":%s}' % (r.choice(NAMES).encode(), number.encode())
        if kind == 4:
            name = r.choice(NAMES).encode()
            return b"{" + b",".join(b'"%s":"%d"' % (name, n) for n in range(r.randint(2, 50))) + b"}"
        if kind == 5:
            return bytes(r.randrange(256) for _ in range(r.randint(0, 600)))
        if kind == 6:
            return text.decode().encode(r.choice(["utf-16", "utf-32", "utf-8-sig", "utf-7"]))
        if kind == 7:
            return b'{"userData":"%s"}' % self.text(r.randint(0, 400))
        if kind == 8:
            # Around the limits of 64 KiB and 2 MiB.
            return b'{"userData":"' + b"x" * r.choice([65_500, 65_536, 70_000]) + b'"}'
        if kind == 9:
            return json.dumps(self.json()).encode()
        return b"a=1&b=2" if r.random() < 0.5 else b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../a.wav\"\r\n\r\nRIFF"

    def authentication(self):
        """Mostly good, or nothing behind it would ever be reached."""
        r = self.random
        if self.surface == "operator":
            token = self.platform.token if r.random() < 0.8 else r.choice(["", "x", "\xff", "a" * 4_000])
            return [f"Authorization: {r.choice(['Bearer', 'Bearer', 'bearer'])} {token}".encode("latin-1")]
        good = self.platform.signed()
        lines = [f"Authorization: {good['Authorization']}", f"X-AKSK: {good['X-AKSK']}"]
        if r.random() < 0.2:
            at = r.randrange(len(lines))
            broken = [lines[at].replace('"', ""), lines[at][: r.randrange(8, len(lines[at]))], lines[at] * 2, lines[at].replace("=", "==")]
            lines[at] = r.choice(broken)
        return [line.encode("latin-1") for line in lines]

    def headers(self):
        r = self.random
        strange = [
            b"Content-Encoding: gzip",
            b"Content-Type: application/json; charset=utf-16",
            b"Content-Type: text/plain",
            b"Content-Type: \xff\xfe",
            b"Content-Type: multipart/form-data; boundary=x",
            b"Content-Type: audio/wav",
            b"Expect: 100-continue",
            b"Expect: 200-maybe",
            b"Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA",
            b"Connection: close, keep-alive",
            b"Range: bytes=0-0,-1,5-",
            b"Accept: \x00",
            b"X-Forwarded-For: " + b"1.2.3.4, " * 50,
            b"Forwarded: for=\"[::",
            b"Host: ",
            b"Host: a\r\nHost: b",
            b" folded: line",
            b"No colon at all",
            b"Name : space",
            b": no name",
            b"X-Long: " + b"a" * r.choice([1_000, 9_000, 20_000]),
            b"\r\n".join(b"X-%d: y" % n for n in range(r.choice([50, 99, 101, 500]))),
            b"X-Noise: " + self.text(30).replace(b"\n", b"").replace(b"\r", b""),
        ]
        return r.sample(strange, r.choice([0, 0, 0, 1, 1, 2]))

    def whole(self):
        """One request, framed as it should be or nearly so."""
        r = self.random
        method, path = r.choice(self.operations)
        if r.random() < 0.05:
            method = r.choice(["get", "FOO", "A" * 100, "CONNECT", "TRACE", "HEAD", "OPTIONS", "PRI", ""])
        version = "HTTP/1.1" if r.random() < 0.95 else r.choice(["HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "http/1.1", "", "HTTP/1.1 x"])
        target = self.target(path)
        if r.random() < 0.05:
            target = r.choice(["*", "", "//", "http://x" + target, target + "#a", target + " b", "/" + "a" * 9_000, "/" + "../" * 50, "\x7f"])
        body = self.body() if method not in ("GET", "DELETE") or r.random() < 0.3 else b""
        lines = [f"{method} {target} {version}".encode("latin-1"), b"Host: 127.0.0.1"]
        lines += self.authentication() + self.headers()
        if body and not any(line.startswith(b"Content-Type") for line in lines):
            lines.append(b"Content-Type: application/json")
        return lines, body

    def framed(self, lines, body):
        """Lengths that are right, and lengths that are not."""
        r = self.random
        kind = r.randrange(40)
        if kind >= 5:
            return lines + ([b"Content-Length: %d" % len(body)] if body else []), body
        if kind == 0:
            wrong = [b"-1", b"+5", b"0x10", b"99999999999999999999", b"5, 6", b"", b"1e3", b"18446744073709551615", b"5 "]
            return lines + [b"Content-Length: " + r.choice(wrong)], body
        if kind == 1:
            two = [b"Content-Length: %d" % len(body), b"Content-Length: %d" % (len(body) + 1)]
            return lines + two, body
        if kind == 2:
            both = [b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(body)]
            return lines + both, chunked(body, r)
        if kind == 3:
            odd = [b"gzip", b"chunked, chunked", b"identity", b"chunked, gzip", b"xchunked", b"\tchunked", b"chunked\x0b"]
            return lines + [b"Transfer-Encoding: " + r.choice(odd)], chunked(body, r)
        return lines + [b"Transfer-Encoding: chunked"], abused(body, r)

    def one(self):
        """What one connection sends."""
        r = self.random
        kind = r.randrange(20)
        if kind == 0:
            return bytes(r.randrange(256) for _ in range(r.randint(1, 2_000)))
        if kind == 1:
            return b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(r.randrange(256) for _ in range(200))
        if kind == 2:
            return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(24)
        if kind in (3, 4):
            # Pipelined, with whatever stands in the middle.
            return b"".join(written(*self.framed(*self.whole())) for _ in range(r.randint(2, 12)))
        sent = written(*self.framed(*self.whole()))
        if kind in (5, 6):
            return sent[: r.randrange(len(sent))]
        if kind == 7:
            at = r.randrange(len(sent))
            return sent[:at] + self.text(r.randint(1, 20)) + sent[at:]
        if kind == 8:
            return sent.replace(b"\r\n", r.choice([b"\n", b"\r", b"\n\r"]))
        return sent


NAMES = (
    "callerNum calleeNum relationNum areaCode areaMatchMode callDirection duration recordFlag recordHintTone maxDuration "
    "lastMinVoice privateSms preVoice userData subscriptionId origNum privateNum virtualNum bindNum extendNum callbackTone "
    "callbackNum timeUnit bindExpiredTime callbackExpiredTime turnFlag warnBefore extendBy sessionid signal key secret "
    "sp_id mode settings numbers number trunk id name peers app prefix area ids state reason status cause"
).split()


def written(lines, body):
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(body, r):
    sent, at = b"", 0
    while at < len(body):
        size = r.randint(1, max(1, len(body) // 3))
        part = body[at : at + size]
        sent += b"%x\r\n%s\r\n" % (len(part), part)
        at += size
    return sent + b"0\r\n\r\n"


def abused(body, r):
    """Chunks that are no chunks."""
    good = chunked(body, r)
    return r.choice(
        [
            b"ffffffffffffffffff\r\n" + body,
            b"-1\r\n" + body,
            b"zz\r\n" + body,
            b"7fffffffffffffff\r\n" + body,
            b"5;" + b"e" * 20_000 + b"\r\nhello\r\n0\r\n\r\n",
            b"%x\r\n" % (len(body) + 1) + body + b"\r\n0\r\n\r\n",
            b"%x\r\n" % max(0, len(body) - 1) + body + b"\r\n0\r\n\r\n",
            good[:-2],
            good[:-5],
            good[:-2] + b"X-Trailer: " + b"t" * 9_000 + b"\r\n\r\n",
            b"1\r\n{\r\n" * 3_000,
            good.replace(b"\r\n", b"\n"),
            good,
        ]
    )


def statuses(received):
    """The statuses of all answers on a connection; what follows them has to be nothing, or the start of one."""
    found = []
    while received:
        head, end, rest = received.partition(b"\r\n\r\n")
        first = re.match(rb"HTTP/1\.[01] (\d{3}) ", head)
        assert first and end, f"this is no answer: {received[:200]!r}"
        status = int(first[1])
        found.append(status)
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if re.search(rb"\r\ntransfer-encoding: *chunked", head, re.IGNORECASE):
            return found
        received = rest[int(length[1]) if length and status not in (100, 204, 304) else 0 :]
        # A HEAD has the length of what it does not carry.
        if received and not received.startswith(b"HTTP/1."):
            at = received.find(b"HTTP/1.")
            received = received[at:] if at >= 0 else b""
    return found


@contextlib.contextmanager
def ended():
    """The other side need not read to the end what it has refused."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError:
        pass


def exchange(address, source, sent):
    """Sends this, closes the sending side, and gives what came back."""
    received = b""
    with socket.socket() as s:
        s.settimeout(ANSWER_S)
        s.bind((source, 0))
        s.connect(address)
        with ended():
            s.sendall(sent)
            s.shutdown(socket.SHUT_WR)
        with ended():
            while part := s.recv(65_536):
                received += part
    return received


def operations_of(platform, port, path):
    _, content, _ = platform.request(port, "GET", path)
    paths = json.loads(content)["paths"]
    return [(method.upper(), path) for path, item in paths.items() for method in item]


def run(platform, surface, port, operations, share, number):
    """One thread's part; gives how often which status came."""
    maker = Maker(platform, surface, operations, SEED * 1_000 + number)
    counts = {}
    for at in range(share):
        sent = maker.one()
        source = f"127.{100 + number}.{at // 250 % 250}.{1 + at % 250}"
        try:
            received = exchange((platform.host, port), source, sent)
        except TimeoutError as error:
            raise AssertionError(f"no end within {ANSWER_S} s after {sent[:3_000]!r}") from error
        found = statuses(received)
        if any(status >= 500 for status in found):
            raise AssertionError(f"{found} to {sent[:3_000]!r}: {received[:2_000]!r}")
        for status in found or [0]:
            counts[status] = counts.get(status, 0) + 1
    return counts


def ten_thousand_malformed_requests(bed):
    platform = bed.platform
    surfaces = [
        ("customer", platform.customer_port, "/v1/openapi.json"),
        ("operator", platform.operator_port, "/admin/v1/openapi.json"),
    ]
    print(f"seed {SEED}")
    before_kib, fds = platform.rss_kib(), open_files(platform)
    started, total = time.monotonic(), {}
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        parts = []
        for number in range(THREADS):
            surface, port, document = surfaces[number % 2]
            operations = operations_of(platform, port, document)
            parts.append(pool.submit(run, platform, surface, port, operations, REQUESTS // THREADS, number))
        for part in parts:
            for status, count in part.result().items():
                total[status] = total.get(status, 0) + count
    took = time.monotonic() - started
    grown_kib = platform.rss_kib() - before_kib
    print(f"{REQUESTS} connections in {took:.0f} s, answers by status (0: none): {dict(sorted(total.items()))}; +{grown_kib} KiB")
    assert platform.process.poll() is None, "the program has ended"
    assert grown_kib < GROWTH_KIB_MAX, f"grown by {grown_kib} KiB"
    assert {200, 400, 403}.issubset(total), "the requests did not get anywhere"
    wait_for(lambda: open_files(platform) <= fds + 8, "connections are left behind")
    # It works as before.
    status, answer, _ = platform.customer("GET", "/v1/records")
    assert (status, answer["resultcode"]) == (200, "0"), f"{status} {answer}"


def a_crowd_that_sends_half_a_head_holds_no_more_than_its_places_and_keeps_nobody_out(bed):
    """More connections than there are places, none of which ever gets to its request."""
    platform = bed.platform
    platform.kill()
    platform.environment = {**platform.environment, "AXBRIDGE__API__CONNECTIONS_MAX": str(CONNECTIONS_MAX)}
    platform.start()
    fds = open_files(platform)
    with contextlib.ExitStack() as crowd:
        for number in range(CONNECTIONS_MAX + 20):
            s = crowd.enter_context(socket.create_connection((platform.host, platform.customer_port), timeout=5))
            s.sendall(b"GET /v1/calls HTTP/1.1\r\nHost: a\r\n")  # and no more
        # One or two files that were open at the beginning, of the request that found it ready, are not any more.
        wait_for(lambda: open_files(platform) >= fds + CONNECTIONS_MAX - 4, "the connections are not there")
        time.sleep(0.3)
        held = open_files(platform) - fds
        assert held <= CONNECTIONS_MAX + 4, f"{held} connections are held"
        status, _ = platform.operator("GET", "/admin/v1/health")
        assert status == 200, "the other listener is held up"
        asked = time.monotonic()
        status, _, _ = platform.customer("GET", "/v1/calls")
        waited = time.monotonic() - asked
        assert status == 200 and waited < 5, f"in the crowd: {status} after {waited:.1f} s"
    status, _, _ = platform.customer("GET", "/v1/calls")
    assert status == 200, f"after the crowd: {status}"


def open_files(platform):
    return len(os.listdir(f"/proc/{platform.process.pid}/fd"))


def wait_for(holds, what, timeout=20):
    limit = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < limit, what
        time.sleep(0.05)


ALL = [
    ten_thousand_malformed_requests,
    a_crowd_that_sends_half_a_head_holds_no_more_than_its_places_and_keeps_nobody_out,
]
