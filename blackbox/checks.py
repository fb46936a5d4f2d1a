"""What scenarios look at: ladders, events, records, recordings, and what was heard."""

import calendar
import time

import audio
from bench_bed import A, B, PROMPTS, STRANGER, X

ANSWERED = ["callin", "callout", "alerting", "answer", "disconnect"]


def at(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


def expect(record, **wanted):
    for name, value in wanted.items():
        assert record.get(name) == value, f"{name} is {record.get(name)!r}, not {value!r}: {record}"


def statuses(leg):
    """Final and provisional statuses that a leg received for its INVITE."""
    return [int(first.split()[1]) for d, first in leg.ladder() if d == "received" and first.startswith("SIP/2.0")]


def requests(leg):
    return [first.split()[0] for d, first in leg.ladder() if d == "received" and not first.startswith("SIP/2.0")]


def invite_at(leg):
    return next(body for d, first, body in leg.parts() if d == "received" and first.startswith("INVITE"))


def check_shown(bed, callee_leg, callee=B, shown=X):
    """The callee is called by its number and sees X, or what else it is to be shown."""
    text = invite_at(callee_leg).decode("latin-1")
    lines = {l.split(":", 1)[0].lower(): l for l in text.split("\n") if ":" in l}
    assert f"sip:{callee}@" in text.split("\n")[0], "the callee's number is not in the Request-URI"
    assert shown in lines["from"] and shown in lines["p-asserted-identity"], f"the callee is not shown {shown}"


def check_voices(bed, least_ms=1500):
    assert bed.a_phone.heard(880) >= least_ms, f"A heard B for {bed.a_phone.heard(880)} ms"
    assert bed.b_phone.heard(440) >= least_ms, f"B heard A for {bed.b_phone.heard(440)} ms"
    assert bed.a_phone.heard(440) == 0, "A heard itself"


def check_stream(phone):
    """One continuous stream: one SSRC, sequence without gaps, timestamps that never go back."""
    packets = phone.received
    assert len({ssrc for _, _, _, ssrc, _, _ in packets}) == 1, "more than one SSRC"
    steps = [(b[1] - a[1]) & 0xFFFF for a, b in zip(packets, packets[1:])]
    assert all(s == 1 for s in steps), f"sequence jumps: {[s for s in steps if s != 1][:5]}"
    times = [(b[2] - a[2]) & 0xFFFFFFFF for a, b in zip(packets, packets[1:])]
    assert all(0 < t < 8000 * 60 for t in times), "timestamps go back"


def check_recording(bed, record, tones=(440, 880), notice=False):
    """Both voices on their own channel for the time of the talk."""
    expect(record, recordFlag=1)
    left, right = audio.read_wav(bed.platform.recording(record))
    assert len(left) == len(right)
    check_length(bed, record, left, notice)
    for channel, own, other in ((left, tones[0], tones[1]), (right, tones[1], tones[0])):
        length = len(channel) // 8
        assert audio.heard(channel, own) >= length - 400, f"{own} Hz for {audio.heard(channel, own)} of {length} ms"
        assert audio.heard(channel, other) == 0, f"{other} Hz is on the wrong channel"
    return len(left) / 8


def check_length(bed, record, channel, notice=False):
    """The recording is as long as the talk, within 40 ms; a notice before it is not in it."""
    kept = bed.kept_record(record["sessionId"])
    began = kept["record_start_ms"] if notice else kept["fwd_answer_ms"]
    talk_ms = kept["call_end_ms"] - began
    assert abs(len(channel) / 8 - talk_ms) <= 40, f"recording of {len(channel) / 8} ms for {talk_ms} ms of talk"


def connected(bed, caller, x, callee, shown=X, scenarios=("a_hangs_up", "b_answers"), pause_ms=1200, keyed=""):
    """One call of `caller` to `x` that is put through to `callee`, who sees `shown`; to its end. The two must not find
    each other's numbers, but for a caller who is shown."""
    a, b = calling(bed, caller, x, callee, shown, scenarios, pause_ms, keyed)
    return through(bed, a, b, callee, shown)


def calling(bed, caller, x, callee, shown=X, scenarios=("a_hangs_up", "b_answers"), pause_ms=1200, keyed=""):
    """The same call, begun."""
    for phone in bed.a_phone, bed.b_phone:
        phone.hang_up()
    b = bed.callee(scenarios[1], pause_ms)
    a = bed.caller(scenarios[0], pause_ms, x=x, a=caller, keyed=keyed)
    a.hidden, b.hidden = [callee], [] if shown == caller else [caller]
    return a, b


def through(bed, a, b, callee, shown=X):
    """The same call, to its end."""
    codes = a.wait(), b.wait()
    assert codes == (0, 0), f"SIPp: {codes}\n{a.explain()}\n{b.explain()}"
    check_shown(bed, b, callee, shown)
    return a, b


def told(bed, names=None):
    """The record and the events (`statusInfo` by `eventType`) of the one call since the last look."""
    record, events = bed.record()
    infos = {e["eventType"]: e["statusInfo"] for e in bed.sink.events(record["sessionId"])}
    assert names is None or events == names, f"events {events}, not {names}"
    bed.platform.wait_idle()
    bed.sink.clear()
    return record, infos


def check_parties(record, infos, caller, x, callee, shown, direction):
    """Who is named as what, in the record and in every event."""
    expect(record, callerNum=caller, calleeNum=x, bindNum=x, fwdDisplayNum=shown, fwdDstNum=callee, direction=direction)
    if "callin" in infos:
        assert (infos["callin"]["caller"], infos["callin"]["called"]) == (caller, x), infos["callin"]
    for name in ("callout", "alerting", "answer", "disconnect"):
        if name in infos:
            assert (infos[name]["caller"], infos[name]["called"]) == (shown, callee), infos[name]


def turned_away(bed, state, status, caller, x=X, names=("callin", "disconnect"), heard=None, **fields):
    """A call that is refused: with this stateCode and SIP status, and perhaps with a prompt of this frequency."""
    bed.a_phone.hang_up()
    a = bed.caller("a_refused", x=x, a=caller)
    a.hidden = [n for n in (A, B, STRANGER) if n != caller]
    assert a.wait() == 0, a.explain()
    assert statuses(a)[-1] == status, statuses(a)
    check_heard(bed.a_phone, heard)
    record, infos = told(bed, list(names))
    check_refusal(record, infos, state, **fields)
    return record, infos


def check_refusal(record, infos, state, **fields):
    expect(record, ulFailReason=state, recordFlag=0, **fields)
    assert "fwdAnswerTime" not in record and record["failTime"] == record["callEndTime"], record
    assert infos["disconnect"]["stateCode"] == state, infos["disconnect"]


def check_heard(phone, frequency, least_ms=450):
    """The prompt of this frequency was heard whole; None: no prompt at all."""
    if frequency is None:
        found = [f for f, _ in PROMPTS.values() if phone.heard(f)]
        assert not found, f"prompts were heard that should not be: {found} Hz"
    else:
        assert phone.heard(frequency) >= least_ms, f"{frequency} Hz was heard for {phone.heard(frequency)} ms only"
