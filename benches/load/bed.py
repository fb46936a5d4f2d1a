"""What the load tests run on: one axbridge on one processor, SIPp as both carriers on another, and what they cost.

Python's standard library only. Every process is ended by its own PID.
"""

import csv
import glob
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BINARY = os.path.join(ROOT, "target", "release", "axbridge")
TOOL = os.path.join(ROOT, "target", "release", "axbridge-load")
ENGINE_CPU, GENERATOR_CPU = 0, 1

KEY, SECRET, TOKEN = "loadKey01", "loadSecret-0123456789", "load-operator-token-01"
SIP = ("127.0.0.1", 5160)
A, B = ("127.0.0.2", 5170), ("127.0.0.3", 5180)
A_MEDIA, B_MEDIA = "127.0.0.1", "127.0.0.4"
API, ADMIN, SINK = "127.0.0.1:5181", "127.0.0.1:5182", "127.0.0.5:5190"
FIRST_PHONE_PORT = 40000

CONFIG = """\
[store]
dir = "{data}"
bindings_expected = {bindings}
[sip]
listen = ["udp:{sip}"]
[media]
ips = ["{a_media}", "{b_media}"]
port_min = 6000
port_max = 65535
[api]
listen = "{api}"
[admin]
listen = "{admin}"
token = "{token}"
[notify]
allow_private = true
[log]
level = "warn"
"""


