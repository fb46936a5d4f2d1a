"""What a crash must not lose: acknowledged binds, call records, recordings, notifications (`kill -9`, full disks, dead receivers)."""

import http.client
import itertools
import os
import random
import resource
import signal
import subprocess
import threading
import time

import audio
import phones
from bench_bed import X, X2
from checks import ANSWERED, at, expect, statuses
from crowd import Choir, Crowd

INTERRUPTED = 8011
# A recording may miss what was not on the disk yet: 0.4 s of waiting for late packets, a chunk of 0.2 s and the
# half second between two flushes; and whatever a busy machine adds.
LOST_MAX_S = 1.6
SEED = int(os.environ.get("CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)


def seeded(name, round_=0):
    rng = random.Random(f"{SEED}-{name}-{round_}")
    print(f"      {name}: CRASH_SEED={SEED}", flush=True)
    return rng


def number(prefix, n):
    return f"+86139000{prefix}{n:04}"


class Crowds:
    """The two carriers with many calls; `rings` is a third trunk whose phones are never picked up (X2)."""

    def __init__(self, bed, rings=False):
        self.bed = bed
        self.choirs = Choir(bed.a_ip, 440), Choir(bed.b_ip, 880)
        self.count = itertools.count()
        self.callee = self.add("b_answers", bed.b_ip, bed.b_port, 1)
        self.ringing = None
        if rings:
            port = phones.free_port(bed.b_ip)
            trunk = {"id": 3, "name": "carrier-3", "peers": [phones.at(bed.b_ip, port)], "transport": "udp"}
            bed.platform.demand("PUT", "/admin/v1/trunks/3", trunk)
            bed.platform.demand("PATCH", f"/admin/v1/numbers/{X2}", {"trunk": 3})
            self.ringing = self.add("b_rings", bed.b_ip, port, 1)

    def add(self, scenario, ip, port, side, **more):
        crowd = Crowd(scenario, f"{scenario}{next(self.count)}", ip, port, self.bed.folder, self.choirs[side], **more)
        crowd.listening()
        self.bed.legs.append(crowd)
        return crowd

    def call(self, calls, rate=10):
        """Starts (caller, private number, talk in milliseconds), `rate` a second."""
        bed = self.bed
        self.bed.hidden_from_b += [a for a, _, _ in calls]
        port = phones.free_port(bed.a_ip)
        return self.add("a_crowd", bed.a_ip, port, 0, target=bed.platform.sip_at, calls=calls, rate=rate)

    def bind(self, pairs, x=X, **more):
        self.bed.hidden_from_a += [b for _, b in pairs]
        return [self.bed.platform.bind(x, a, b, **more) for a, b in pairs]

    def close(self):
        for choir in self.choirs:
            choir.close()


def wait_until(condition, timeout, what):
    limit = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < limit, f"{what}: not within {timeout} s"
        time.sleep(0.03)


def told(bed):
    """What the customer has been told, in order of arrival: {session: [event or "fee"]}, {caller: record}."""
    sessions, records = {}, {}
    for _, _, body in list(bed.sink.received):
        if body["eventType"] != "fee":
            sessions.setdefault(body["statusInfo"]["sessionId"], []).append(body["eventType"])
            continue
        for fee in body["feeLst"]:
            sessions.setdefault(fee["sessionId"], []).append("fee")
            before = records.setdefault(fee["callerNum"], fee)
            changing = {"recordFileDownloadUrl"}
            same = {k: v for k, v in before.items() if k not in changing} == {k: v for k, v in fee.items() if k not in changing}
            assert same, f"two records for one call: {before} {fee}"
    return sessions, records


def check_order(sessions, records, repeats_max, record_last=True):
    """Each call's events in order, all of them, the record once; up to `repeats_max` posts of a call came twice."""
    repeats = 0
    assert {fee["sessionId"] for fee in records.values()} == set(sessions), "a call without a record, or a record of no call"
    for session, names in sessions.items():
        events = [name for name in names if name != "fee"]
        once = [name for name, _ in itertools.groupby(events)]
        assert len(set(once)) == len(once), f"events came out of order: {names}"
        assert once == [name for name in ANSWERED if name in once], f"events came out of order: {names}"
        assert once[0] == "callin" and once[-1] == "disconnect", f"events are missing: {names}"
        fees = names.count("fee")
        assert fees >= 1
        if record_last:
            assert names[-1] == "fee" and "fee" not in names[:-fees], f"the record came before the end: {names}"
        again = len(events) - len(once) + fees - 1
        assert again <= repeats_max, f"told {again} times too often: {names}"
        repeats += again
    return repeats


def published(bed):
    """Paths of all files in the folder of recordings: those that are served, and the others."""
    root = os.path.join(bed.platform.data, "recordings")
    files = [os.path.join(at, name) for at, _, names in os.walk(root) for name in names]
    served = {os.path.basename(f) for f in files if f.startswith(os.path.join(root, "published"))}
    return served, [f for f in files if os.path.basename(f) not in served]


def check_audio(bed, record, least_s, most_s):
    """The recording plays, both voices are in it, its length is within the bounds (in seconds); returns it."""
    assert record["recordFlag"] == 1, f"no recording of at least {least_s:.1f} s: {record}"
    left, right = audio.read_wav(bed.platform.recording(record))
    length = len(left) / 8000
    assert least_s <= length <= most_s, f"recording of {length:.2f} s, not {least_s:.2f} to {most_s:.2f}"
    for channel, own, other in ((left, 440, 880), (right, 880, 440)):
        assert audio.heard(channel, own) / 1000 >= length - 0.6, f"{own} Hz only for {audio.heard(channel, own)} ms of {length} s"
        assert audio.heard(channel, other) == 0, f"{other} Hz is on the wrong channel"
    return length


# --- binds ---------------------------------------------------------------------------------------------------------


class Book:
    """What 32 customers have asked for and what they were answered."""

    ROOM = [f"+861700000001{n:02}" for n in range(8)]

    def __init__(self, platform, rng):
        self.platform, self.rng = platform, rng
        self.bindings = {}  # subscription: {"x", "a", and "b": every callee that it may have; empty: unbound}
        self.asked = set()  # (x, a, b) of binds without an answer
        self.odd = []
        self.serial = itertools.count()
        self.acknowledged = 0
        self.lock = threading.Lock()

    def customer(self, seed, stop):
        """Binds, modifies and unbinds until the platform is gone."""
        rng, own = random.Random(seed), []
        while not stop.is_set():
            try:
                dice = rng.random()
                if dice < 0.7 or not own:
                    self.bind(rng, own)
                elif dice < 0.85:
                    self.modify(rng.choice(own))
                else:
                    self.unbind(own.pop(rng.randrange(len(own))))
            except (OSError, http.client.HTTPException):
                return

    def done(self, status, content):
        """Whether it was acknowledged; over the rate limit, it is as if it had not been asked."""
        if status == 200:
            with self.lock:
                self.acknowledged += 1
            return True
        if content.get("resultcode") != "1010010":
            self.odd.append((status, content))
        time.sleep(0.05)
        return False

    def bind(self, rng, own):
        n = next(self.serial)
        x, a, b = rng.choice(self.ROOM), number("3", n), number("4", n)
        self.asked.add((x, a, b))
        status, content, _ = self.platform.customer("POST", self.platform.AXB, {"callerNum": a, "relationNum": x, "calleeNum": b})
        self.asked.discard((x, a, b))
        if self.done(status, content):
            self.bindings[content["subscriptionId"]] = {"x": x, "a": a, "b": {b}}
            own.append(content["subscriptionId"])

    def modify(self, subscription):
        entry, b = self.bindings[subscription], number("5", next(self.serial))
        before = entry["b"]
        entry["b"] = before | {b}
        status, content, _ = self.platform.customer("PUT", self.platform.AXB, {"subscriptionId": subscription, "calleeNum": b})
        entry["b"] = {b} if self.done(status, content) else before

    def unbind(self, subscription):
        entry = self.bindings[subscription]
        before = entry["b"]
        entry["b"] = before | {None}
        status, content = self.platform.unbind(subscription)[:2]
        entry["b"] = {None} if self.done(status, content) else before

    def run(self, seconds):
        """32 customers at once, the platform killed after `seconds`."""
        stop, before = threading.Event(), self.acknowledged
        threads = [threading.Thread(target=self.customer, args=(self.rng.random(), stop)) for _ in range(32)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self.platform.kill()
        stop.set()
        for thread in threads:
            thread.join()
        assert not self.odd, f"unexpected answers: {self.odd[:3]}"
        return self.acknowledged - before

    def found(self):
        """Every binding there is, by the query API."""
        pages = [(x, 1) for x in self.ROOM]
        found = {}
        while pages:
            x, index = pages.pop()
            query = {"relationNum": x, "pageSize": 100, "pageIndex": index}
            status, content, _ = self.platform.customer("GET", self.platform.AXB, query=query)
            assert status == 200, content
            found |= {item["subscriptionId"]: item for item in content["relationNumList"]}
            if index * 100 < content["totalCount"]:
                pages.append((x, index + 1))
        return found

    def check(self):
        """What was acknowledged is there, nothing else is; afterwards nothing is uncertain any more."""
        found = self.found()
        for subscription, entry in self.bindings.items():
            item = found.pop(subscription, None)
            b = item and item["calleeNum"]
            assert b in entry["b"], f"acknowledged binding {subscription} of {entry} is now {item}"
            assert not item or (item["relationNum"], item["callerNum"]) == (entry["x"], entry["a"]), item
            entry["b"] = {b}
        for subscription, item in found.items():
            key = item["relationNum"], item["callerNum"], item["calleeNum"]
            assert key in self.asked, f"a binding that nobody asked for: {item}"
            self.bindings[subscription] = {"x": key[0], "a": key[1], "b": {key[2]}}
        self.asked.clear()

    def some(self, count, bound):
        chosen = [e for e in self.bindings.values() if (e["b"] != {None}) == bound]
        return self.rng.sample(chosen, min(count, len(chosen)))


def killed_while_32_customers_bind(bed):
    """Three times: every acknowledged bind, change and unbind holds after the restart, for the API and for calls."""
    rng = seeded("binds")
    bed.platform.demand("POST", "/admin/v1/numbers", {"app": bed.platform.key, "numbers": [{"number": x, "area": "0755", "trunk": 2} for x in Book.ROOM]})
    book, crowds = Book(bed.platform, rng), Crowds(bed)
    try:
        for round_ in range(3):
            after = rng.uniform(0.3, 1.2)
            acknowledged = book.run(after)
            began = time.monotonic()
            bed.platform.start()
            ready_s = time.monotonic() - began
            book.check()
            bound, gone = book.some(6, True), book.some(1, False)
            wanted, seen = {b for e in bound for b in e["b"]}, len(crowds.callee.called())
            bed.hidden_from_a += wanted
            leg = crowds.call([(e["a"], e["x"], 100) for e in bound], rate=40)
            assert leg.wait(20) == 0, leg.explain()
            assert set(crowds.callee.called()[seen:]) == wanted, "a call went elsewhere than its binding says"
            for entry in gone:
                bed.a_port = phones.free_port(bed.a_ip)
                refused = bed.caller("a_refused", x=entry["x"], a=entry["a"])
                assert refused.wait(10) == 0, "a binding that was acknowledged as removed still routes"
            print(
                f"      round {round_ + 1}: killed after {after:.2f} s, {acknowledged} acknowledged, ready again after"
                f" {ready_s:.2f} s, {len(book.bindings)} bindings checked, {len(bound) + len(gone)} called",
                flush=True,
            )
    finally:
        crowds.close()


# --- calls and recordings -------------------------------------------------------------------------------------------


def stumble(bed, rng, times=3):
    """Starts the platform and kills it while it still repairs what the last kill has left."""
    for _ in range(times):
        bed.platform.launch()
        time.sleep(rng.uniform(0.003, 0.06))
        bed.platform.kill()


def killed_during_recorded_calls(bed):
    """Every call has one record, every recording of talk over 3 s plays, the customer is told everything in order."""
    rng = seeded("calls")
    rate, kill_after = 4, rng.uniform(6.3, 7.0)
    pairs = [(number("1", n), number("2", n)) for n in range(25)]
    crowds = Crowds(bed, rings=True)
    try:
        calls = []
        for n, (a, _) in enumerate(pairs):
            talk, left = 60000, (kill_after - n / rate - 0.55) * 1000
            if n < 3:
                talk = rng.randrange(3200, 3900)  # over before the kill
            elif n % 5 == 4:
                talk = max(100, int(left + rng.uniform(-150, 250)))  # just over, or just about to be
            calls.append((a, X2 if n % 6 == 5 else X, talk))
        crowds.bind([p for p, c in zip(pairs, calls) if c[1] == X], X, recordFlag="true")
        crowds.bind([p for p, c in zip(pairs, calls) if c[1] == X2], X2, recordFlag="true")
        began = time.monotonic()
        caller = crowds.call(calls, rate)
        time.sleep(max(0.0, began + kill_after - time.monotonic()))
        bed.platform.kill()
        killed = time.time()
        stumble(bed, rng)
        began = time.monotonic()
        bed.platform.start()
        ready_s = time.monotonic() - began
        stories = caller.stories()
        reached = {a for a, s in stories.items() if (s.rang or killed) < killed or (s.answered or killed) < killed}
        wait_until(lambda: reached <= set(told(bed)[1]), 20, "records of all calls")
        time.sleep(0.3)
        sessions, records = told(bed)
        # Outcomes are noted for 20 ms of posts at once: each of the four kills may come before one of a call is noted.
        repeats = check_order(sessions, records, repeats_max=4)
        counts = {"answered": 0, "ringing": 0, "ended": 0, "recordings": 0, "cut off under 3 s": 0}
        objects, lost = set(), []
        for a, record in records.items():
            story = stories[a]
            over = story.released is not None and story.released < killed
            if story.answered is None or story.answered > killed:
                if "fwdAnswerTime" not in record:
                    expect(record, ulFailReason=INTERRUPTED, recordFlag=0)
                    counts["ringing"] += 1
                continue
            counts["answered"] += 1
            short_s = (story.hung_up if over else killed) - at(record["callEndTime"])
            assert -1.2 <= short_s <= 2.4, f"the call ended {short_s:.1f} s after what its record says"
            counts["ended"] += over
            assert record.get("fwdAnswerTime"), f"answered, and the record does not know: {record}"
            assert record["ulFailReason"] == 0 if over else record["ulFailReason"] in ((0, INTERRUPTED) if story.hung_up else (INTERRUPTED,)), record
            end = story.hung_up if over else killed
            talk = end - (story.talking or story.answered)
            if record["recordFlag"]:
                assert talk >= 2.9, f"a recording of a talk of {talk:.2f} s"
                # A carrier that is late to see the answer, on a busy machine, sees a shorter talk than there was.
                most = end - min(story.answered, story.talking or story.answered) + 0.5
                length = check_audio(bed, record, talk - (0.15 if over else LOST_MAX_S), most)
                objects.add(record["recordObjectName"])
                lost += [] if over else [talk - length]
                counts["recordings"] += 1
            else:
                assert talk <= 3.2, f"no recording of a talk of {talk:.2f} s"
                counts["cut off under 3 s"] += not over
        served, others = published(bed)
        assert served == objects, f"files without a record or records without a file: {served ^ objects}"
        assert not others, f"left behind: {others}"
        listed = bed.platform.demand("GET", "/admin/v1/recordings")["items"]
        assert {item["object"] for item in listed} == objects
        root = os.path.join(bed.platform.data, "recordings", "published", "1")
        for item in listed:
            assert item["bytes"] == os.path.getsize(os.path.join(root, item["object"])), item
        assert counts["answered"] >= 12 and counts["recordings"] >= 5 and lost and counts["cut off under 3 s"], counts
        assert counts["ringing"] and counts["ended"] >= 2, counts
        print(
            f"      killed after {kill_after:.2f} s, ready again after {ready_s:.2f} s; {len(records)} records, {counts},"
            f" lost at the end of a recording {min(lost):.2f} to {max(lost):.2f} s, {repeats} posts came twice",
            flush=True,
        )
    finally:
        crowds.close()


# --- notifications --------------------------------------------------------------------------------------------------


def dead_receiver_and_killed_platform(bed):
    """The receiver answers 503, then nobody listens; the platform is killed in between: told in the end, in order."""
    rng = seeded("receiver")
    pairs = [(number("1", n), number("2", n)) for n in range(14)]
    crowds = Crowds(bed)
    try:
        crowds.bind(pairs)
        bed.sink.status = 503
        calls = [(a, X, rng.randrange(100, 900)) for a, _ in pairs]
        first = crowds.call(calls[:8], rate=8)
        time.sleep(rng.uniform(1.0, 1.6))  # some are over, some talk, some ring
        bed.platform.kill()
        killed = time.time()
        bed.sink.close()
        bed.platform.start()
        second = crowds.call(calls[8:], rate=8)
        assert second.wait(20) == 0, second.explain()
        assert not bed.sink.received
        bed.sink.status = 200
        bed.sink.up()
        up = time.monotonic()
        reached = {a for a, s in first.stories().items() if (s.rang or killed) < killed} | {a for a, _, _ in calls[8:]}
        assert len(reached) > 8
        wait_until(lambda: reached <= set(told(bed)[1]), 25, "records of all calls")
        wait_until(lambda: all("disconnect" in names for names in told(bed)[0].values()), 25, "events of all calls")
        took = time.monotonic() - up
        time.sleep(0.3)
        sessions, records = told(bed)
        # Records have a receiver of their own and do not wait for events that cannot be told.
        check_order(sessions, records, repeats_max=0, record_last=False)
        cut = [a for a, r in records.items() if r["ulFailReason"] == INTERRUPTED]
        assert not bed.sink.bad_signatures
        print(f"      {len(records)} calls, {len(cut)} of them cut off by the kill; all told {took:.1f} s after the receiver was up", flush=True)
    finally:
        crowds.close()


# A minute of the retry schedule (1, 4, 9 ... minutes) in 1.2 s.
dead_receiver_and_killed_platform.settings = {"extra": "retry_minute_ms = 1200"}


def stopped_with_calls_and_a_slow_receiver(bed):
    """SIGTERM: calls may end within the time to drain, then they are ended; what the receiver has not taken yet is
    told after the next start, nothing twice."""
    platform, crowds = bed.platform, None
    assert platform.stop() == 0
    platform.environment = {"AXBRIDGE__SIP__DRAIN_S": "3"}
    platform.start()
    try:
        crowds = Crowds(bed)
        pairs = [(number("1", n), number("2", n)) for n in range(8)]
        crowds.bind(pairs, recordFlag="true")
        bed.sink.delay_s = 2.2
        caller = crowds.call([(a, X, 60000 if n < 2 else 2000 + 100 * n) for n, (a, _) in enumerate(pairs)], rate=20)
        wait_until(lambda: sum(s.talking is not None for s in caller.stories().values()) == len(pairs), 10, "all calls answered")
        platform.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        time.sleep(0.3)
        late = bed.caller("a_refused", a=pairs[0][0])
        assert late.wait(10) == 0 and statuses(late)[-1] == 503, late.explain()
        assert platform.process.wait(40) == 0
        stopped_s = time.monotonic() - began
        before = len(bed.sink.received)
        bed.sink.delay_s = 0
        platform.start()
        wait_until(lambda: len(told(bed)[1]) == len(pairs), 10, "records of all calls")
        time.sleep(0.3)
        sessions, records = told(bed)
        check_order(sessions, records, repeats_max=0)
        stories = caller.stories()
        for n, (a, _) in enumerate(pairs):
            record, story = records[a], stories[a]
            if n < 2:
                assert story.bye_received, "a call that outlasted the drain was not ended"
                assert record["ulFailReason"] != INTERRUPTED, record
                check_audio(bed, record, story.bye_received - story.talking - 0.2, story.bye_received - story.talking + 0.15)
            else:
                assert story.released and record["ulFailReason"] == 0, f"{record}: a call was not let to its end"
        total = len(bed.sink.received)
        assert before < total, "the receiver was not slow enough to leave anything"
        assert stopped_s < 25, f"stopped after {stopped_s:.1f} s"
        print(f"      stopped after {stopped_s:.1f} s with {before} of {total} notifications told, the others after the start", flush=True)
    finally:
        if crowds:
            crowds.close()


# --- disks ----------------------------------------------------------------------------------------------------------


class SmallDisk:
    """A folder that is soon full: a small file system where one can be mounted."""

    def __init__(self, folder, kib):
        self.path = os.path.join(folder, "small")
        os.makedirs(self.path)
        command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", self.path]
        self.mounted = subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0

    def spoil(self, app):
        """Without a file system of its own: nothing can be made in the folder of recordings in progress."""
        if not self.mounted:
            os.makedirs(os.path.join(self.path, "partial"), exist_ok=True)
            open(os.path.join(self.path, "partial", app), "wb").close()

    def mend(self, app):
        if self.mounted:
            subprocess.run(["mount", "-o", "remount,size=8m", self.path], check=True)
        else:
            os.remove(os.path.join(self.path, "partial", app))

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "-l", self.path], check=True)


def full_disk_for_recordings(bed):
    """The call goes on, its record says why there is no recording, nothing is left behind; with room again, it records."""
    platform = bed.platform
    platform.stop()
    disk = SmallDisk(bed.folder, 112)
    platform.environment = {"AXBRIDGE__RECORDING__DIR": disk.path}
    crowds = None
    try:
        disk.spoil("1")
        platform.start()
        crowds = Crowds(bed)
        pairs = [(number("1", n), number("2", n)) for n in range(2)]
        crowds.bind(pairs, recordFlag="true")
        for n, talk in enumerate((4700, 3500)):
            leg = crowds.call([(pairs[n][0], X, talk)])
            assert leg.wait(20) == 0, leg.explain()
            wait_until(lambda: len(told(bed)[1]) == n + 1, 10, "the record")
            if n == 0:
                left = [os.path.join(at, name) for at, _, names in os.walk(disk.path) for name in names if name != "1"]
                assert not left, f"left behind: {left}"
                disk.mend("1")
        sessions, records = told(bed)
        check_order(sessions, records, repeats_max=0)
        without, with_ = records[pairs[0][0]], records[pairs[1][0]]
        story = leg.stories()[pairs[1][0]]
        expect(without, recordFlag=0, ulFailReason=0)
        assert 4 <= at(without["callEndTime"]) - at(without["fwdAnswerTime"]) <= 6, "the call did not go on"
        check_audio(bed, with_, 3.3, story.hung_up - story.talking + 0.15)
        shown = platform.demand("GET", "/admin/v1/records")["items"]
        why = next(r for r in shown if r["sessionId"] == without["sessionId"]).get("recordFailure", "")
        wanted = "No space left" if disk.mounted else "Not a directory"
        assert wanted in why, f"the record does not say why: {why!r}"
        status, metrics, _ = platform.request(platform.metrics_port, "GET", "/metrics")
        assert status == 200 and b"axbridge_recordings_failed_total 1" in metrics
        print(f"      {'a file system of 112 KiB' if disk.mounted else 'a folder that cannot be written'}: {why!r}", flush=True)
    finally:
        if crowds:
            crowds.close()
        if platform.process.poll() is None:
            platform.kill()
        disk.close()


def disk_that_refuses_every_write(bed):
    """A bind is refused and stays refused; new calls are refused, the others end as they should; with room again
    everything works without a restart, and everything is told."""
    platform, crowds = bed.platform, Crowds(bed)
    limit = lambda most: resource.prlimit(platform.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    try:
        pairs = [(number("1", n), number("2", n)) for n in range(3)]
        crowds.bind(pairs, recordFlag="true")
        going = crowds.call([(pairs[0][0], X, 400), (pairs[1][0], X, 3600)], rate=50)
        wait_until(lambda: sum(s.talking is not None for s in going.stories().values()) == 2, 10, "both calls answered")
        limit(0)
        refused = [platform.customer("POST", platform.AXB, {"callerNum": number("7", n), "relationNum": X, "calleeNum": number("8", n)}) for n in range(3)]
        assert all((s, c["resultcode"]) == (500, "1010001") for s, c, _ in refused), refused
        wait_until(lambda: any(s.released for s in going.stories().values()), 10, "the end of a call")
        late = bed.caller("a_refused", a=pairs[2][0])
        assert late.wait(10) == 0 and statuses(late)[-1] == 503, late.explain()
        assert going.wait(20) == 0, going.explain()
        assert not bed.sink.records(), "told what is not on the disk"
        limit(resource.RLIM_INFINITY)
        wait_until(lambda: len(told(bed)[1]) == 2, 10, "the records of the calls that went on")
        again = crowds.call([(pairs[2][0], X, 100)])
        assert again.wait(10) == 0, again.explain()
        crowds.bind([(number("7", 0), number("9", 0))])
        wait_until(lambda: len(told(bed)[1]) == 3, 10, "the record of a call after it")
        # What was told a moment ago and is not noted yet would be told again after the kill.
        wait_until(lambda: bed.outbox_pending() == 0, 10, "the notes of what was told")
        platform.kill()
        platform.start()
        time.sleep(0.3)
        sessions, records = told(bed)
        check_order(sessions, records, repeats_max=0)
        assert all(r["ulFailReason"] == 0 and r["recordFlag"] == 0 for r in records.values()), records
        bound = platform.customer("GET", platform.AXB, query={"relationNum": X, "pageSize": 100})[1]["relationNumList"]
        assert {i["callerNum"] for i in bound} == {a for a, _ in pairs} | {number("7", 0)}, bound
        shown = platform.demand("GET", "/admin/v1/records")["items"]
        why = [r["recordFailure"] for r in shown if "recordFailure" in r]
        assert len(why) == 1, f"one recording had been begun: {why}"
        print(f"      3 binds answered 500, a call 503; 2 calls ended and were told later; a recording: {why[0]!r}", flush=True)
    finally:
        crowds.close()


ALL = [
    killed_while_32_customers_bind,
    killed_during_recorded_calls,
    dead_receiver_and_killed_platform,
    stopped_with_calls_and_a_slow_receiver,
    full_disk_for_recordings,
    disk_that_refuses_every_write,
]
