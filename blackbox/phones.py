"""The two carriers: SIPp for the signalling, a small RTP phone for the audio."""

import collections
import ipaddress
import itertools
import os
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import audio

SAMPLES = 160  # in a packet of 20 ms
EVENTS = "0123456789*#"
TELEPHONE_EVENT = 101  # as the scenarios' session descriptions number it

SCENARIOS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sip-fixtures", "sipp")


class Phone:
    """Sends a tone in G.711 (law 8: A-law, 0: µ-law) once it knows where to, or keys digits, and keeps what it receives."""

    def __init__(self, ip, frequency):
        self.ip = ip
        self.law = 8
        self.socket = even_port_pair(ip)
        self.port = self.socket.getsockname()[1]
        self.frequency = frequency
        self.received = []  # (time, sequence, timestamp, ssrc, payload type, payload)
        self.raw = []
        self.target = None
        self.muted = False
        self._keys = collections.deque()  # what goes out instead of the tone, one entry for each packet
        self._done = threading.Event()
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._receive, self._send)]
        for thread in self._threads:
            thread.start()

    def _receive(self):
        self.socket.settimeout(0.1)
        while not self._done.is_set():
            try:
                packet = self.socket.recv(2048)
            except (TimeoutError, ConnectionRefusedError):
                continue
            if len(packet) < 12:
                continue
            self.raw.append(packet)
            _, kind, sequence, timestamp, ssrc = struct.unpack("!BBHII", packet[:12])
            self.received.append((time.monotonic(), sequence, timestamp, ssrc, kind & 0x7F, packet[12:]))

    def _send(self):
        sequence, timestamp, ssrc = (random.getrandbits(n) for n in (16, 32, 32))
        second, at, due, pressed = None, 0, None, 0
        while not self._done.wait(0.002):
            if self.target is None:
                due = None
                continue
            second = second or audio.tone(self.frequency, 1000, law=self.law)
            due = due or time.monotonic()
            while due <= time.monotonic():
                kind, marker, shown, payload = self.law, 0, timestamp, second[at : at + SAMPLES]
                if keyed := self._keys and self._keys.popleft():
                    kind, marker, payload = keyed
                    # RFC 4733 §2.5.1.2: all packets of an event carry the time of its beginning.
                    pressed = timestamp if marker else pressed
                    shown = pressed if kind == TELEPHONE_EVENT else timestamp
                if not self.muted:
                    head = struct.pack("!BBHII", 0x80, marker << 7 | kind, sequence & 0xFFFF, shown & 0xFFFFFFFF, ssrc)
                    try:
                        self.socket.sendto(head + payload, self.target)
                    except OSError:
                        pass
                sequence, timestamp, at, due = sequence + 1, timestamp + SAMPLES, (at + SAMPLES) % 8000, due + 0.02

    def key(self, digits, tones=False, press_ms=100, pause_ms=100):
        """Keys digits: as telephone-events (RFC 4733), or as tones in the audio. Says nothing else meanwhile."""
        pause = [(self.law, 0, audio.silence(SAMPLES, self.law))] * (pause_ms // 20)
        keyed = []
        for digit in digits:
            keyed += tone_packets(digit, press_ms, self.law) if tones else event_packets(digit, press_ms)
            keyed += pause
        self._keys.extend(keyed)

    def hang_up(self):
        """Ready for the next call: what was heard is forgotten (but for `raw`)."""
        self.target = None
        self._keys.clear()
        self.received = []

    def samples(self):
        """What was heard, in order of arrival."""
        return samples_of(self.received)

    def heard(self, frequency):
        return audio.heard(self.samples(), frequency)

    def wait_heard(self, frequency, milliseconds=150, timeout=10, since=0):
        """Waits until a frequency is heard in what came after the first `since` packets; gives the packets so far."""
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            packets = self.received[since:]
            if audio.heard(samples_of(packets), frequency) >= milliseconds:
                return since + len(packets)
            time.sleep(0.05)
        raise AssertionError(f"{frequency} Hz was not heard within {timeout} s")

    def close(self):
        self._done.set()
        for thread in self._threads:
            thread.join()
        self.socket.close()


def samples_of(packets):
    return [audio.LAWS[kind][c] for (*_, kind, payload) in packets if kind in audio.LAWS for c in payload]


def event_packets(digit, press_ms):
    """Packets of a pressed key: one each 20 ms, the last one three times (RFC 4733 §2.5.1.4)."""
    code, count = EVENTS.index(digit), press_ms // 20
    beats = [(n, 0) for n in range(1, count)] + [(count, 0x80)] * 3
    payloads = [struct.pack("!BBH", code, end | 10, n * SAMPLES) for n, end in beats]
    return [(TELEPHONE_EVENT, int(n == 0), payload) for n, payload in enumerate(payloads)]


def tone_packets(digit, press_ms, law):
    sound = audio.key_tone(digit, press_ms, law)
    return [(law, 0, sound[at : at + SAMPLES]) for at in range(0, len(sound), SAMPLES)]


def even_port_pair(ip):
    for _ in range(200):
        s = socket.socket(family(ip), socket.SOCK_DGRAM)
        port = random.randrange(20000, 30000, 2)
        try:
            s.bind((ip, port))
            return s
        except OSError:
            s.close()
    raise RuntimeError("no free port for RTP")


def own_addresses():
    """Three loopback addresses that no other test on this machine has: all of 127.0.0.0/8 is loopback, and a process id
    has at most 22 bits. For the platform and its two carriers."""
    block = 127 << 24 | os.getpid() << 2
    return tuple(str(ipaddress.IPv4Address(block + n)) for n in (1, 2, 3))


def family(ip):
    return socket.AF_INET6 if ":" in ip else socket.AF_INET


def at(ip, port):
    """`host:port` as SIP writes it."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def free_port(ip):
    """A port free for UDP and TCP."""
    while True:
        with socket.socket(family(ip), socket.SOCK_DGRAM) as udp, socket.socket(family(ip), socket.SOCK_STREAM) as tcp:
            udp.bind((ip, 0))
            port = udp.getsockname()[1]
            try:
                tcp.bind((ip, port))
                return port
            except OSError:
                continue


def with_status(scenario, copy, status):
    """A copy of a scenario that refuses with another status: SIPp has no keywords in a status line."""
    with open(scenario, encoding="utf-8") as original, open(copy, "w", encoding="utf-8") as changed:
        changed.write(original.read().replace("SIP/2.0 404 ", f"SIP/2.0 {status} "))
    return copy


class Sipp:
    """One SIPp run: one call of one scenario. Starts its phone's sending when the other end has said where."""

    runs = itertools.count(1)

    def __init__(self, name, ip, port, folder, phone, target=None, keys=(), pause_ms=3000, timeout=60, tcp=False):
        self.name, self.phone = name, phone
        self.hidden = None  # what must not be in what it receives, when that is not the same in all calls of a bed
        stem = f"{name}.{next(Sipp.runs)}"
        self.messages = os.path.join(folder, f"{stem}.messages")
        self.log = os.path.join(folder, f"{stem}.log")
        self.errors = os.path.join(folder, f"{stem}.errors")
        keys = dict(keys)
        scenario = os.path.join(SCENARIOS, name + ".xml")
        if status := keys.pop("status", None):
            scenario = with_status(scenario, os.path.join(folder, f"{stem}.xml"), status)
        command = ["sipp", "-sf", scenario, "-i", ip, "-p", str(port), "-m", "1"]
        command += ["-mi", ip, "-t", "t1" if tcp else "u1"]
        self.platform_ip = "::1" if ":" in ip else own_addresses()[0]
        self.table = "/proc/net/" + ("tcp" if tcp else "udp") + ("6" if ":" in ip else "")
        command += ["-d", str(pause_ms), "-nostdin", "-timeout", f"{timeout}s", "-timeout_error"]
        command += ["-trace_msg", "-message_file", self.messages, "-trace_logs", "-log_file", self.log]
        command += ["-trace_err", "-error_file", self.errors, "-key", "audio_port", str(phone.port)]
        for key, value in keys.items():
            command += ["-key", key, value]
        if target:
            command.append(target)
        self.out = open(os.path.join(folder, f"{stem}.out"), "wb")
        self.process = subprocess.Popen(command, stdout=self.out, stderr=subprocess.STDOUT, cwd=folder)
        self._watch = threading.Thread(target=self._connect, daemon=True)
        self._watch.start()

    def _connect(self):
        while self.process.poll() is None:
            try:
                with open(self.log, encoding="ascii", errors="replace") as f:
                    ports = re.findall(r"MEDIA (\d+)", f.read())
            except FileNotFoundError:
                ports = []
            if ports:
                self.phone.target = (self.platform_ip, int(ports[-1]))
            time.sleep(0.01)

    def listening(self):
        """Waits until SIPp has its port."""
        limit = time.monotonic() + 5
        while time.monotonic() < limit and self.process.poll() is None:
            inode_lines = open(self.table, encoding="ascii").read()
            if any(f":{self._port_hex()} " in line for line in inode_lines.splitlines()):
                return
            time.sleep(0.01)

    def _port_hex(self):
        arguments = self.process.args
        return f"{int(arguments[arguments.index('-p') + 1]):04X}"

    def wait(self, timeout=70):
        """The exit status: 0 when the scenario went as it says."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            code = self.process.wait()
        self.out.close()
        return code

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.out.close()

    def text(self):
        try:
            with open(self.messages, "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""

    def ladder(self):
        """(direction, first line) of every message, in order."""
        return [(d, first) for d, first, _ in self.parts()]

    def parts(self):
        """(direction, first line, whole message) of every message SIPp has seen."""
        found = []
        pieces = re.split(rb"-{10,}[^\n]*\n", self.text())
        for piece in pieces:
            match = re.match(rb"\s*\S+ message (sent|received)[^\n]*\n\s*(.*)", piece, re.S)
            if match:
                body = match.group(2).lstrip(b"\r\n")
                first = body.split(b"\r\n", 1)[0].split(b"\n", 1)[0].decode("latin-1").strip()
                found.append((match.group(1).decode(), first, body))
        return found

    def received(self):
        """All bytes that came from the platform."""
        return b"".join(body for direction, _, body in self.parts() if direction == "received")

    def explain(self):
        parts = [f"{self.name}: exit {self.process.returncode}"]
        parts += [f"  {d:8} {first}" for d, first in self.ladder()]
        try:
            with open(self.errors, encoding="latin-1") as f:
                parts.append("  " + f.read()[-600:])
        except FileNotFoundError:
            pass
        return "\n".join(parts)