def pairs(count):
    """(X, A, B) of every binding: parties once on an X, at most 200 pairs on one while there are 100,000."""
    parties = 50_000
    blocks = -(-count // parties)
    per_block = max(1, 10_000 // blocks)
    for i in range(count):
        block, party = divmod(i, parties)
        x = block * per_block + party % per_block
        yield f"+86170000{x:05}", f"+86139000{party:05}", f"+86139000{parties + party:05}"


def write_pairs(path, count):
    with open(path, "w", encoding="ascii") as f:
        f.writelines(",".join(pair) + "\n" for pair in pairs(count))


def write_calls(path, count, phones=0):
    """The caller's and the callee's file for SIPp. Neighbours are far apart in the table; ports go round."""
    rows = list(pairs(count))
    with open(path + ".a", "w", encoding="ascii") as a, open(path + ".b", "w", encoding="ascii") as b:
        a.write("SEQUENTIAL\n")
        b.write("SEQUENTIAL\n")
        for n in range(count):
            x, caller, _ = rows[n * 61_003 % count]
            port = FIRST_PHONE_PORT + 2 * (n % phones) if phones else FIRST_PHONE_PORT
            a.write(f"{caller};{x};{port}\n")
            b.write(f"{port};\n")


def ticks(pid):
    """CPU seconds of a process, all its threads, dead ones too."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return tuple(int(t) / os.sysconf("SC_CLK_TCK") for t in fields[11:13])


def threads(pid):
    """CPU seconds by the names of the threads that live."""
    found = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as f:
                name = f.read().strip()
            with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as f:
                found[name] = found.get(name, 0) + int(f.read().split()[0]) / 1e9
        except FileNotFoundError:
            pass
    return found


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


class Cost:
    """CPU of one process from here on, and what else the machine did."""

    def __init__(self, pid):
        self.pid, self.at = pid, time.monotonic()
        self.ticks, self.threads, self.machine = ticks(pid), threads(pid), self._machine()

    @staticmethod
    def _machine():
        with open("/proc/stat", encoding="ascii") as f:
            return [int(n) for n in f.readline().split()[1:9]]

    def so_far(self):
        user, system = (after - before for before, after in zip(self.ticks, ticks(self.pid)))
        machine = [after - before for before, after in zip(self.machine, self._machine())]
        total = max(1, sum(machine))
        by_thread = {n: round(s - self.threads.get(n, 0), 3) for n, s in threads(self.pid).items()}
        return {
            "cpu_s": user + system,
            "system_share": round(system / max(0.01, user + system), 2),
            "seconds": round(time.monotonic() - self.at, 2),
            "threads": dict(sorted((n, s) for n, s in by_thread.items() if s >= 0.01)),
            "machine_busy": round(1 - (machine[3] + machine[4]) / total, 2),
            "steal": round(machine[7] / total, 3),
            "load_average": os.getloadavg()[0],
        }


class Child:
    def __init__(self, command, cpu, folder, name, stdin=None):
        self.log = os.path.join(folder, name + ".out")
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(cpu)] + command,
                cwd=folder, stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )
        self.pid = self.process.pid

    def alive(self):
        return self.process.poll() is None

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def end(self, by=signal.SIGTERM, patience=30):
        if self.alive():
            self.process.send_signal(by)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Bed:
    """A folder with a filled data folder and an axbridge on it; removed at the end."""

    templates = {}

    def __init__(self, keep=False):
        self.keep = keep
        self.folder = tempfile.mkdtemp(prefix="axbridge-load-")
        self.data = os.path.join(self.folder, "data")
        self.engine = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.engine:
            self.engine.end()
        if self.keep:
            print("kept", self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def fill(self, count, record=False, bind=True):
        """The data folder, made once for each kind and then copied."""
        wanted = (count, record, bind)
        self.bindings = count
        if wanted not in Bed.templates:
            template = tempfile.mkdtemp(prefix="axbridge-filled-")
            Bed.templates[wanted] = template
            path = os.path.join(template, "pairs.csv")
            write_pairs(path, count)
            command = [TOOL, "fill", "--dir", os.path.join(template, "data"), "--pairs", path, "--key", KEY]
            command += ["--secret", SECRET, "--a-peer", "%s:%d" % A, "--b-peer", "%s:%d" % B]
            command += ["--a-media", A_MEDIA, "--b-media", B_MEDIA]
            command += ["--record", "yes" if record else "no", "--bind", "yes" if bind else "no"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        shutil.copytree(os.path.join(Bed.templates[wanted], "data"), self.data)
        self.pairs = os.path.join(Bed.templates[wanted], "pairs.csv")

    @classmethod
    def forget_templates(cls):
        for template in cls.templates.values():
            shutil.rmtree(template, ignore_errors=True)
        cls.templates.clear()

    def start(self, binary=BINARY, extra=""):
        config = os.path.join(self.folder, "axbridge.toml")
        values = {"data": self.data, "bindings": self.bindings, "sip": "%s:%d" % SIP, "api": API, "admin": ADMIN}
        with open(config, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(**values, a_media=A_MEDIA, b_media=B_MEDIA, token=TOKEN) + extra)
        begun = time.monotonic()
        self.engine = Child([binary, "serve", "--config", config], ENGINE_CPU, self.folder, "axbridge")
        while True:
            try:
                status, _ = self.operator("GET", "/admin/v1/ready")
                if status == 200:
                    return time.monotonic() - begun
            except OSError:
                pass
            if not self.engine.alive() or time.monotonic() - begun > 120:
                raise RuntimeError(self.engine.text()[-3000:])
            time.sleep(0.02)

    def operator(self, method, path, body=None):
        request = urllib.request.Request(
            f"http://{ADMIN}{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def settings(self, **settings):
        status, answer = self.operator("PATCH", f"/admin/v1/applications/{KEY}", {"settings": settings})
        if status != 200:
            raise RuntimeError(f"settings: {status} {answer}")

    def records(self):
        _, page = self.operator("GET", "/admin/v1/records?page_size=1")
        return page["total"]

    def quiet(self, records, patience=60):
        """Waits until all calls are over and their records stored."""
        limit = time.monotonic() + patience
        while time.monotonic() < limit:
            if self.records() >= records and not self.operator("GET", "/admin/v1/calls")[1]["items"]:
                return True
            time.sleep(0.25)
        return False

    def calls(self, rate, count, talk_ms, phones=0, midway=None, direct=False, patience=30):
        """`count` calls at `rate` a second. `midway` is called once all calls of a held run are there."""
        run = tempfile.mkdtemp(prefix="run-", dir=self.folder)
        files = os.path.join(run, "calls")
        write_calls(files, self.bindings, phones)
        media = '<action><ereg regexp="m=audio ([0-9]+)" search_in="msg" check_it="true" assign_to="m,port"/>'
        media += '<log message="%s [$port]"/></action><!-- [$m] -->'
        for name, field in (("caller", "[field2]"), ("callee", "[field0]")):
            with open(os.path.join(HERE, name + ".xml"), encoding="ascii") as f:
                text = f.read().replace("@MEDIA@", media % field if phones else "")
            if phones:
                text = text.replace("</scenario>", '<Reference variables="m"/></scenario>')
            with open(os.path.join(run, name + ".xml"), "w", encoding="ascii") as f:
                f.write(text)
        common = ["-nostdin", "-buff_size", "4000000", "-default_behaviors", "all,-bye", "-trace_err"]
        common += ["-trace_stat", "-fd", "1"]
        telephones = self._phones(run, phones, count / rate + talk_ms / 1000 + 6) if phones else None
        callee = ["sipp", "-sf", "callee.xml", "-inf", files + ".b", "-i", B[0], "-p", str(B[1])]
        callee += ["-stf", "callee.csv", "-error_file", "callee.err", "-log_file", "callee.log"]
        # It ends by itself after the last call: killed earlier, it would leave BYEs unanswered to the next run.
        callee += ["-m", str(count)]
        callee = Child(callee + common + (["-trace_logs"] if phones else []), GENERATOR_CPU, run, "callee")
        listening(B)
        lasts = count / rate + talk_ms / 1000
        caller = ["sipp", "%s:%d" % (B if direct else SIP), "-sf", "caller.xml", "-inf", files + ".a", "-i", A[0]]
        caller += ["-p", str(A[1]), "-r", str(rate), "-m", str(count), "-l", str(count), "-d", str(talk_ms)]
        caller += ["-stf", "caller.csv", "-error_file", "caller.err", "-log_file", "caller.log", "-trace_rtt"]
        caller += ["-rtt_freq", str(max(1, min(1000, count // 10))), "-timeout", f"{int(lasts + patience)}s"]
        begun = time.monotonic()
        caller = Child(caller + common + (["-trace_logs"] if phones else []), GENERATOR_CPU, run, "caller")
        generator, seen = None, None
        while caller.alive() and time.monotonic() - begun < lasts + patience + 10:
            if time.monotonic() - begun < lasts * 0.95:
                try:
                    generator = sum(sum(ticks(c.pid)) for c in (caller, callee)) / (time.monotonic() - begun)
                except FileNotFoundError:
                    pass
            if midway and seen is None and time.monotonic() - begun > count / rate + min(1.0, talk_ms / 4000):
                seen = midway()
            time.sleep(0.05)
        seconds = time.monotonic() - begun
        caller.end(signal.SIGKILL)
        over = time.monotonic() + 5
        while callee.alive() and time.monotonic() < over:
            time.sleep(0.02)
        callee.end(signal.SIGKILL)
        result = statistics(run)
        result.update(rate=rate, calls=count, talk_ms=talk_ms, seconds=round(seconds, 2))
        result["generator_cores"] = generator and round(generator, 2)
        if midway:
            result["midway"] = seen
        if telephones:
            telephones.process.wait(60)
            result["phones"] = json.loads(telephones.text().strip().splitlines()[-1])
        if not self.keep:
            shutil.rmtree(run, ignore_errors=True)
        return result

    def _phones(self, run, phones, seconds):
        command = [TOOL, "phones", "--a-ip", A[0], "--b-ip", B[0], "--a-media", A_MEDIA, "--b-media", B_MEDIA]
        command += ["--a-log", os.path.join(run, "caller.log"), "--b-log", os.path.join(run, "callee.log")]
        command += ["--first-port", str(FIRST_PHONE_PORT), "--phones", str(phones), "--seconds", str(int(seconds))]
        child = Child(command, GENERATOR_CPU, run, "phones")
        while child.alive() and "ready" not in child.text():
            time.sleep(0.02)
        return child

    def sink(self):
        child = Child([TOOL, "sink", "--listen", SINK], GENERATOR_CPU, self.folder, "sink")
        while child.alive():
            try:
                told()
                return child
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(child.text())


def told():
    """What the sink was told so far."""
    with urllib.request.urlopen(f"http://{SINK}/", timeout=10) as answer:
        return json.load(answer)


def listening(address):
    """Waits until somebody has this UDP port."""
    wanted = f":{address[1]:04X} "
    for _ in range(500):
        with open("/proc/net/udp", encoding="ascii") as f:
            if any(wanted in line for line in f):
                return
        time.sleep(0.01)
    raise RuntimeError(f"nobody listens at {address}")


def statistics(run):
    def last(name):
        with open(os.path.join(run, name), encoding="ascii") as f:
            rows = list(csv.DictReader(f, delimiter=";"))
        return rows[-1]

    a, b = last("caller.csv"), last("callee.csv")
    delays = {}
    for path in glob.glob(os.path.join(run, "*_rtt.csv")):
        with open(path, encoding="ascii") as f:
            for row in csv.reader(f, delimiter=";"):
                if len(row) >= 3 and row[0][:1].isdigit():
                    delays.setdefault(row[2], []).append(float(row[1]))
    errors = {}
    for name in ("caller.err", "callee.err"):
        path = os.path.join(run, name)
        if os.path.exists(path):
            with open(path, encoding="latin-1") as f:
                errors[name] = f.read(1500)
    return {
        "ok": int(a["SuccessfulCall(C)"]),
        "failed": int(a["FailedCall(C)"]) + max(0, int(a["TotalCallCreated"]) - int(a["SuccessfulCall(C)"]) - int(a["FailedCall(C)"])),
        "created": int(a["TotalCallCreated"]),
        "retransmissions": int(a["Retransmissions(C)"]) + int(b["Retransmissions(C)"]),
        "delay_ms": {name: percentiles(values) for name, values in delays.items()},
        "errors": errors,
    }


def percentiles(values):
    values.sort()
    pick = lambda share: values[min(len(values) - 1, int(len(values) * share))]
    return {"p50": pick(0.5), "p90": pick(0.9), "p99": pick(0.99), "p999": pick(0.999), "max": values[-1], "count": len(values)}


def raise_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
