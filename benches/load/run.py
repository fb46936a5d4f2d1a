#!/usr/bin/env python3
"""Load figures of axbridge on this machine: SIPp as both carriers, everything else as in production.

    benches/load/run.py --results NAME [--only signalling,max] [--runs 3] [--quick] [--no-build] [--profile]

Writes benches/results/NAME/{report.md,raw.json}. Needs sipp, taskset, two processors: the program has the one, the
generators the other. Nothing else should run meanwhile; the load average is in the report.
Ports 5160-5190 and addresses 127.0.0.1-5 must be free (`unshare -n sh -c 'ip link set lo up; ...'` gives them).
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time

import bed
from bed import Bed, Cost

PAIRS = 100_000


def per_1000(cost, calls):
    return round(cost["cpu_s"] * 1000 / max(1, calls), 3)


def measured(b, o, rate, seconds, talk_ms, label, phones=0, midway=None, told=None):
    """Warm-up, then one measured run until everything is stored (and told)."""
    warm = min(2 * rate, 600)
    b.calls(rate, warm, 500, phones=phones)
    b.quiet(warm)
    before = b.records()
    count = int(rate * seconds)
    events = sum(v for k, v in bed.told().items() if k != "posts") if told else 0
    profile = start_profile(b, o, label)
    cost = Cost(b.engine.pid)
    result = b.calls(rate, count, talk_ms, phones=phones, midway=midway)
    settled = b.quiet(before + result["ok"])
    if told:
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            now = sum(v for k, v in bed.told().items() if k != "posts") - events
            if now >= told * result["ok"]:
                break
            time.sleep(0.2)
        result["told"] = now
    cost = cost.so_far()
    end_profile(profile, o, label)
    result.update(cost=cost, settled=settled, cpu_s_per_1000=per_1000(cost, result["ok"]))
    return result


def start_profile(b, o, label):
    if not o.profile:
        return None
    path = os.path.join(b.folder, label + ".perf")
    command = ["perf", "record", "-q", "-F", "997", "-g", "-o", path, "-p", str(b.engine.pid)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), path


def end_profile(profile, o, label):
    if not profile:
        return
    process, path = profile
    process.send_signal(2)
    process.wait()
    for kind, extra in (("flat", ["--no-children"]), ("tree", ["--children"])):
        command = ["perf", "report", "--stdio", "-i", path, "--percent-limit", "0.2", "-g", "none"]
        command += ["--sort", "comm,symbol"] + extra
        out = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        lines = [line[:150].rstrip() for line in out.splitlines() if line.strip() and line[0] != "#"]
        with open(os.path.join(o.folder, f"{label}.{kind}.txt"), "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
    if o.keep:
        os.rename(path, os.path.join(o.folder, label + ".perf"))


def direct(o):
    """SIPp to SIPp: what the generators themselves cost and delay."""
    with Bed(o.keep) as b:
        b.fill(PAIRS)
        return b.calls(300, 300 * 5, 1000, direct=True)


def idle(o):
    """The program with nothing to do."""
    with Bed(o.keep) as b:
        b.fill(PAIRS)
        b.start(o.binary)
        time.sleep(1)
        cost = Cost(b.engine.pid)
        time.sleep(10)
        cost = cost.so_far()
        return {"cost": cost, "rss_kib": bed.rss_kib(b.engine.pid), "pairs": PAIRS}


def signalling(o):
    with Bed(o.keep) as b:
        b.fill(PAIRS)
        b.start(o.binary)
        return measured(b, o, 300, o.seconds, 1000, "signalling")


def events(o):
    with Bed(o.keep) as b:
        b.fill(PAIRS)
        b.start(o.binary)
        url = f"http://{bed.SINK}/notify"
        b.settings(call_status_url=url, cdr_url=url)
        sink = b.sink()
        try:
            # callin, callout, alerting, answer, disconnect, and the record
            return measured(b, o, 300, o.seconds, 1000, "events", told=6)
        finally:
            sink.end()


def media_run(o, record):
    calls, talk = 200, o.seconds + 10
    with Bed(o.keep) as b:
        b.fill(PAIRS, record=record)
        b.start(o.binary)
        idle_kib = bed.rss_kib(b.engine.pid)
        rate = 40
        at_full = {}

        def midway():
            at_full.update(rss_kib=bed.rss_kib(b.engine.pid))
            return dict(at_full)

        # More telephones than calls: the next call must not get one whose last call has just ended.
        label = "media-recorded" if record else "media"
        result = measured(b, o, rate, calls / rate, talk * 1000, label, phones=2 * calls, midway=midway)
        result["idle_rss_kib"] = idle_kib
        result["recordings"] = sum(len(files) for _, _, files in os.walk(os.path.join(b.data, "recordings", "published")))
        return result


def media(o):
    return media_run(o, False)


def recorded(o):
    return media_run(o, True)


def memory(o):
    """2,000 answered calls that stand, without a packet; then the same a second time in the freed memory."""
    held = 2_000
    with Bed(o.keep) as b:
        b.fill(PAIRS)
        b.start(o.binary)
        b.calls(200, 200, 500)
        b.quiet(200)
        before = bed.rss_kib(b.engine.pid)
        result = b.calls(200, held, 14_000, midway=lambda: bed.rss_kib(b.engine.pid))
        b.quiet(200 + held)
        after = bed.rss_kib(b.engine.pid)
        return {
            "held": held, "ok": result["ok"], "failed": result["failed"], "before_kib": before,
            "held_kib": result["midway"], "after_kib": after,
            "kib_per_call": result["midway"] and round((result["midway"] - before) / held, 1),
        }


def sustained(o):
    """The highest rate with under 0.1 % failed calls, by halving a range."""
    low, high, steps = 100, o.high, []
    with Bed(o.keep) as b:
        b.fill(PAIRS)
        b.start(o.binary)
        b.calls(100, 200, 500)
        b.quiet(200)
        best = None
        while high / low > 1.06:
            rate = int((low * high) ** 0.5 / 10) * 10
            count = min(rate * o.step_seconds, PAIRS)
            before = b.records()
            cost = Cost(b.engine.pid)
            result = b.calls(rate, count, 1000)
            result["cost"] = cost.so_far()
            result["backlog"] = before + result["ok"] - b.records()
            late = result["seconds"] > (count / rate + 1) * 1.1 + 2
            p99 = result["delay_ms"].get("answer", {}).get("p99", 1e9)
            good = result["ok"] >= count * 0.999 and not late and result["retransmissions"] <= count * 0.01
            result.update(good=good, late=late, cpu_s_per_1000=per_1000(result["cost"], result["ok"]))
            steps.append(result)
            print("   ", rate, "good" if good else "bad", result["failed"], result["retransmissions"], p99,
                  result["generator_cores"], result["cpu_s_per_1000"], result["backlog"], file=sys.stderr)
            if good:
                low, best = rate, result
            else:
                high = rate
            b.quiet(before + result["ok"])
            time.sleep(6)  # freed media ports rest for five seconds
        return {"per_s": low if best else None, "first_bad_per_s": high, "best": best, "steps": steps}


def bind(o):
    """64 clients with a kept connection each bind one pair after the other, every bind durable."""
    with Bed(o.keep) as b:
        b.fill(200_000, bind=False)
        b.start(o.binary)
        command = [bed.TOOL, "bind", "--api", bed.API, "--pairs", b.pairs, "--key", bed.KEY, "--secret", bed.SECRET]
        command += ["--clients", "64", "--seconds", str(o.seconds)]
        profile = start_profile(b, o, "bind")
        cost = Cost(b.engine.pid)
        child = bed.Child(command, bed.GENERATOR_CPU, b.folder, "bind")
        child.process.wait(o.seconds + 60)
        cost = cost.so_far()
        end_profile(profile, o, "bind")
        result = json.loads(child.text().strip().splitlines()[-1])
        result.update(cost=cost, cpu_ms_per_bind=round(cost["cpu_s"] * 1000 / max(1, result["bound"]), 3))
        return result


def million(o):
    """From the start of the process until it routes, with 1,000,000 bindings."""
    with Bed(o.keep) as b:
        b.fill(1_000_000)
        profile = None
        started = b.start(o.binary)
        end_profile(profile, o, "million")
        return {"ready_s": round(started, 2), "rss_kib": bed.rss_kib(b.engine.pid), "cpu_s": sum(bed.ticks(b.engine.pid))}


STAGES = {
    "direct": direct, "idle": idle, "signalling": signalling, "events": events, "media": media,
    "recorded": recorded, "memory": memory, "max": sustained, "bind": bind, "million": million,
}
ONCE = {"direct", "idle", "memory", "million"}


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), platform.machine())
    run = lambda *c: subprocess.run(c, capture_output=True, text=True, check=False).stdout.strip()
    sipp = next((line.strip() for line in run("sipp", "-v").splitlines() if "SIPp" in line), "?")
    return {
        "processor": model, "processors": os.cpu_count(), "kernel": platform.release(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "sipp": sipp, "rustc": run("rustc", "--version"), "fdatasync_ms": fdatasync_ms(),
        "commit": run("git", "-C", bed.ROOT, "rev-parse", "--short", "HEAD"),
        "changed": bool(run("git", "-C", bed.ROOT, "status", "--porcelain", "-uno")),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def fdatasync_ms():
    """What the disk needs to keep 4 KiB: every durable bind waits for it."""
    import tempfile

    with tempfile.TemporaryFile(buffering=0) as f:
        times = []
        for _ in range(50):
            f.write(b"x" * 4096)
            begun = time.monotonic()
            os.fdatasync(f.fileno())
            times.append(time.monotonic() - begun)
    return round(statistics.median(times) * 1000, 2)


def median(runs, *path):
    values = []
    for run in runs:
        for key in path:
            run = run.get(key) if isinstance(run, dict) else None
        if run is not None:
            values.append(run)
    return statistics.median(values) if values else None


def spread(runs, *path):
    """The median, with the runs in brackets."""
    values = []
    for run in runs:
        for key in path:
            run = run.get(key) if isinstance(run, dict) else None
        values.append(run)
    if len(values) == 1:
        return f"{values[0]}"
    return f"{median(runs, *path)} ({', '.join(str(v) for v in values)})"


def report(o, facts, found):
    lines = ["# Load", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += ["", "Program on processor 0, SIPp and the other generators on processor 1. 100,000 pairs bound, records"]
    lines += ["and events stored in SQLite, journal on disk, RTP ports open for every call. CPU is user and system of the"]
    lines += ["whole process from the first call until the last record is stored. Median of the runs, runs in brackets.", ""]
    lines += ["| what | figure |", "| --- | --- |"]
    add = lambda what, figure: lines.append(f"| {what} | {figure} |")
    for name, title in (
        ("signalling", "signalling only, 300 calls/s of 1 s"), ("events", "the same with events and records posted"),
    ):
        if name in found:
            runs = found[name]
            add(f"{title}: CPU-s per 1,000 calls", spread(runs, "cpu_s_per_1000"))
            add("... failed calls", spread(runs, "failed"))
            add("... INVITE to 200, p50 / p99 ms", f"{spread(runs, 'delay_ms', 'answer', 'p50')} / {spread(runs, 'delay_ms', 'answer', 'p99')}")
            add("... by thread, CPU-s", json.dumps(runs[0]["cost"]["threads"]).replace('"', ""))
            add("... machine busy, load average at the end", f"{spread(runs, 'cost', 'machine_busy')}, {spread(runs, 'cost', 'load_average')}")
    for name, title in (("media", "200 calls talking at once"), ("recorded", "the same, both sides recorded")):
        if name in found:
            runs = found[name]
            add(f"{title}: CPU-s per 1,000 calls", spread(runs, "cpu_s_per_1000"))
            add("... ms of talk of each", spread(runs, "talk_ms"))
            add("... failed calls, recordings", f"{spread(runs, 'failed')}, {spread(runs, 'recordings')}")
            for run in runs:
                packets, own = run["phones"]["received"], run["cost"]["cpu_s"]
                run["us_per_packet"] = round(own * 1e6 / max(1, packets), 2)
                run["kib_per_call"] = run.get("midway") and round((run["midway"]["rss_kib"] - run["idle_rss_kib"]) / 200, 1)
            add("... all CPU, µs per relayed packet", spread(runs, "us_per_packet"))
            add("... packets sent / received", f"{spread(runs, 'phones', 'sent')} / {spread(runs, 'phones', 'received')}")
            add("... age of a packet at its receiver, p50 / p99 ms", f"{spread(runs, 'phones', 'delay_ms', 'p50')} / {spread(runs, 'phones', 'delay_ms', 'p99')}")
            add("... by thread, CPU-s", json.dumps(runs[0]["cost"]["threads"]).replace('"', ""))
            add("... memory per call, KiB (growth since start / 200)", spread(runs, "kib_per_call"))
    if "max" in found:
        add("highest calls/s with under 0.1 % failed", spread(found["max"], "per_s"))
        add("... first bad", spread(found["max"], "first_bad_per_s"))
        add("... CPU-s per 1,000 calls there", spread(found["max"], "best", "cpu_s_per_1000"))
        add("... INVITE to 200 there, p99 ms", spread(found["max"], "best", "delay_ms", "answer", "p99"))
        add("... processor share of the generators there", spread(found["max"], "best", "generator_cores"))
    if "memory" in found:
        add("memory per answered call without packets, KiB (2,000 held)", spread(found["memory"], "kib_per_call"))
    if "idle" in found:
        add("idle with 100,000 pairs: CPU-s in 10 s, RSS KiB", f"{spread(found['idle'], 'cost', 'cpu_s')}, {spread(found['idle'], 'rss_kib')}")
    if "bind" in found:
        add("binds/s over HTTP, 64 clients", spread(found["bind"], "per_s"))
        add("... answer p50 / p99 ms", f"{spread(found['bind'], 'answer_ms', 'p50')} / {spread(found['bind'], 'answer_ms', 'p99')}")
        add("... CPU-ms per bind", spread(found["bind"], "cpu_ms_per_bind"))
    if "million" in found:
        add("start with 1,000,000 bindings: ready after s", spread(found["million"], "ready_s"))
        add("... RSS KiB", spread(found["million"], "rss_kib"))
    if "direct" in found:
        add("SIPp to SIPp without axbridge: INVITE to 200, p50 / p99 ms", f"{spread(found['direct'], 'delay_ms', 'answer', 'p50')} / {spread(found['direct'], 'delay_ms', 'answer', 'p99')}")
        add("... processor share of both SIPp at 300 calls/s", spread(found["direct"], "generator_cores"))
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", required=True, help="folder under benches/results")
    parser.add_argument("--only", default=",".join(STAGES), help="stages, with commas between: " + " ".join(STAGES))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=15, help="length of a measured run")
    parser.add_argument("--step-seconds", type=int, default=6, help="length of a step towards the highest rate")
    parser.add_argument("--high", type=int, default=6000, help="rate that is surely too high")
    parser.add_argument("--binary", default=bed.BINARY)
    parser.add_argument("--quick", action="store_true", help="one short run of each")
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--profile", action="store_true", help="perf, as text beside the results")
    parser.add_argument("--keep", action="store_true", help="keep the folders of the runs")
    o = parser.parse_args()
    if o.quick:
        o.runs, o.seconds, o.step_seconds = 1, 5, 3
    o.folder = os.path.join(bed.ROOT, "benches", "results", o.results)
    os.makedirs(o.folder, exist_ok=True)
    if not o.no_build:
        build = ["cargo", "build", "--release", "-p", "axbridge", "-p", "axbridge-benches", "--bins"]
        subprocess.run(build, cwd=bed.ROOT, check=True)
    bed.raise_limit()
    facts, found = machine(), {}
    try:
        for name in o.only.split(","):
            for run in range(1 if name in ONCE else o.runs):
                result = STAGES[name](o)
                found.setdefault(name, []).append(result)
                short = {k: v for k, v in result.items() if k not in ("steps", "errors", "best")}
                print(name, run, json.dumps(short), file=sys.stderr, flush=True)
                text = report(o, facts, found)
                with open(os.path.join(o.folder, "raw.json"), "w", encoding="utf-8") as f:
                    json.dump({"machine": facts, "runs": found}, f, indent=1)
                with open(os.path.join(o.folder, "report.md"), "w", encoding="utf-8") as f:
                    f.write(text)
    finally:
        Bed.forget_templates()
    print(report(o, facts, found))


main()
