"""Many calls at once: one SIPp for the signalling of all callers (or callees), one socket for the audio of all."""

import datetime
import os
import random
import re
import struct
import subprocess
import threading
import time

import audio
import phones


class Choir:
    """One side's audio: the same tone, as a stream of its own to every port it is aimed at."""

    def __init__(self, ip, frequency):
        self.socket = phones.even_port_pair(ip)
        self.port = self.socket.getsockname()[1]
        self.platform_ip = phones.own_addresses()[0]
        self.tone = audio.tone(frequency, 1000)
        self.targets = {}  # port: [sequence, timestamp, SSRC]
        self.heard = 0  # packets
        self.raw = []
        self._done = threading.Event()
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._receive, self._send)]
        for thread in self._threads:
            thread.start()

    def aim(self, ports):
        for port in ports:
            self.targets.setdefault(port, [random.getrandbits(16), random.getrandbits(32), random.getrandbits(32)])

    def _receive(self):
        self.socket.settimeout(0.1)
        while not self._done.is_set():
            try:
                self.socket.recv(2048)
                self.heard += 1
            except (TimeoutError, ConnectionRefusedError):
                pass

    def _send(self):
        due, at = time.monotonic(), 0
        while not self._done.wait(max(0.0, due - time.monotonic())):
            payload = self.tone[at : at + 160]
            for port, stream in list(self.targets.items()):
                head = struct.pack("!BBHII", 0x80, 8, stream[0] & 0xFFFF, stream[1] & 0xFFFFFFFF, stream[2])
                stream[0], stream[1] = stream[0] + 1, stream[1] + 160
                try:
                    self.socket.sendto(head + payload, (self.platform_ip, port))
                except OSError:
                    pass
            at, due = (at + 160) % 8000, due + 0.02

    def close(self):
        self._done.set()
        for thread in self._threads:
            thread.join()
        self.socket.close()


class Crowd(phones.Sipp):
    """One SIPp run of many calls. Callers: `calls` are (caller, private number, talk in milliseconds)."""

    def __init__(self, scenario, name, ip, port, folder, choir, target=None, calls=(), rate=10):
        self.name, self.phone, self.platform_ip = name, choir, phones.own_addresses()[0]
        self.hidden = None
        self.table = "/proc/net/udp"
        place = os.path.join(folder, name)
        self.messages, self.log, self.errors = place + ".messages", place + ".log", place + ".errors"
        command = ["sipp", "-sf", os.path.join(phones.SCENARIOS, scenario + ".xml"), "-i", ip, "-p", str(port), "-mi", ip]
        command += ["-t", "u1", "-nostdin", "-key", "audio_port", str(choir.port), "-trace_msg", "-message_file", self.messages]
        command += ["-trace_logs", "-log_file", self.log, "-trace_err", "-error_file", self.errors]
        if target:
            with open(place + ".csv", "w", encoding="ascii") as f:
                f.write("SEQUENTIAL\n" + "".join(f"{a};{x};{talk}\n" for a, x, talk in calls))
            command += ["-inf", place + ".csv", "-m", str(len(calls)), "-l", "1000", "-r", str(rate), target]
        self.out = open(place + ".out", "wb")
        self.process = subprocess.Popen(command, stdout=self.out, stderr=subprocess.STDOUT, cwd=folder)
        self._watch = threading.Thread(target=self._connect, daemon=True)
        self._watch.start()

    def _connect(self):
        while self.process.poll() is None:
            try:
                with open(self.log, encoding="ascii", errors="replace") as f:
                    self.phone.aim({int(port) for port in re.findall(r"MEDIA (\d+)\n", f.read())})
            except FileNotFoundError:
                pass
            time.sleep(0.02)

    def timeline(self):
        """(Unix time, direction, first line, whole message) of every message that SIPp has seen."""
        pieces = re.split(rb"-{10,} ([0-9-]{10} [0-9:.]+)\n", self.text())
        found = []
        for at, piece in zip(pieces[1::2], pieces[2::2]):
            match = re.match(rb"\s*\S+ message (sent|received)[^\n]*\n\s*(.*)", piece, re.S)
            if match:
                text = match.group(2).decode("latin-1")
                when = datetime.datetime.fromisoformat(at.decode()).timestamp()
                found.append((when, match.group(1).decode(), text.split("\n", 1)[0].strip(), text))
        return found

    def stories(self):
        """What each caller has seen, by its number."""
        stories, callers = {}, {}
        for when, direction, first, text in self.timeline():
            call = re.search(r"^Call-ID: *(\S+)", text, re.M).group(1)
            if first.startswith("INVITE"):
                callers[call] = re.search(r"^From:[^\n]*<sip:(\+\d+)@", text, re.M).group(1)
            if call in callers:
                stories.setdefault(callers[call], Story()).saw(when, direction, first, text)
        return stories

    def called(self):
        """The numbers that this carrier was asked for, in order."""
        return [re.search(r"sip:(\+\d+)@", first).group(1) for _, d, first, _ in self.timeline() if d == "received" and first.startswith("INVITE")]


class Story:
    """One call as its caller saw it: Unix times, or None for what never happened."""

    def __init__(self):
        self.rang = self.answered = self.talking = self.hung_up = self.released = self.bye_received = None

    def saw(self, when, direction, first, text):
        cseq = re.search(r"^CSeq: *\d+ (\w+)", text, re.M).group(1)
        came, status = direction == "received", first.split()[1] if first.startswith("SIP/2.0") else None
        if came and cseq == "INVITE" and status in ("180", "183"):
            self.rang = self.rang or when
        elif came and cseq == "INVITE" and status == "200":
            self.answered = self.answered or when
        elif not came and first.startswith("ACK"):
            self.talking = self.talking or when
        elif not came and first.startswith("BYE"):
            self.hung_up = self.hung_up or when
        elif came and first.startswith("BYE"):
            self.bye_received = self.bye_received or when
        elif came and cseq == "BYE" and status == "200":
            self.released = self.released or when
