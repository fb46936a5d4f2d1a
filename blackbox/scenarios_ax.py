"""AX: anybody who dials X reaches A; A who dials X reaches the temporary callee, or who called last."""

import time

import phones
from bench_bed import A, B, STRANGER, X
from checks import (
    ANSWERED,
    check_heard,
    check_parties,
    check_recording,
    connected,
    expect,
    requests,
    statuses,
    told,
    turned_away,
)

MODE = "ax"
AX = "/rest/provision/caas/privatenumber/v1.0"
CALLEE = "/rest/caas/privatenumber/calleenumber/v1.0"


def bind(bed, **more):
    body = {"origNum": A, "privateNum": X, "calleeNumDisplay": "0", **more}
    return bed.platform.ok("POST", AX, body)["subscriptionId"]


def stranger_reaches_a(bed):
    """Prompts, both voices, the recording, and who is named as what."""
    tones = {"callerHintTone": "refuse.wav", "calleeHintTone": "pre.wav"}
    subscription = bind(bed, recordFlag="true", recordHintTone="hint.wav", preVoice=tones, userData="order-1")
    a, b = connected(bed, STRANGER, X, A, pause_ms=4300)
    assert 183 in statuses(a) and requests(b) == ["INVITE", "ACK", "BYE"], (statuses(a), requests(b))
    check_heard(bed.a_phone, 1000)
    assert bed.a_phone.heard(1600) == 0, "the caller heard the prompt that is for A"
    for phone in bed.a_phone, bed.b_phone:
        check_heard(phone, 1200, 350)
    record, infos = told(bed, ANSWERED)
    check_parties(record, infos, STRANGER, X, A, X, direction=0)
    expect(record, ulFailReason=0, subscriptionId=subscription, userData="order-1", serviceType="004")
    assert {(i["subscriptionId"], i["userData"]) for i in infos.values()} == {(subscription, "order-1")}, infos
    assert "extendNum" not in record and "notifyMode" not in record, record
    kept = bed.kept_record(record["sessionId"])
    assert kept["record_start_ms"] > kept["fwd_answer_ms"], "the recording began before its notice"
    check_recording(bed, record, notice=True)


def a_reaches_the_temporary_callee(bed):
    """Not used up by a call, overwritten by the next one; its userData goes before that of the binding."""
    bind(bed, recordFlag="true", preVoice={"callerHintTone": "pre.wav", "calleeHintTone": "refuse.wav"}, userData="order-1")
    bed.platform.ok("PUT", CALLEE, {"privateNum": X, "calleeNum": B, "duration": 600, "userData": "call-7"})
    connected(bed, A, X, B, pause_ms=3700)
    check_heard(bed.a_phone, 1000)
    record, infos = told(bed, ANSWERED)
    check_parties(record, infos, A, X, B, X, direction=1)
    expect(record, ulFailReason=0, userData="call-7")
    check_recording(bed, record)
    connected(bed, A, X, B, pause_ms=700)
    told(bed, ANSWERED)
    bed.platform.ok("PUT", CALLEE, {"privateNum": X, "calleeNum": STRANGER})
    connected(bed, A, X, STRANGER, scenarios=("a_waits", "b_hangs_up"), pause_ms=700)
    record, infos = told(bed, ANSWERED)
    expect(record, fwdDstNum=STRANGER, userData="order-1")
    assert infos["disconnect"]["callRelDirection"] == 2, infos["disconnect"]


def a_without_a_callee(bed):
    """None was ever set; the one that was set is over."""
    subscription = bind(bed, userData="order-1")
    turned_away(bed, 8013, 403, A, heard=1600, subscriptionId=subscription, userData="order-1", direction=2)
    bed.platform.ok("PUT", CALLEE, {"privateNum": X, "calleeNum": B, "duration": 1})
    time.sleep(1.3)
    turned_away(bed, 8013, 403, A, heard=1600)
    bed.nothing_recorded()


a_without_a_callee.settings = {"settings": {"refusal_prompts": {"no_binding": "refuse.wav"}}}


def each_direction_refused(bed):
    subscription = bind(bed, callDirection=1)
    bed.platform.ok("PUT", CALLEE, {"privateNum": X, "calleeNum": B, "duration": 600})
    turned_away(bed, 8016, 403, STRANGER, heard=1600, subscriptionId=subscription)
    connected(bed, A, X, B)
    told(bed, ANSWERED)
    bed.platform.ok("PUT", AX, {"privateNum": X, "callDirection": 2})
    turned_away(bed, 8016, 403, A, heard=1600)
    connected(bed, STRANGER, X, A)
    told(bed, ANSWERED)


each_direction_refused.settings = {"settings": {"refusal_prompts": {"no_permission": "refuse.wav"}}}


def turned_off_and_on(bed):
    """Off, others do not reach A; A still reaches its callee."""
    bind(bed, turnFlag="off")
    turned_away(bed, 8104, 480, STRANGER)
    bed.platform.ok("PUT", CALLEE, {"privateNum": X, "calleeNum": B, "duration": 600})
    connected(bed, A, X, B)
    told(bed, ANSWERED)
    bed.platform.ok("PUT", AX, {"privateNum": X, "turnFlag": "on"})
    connected(bed, STRANGER, X, A)
    told(bed, ANSWERED)


def a_is_shown_the_caller(bed):
    """calleeNumDisplay 1. The other way round X is shown in any case."""
    bind(bed, calleeNumDisplay="1")
    connected(bed, STRANGER, X, A, shown=STRANGER)
    record, infos = told(bed, ANSWERED)
    check_parties(record, infos, STRANGER, X, A, STRANGER, direction=0)
    bed.platform.ok("PUT", CALLEE, {"privateNum": X, "calleeNum": B, "duration": 600})
    connected(bed, A, X, B)
    told(bed, ANSWERED)


def a_carrier_that_shows_no_callers(bed):
    bind(bed, calleeNumDisplay="1")
    turned_away(bed, 8024, 403, STRANGER, heard=1600)


a_carrier_that_shows_no_callers.settings = {
    "trunks": {"b": {"shows_callers": False}},
    "settings": {"refusal_prompts": {"no_permission": "refuse.wav"}},
}


def a_calls_back_who_called_last(bed):
    bind(bed, userData="order-1")
    turned_away(bed, 8019, 403, A, userData="order-1")
    connected(bed, STRANGER, X, A)
    told(bed, ANSWERED)
    connected(bed, A, X, STRANGER)
    record, infos = told(bed, ANSWERED)
    check_parties(record, infos, A, X, STRANGER, X, direction=1)
    # Who is set goes before who has called; a caller who did not get through counts, too.
    bed.platform.ok("PUT", CALLEE, {"privateNum": X, "calleeNum": B, "duration": 2})
    connected(bed, A, X, B, pause_ms=300)
    told(bed, ANSWERED)
    bed.a_phone.hang_up()
    a, b = bed.call("a_refused", "b_busy", a=B)
    a.hidden, b.hidden = [A], [B]
    told(bed, ["callin", "callout", "disconnect"])
    time.sleep(1)
    connected(bed, A, X, B, pause_ms=300)
    told(bed, ANSWERED)


a_calls_back_who_called_last.settings = {"settings": {"ax_call_back": True}}


def second_caller_finds_a_busy(bed):
    """The first call goes on undisturbed; once it is over A can be reached again."""
    bind(bed)
    bed.platform.ok("PUT", CALLEE, {"privateNum": X, "calleeNum": B, "duration": 600})
    b = bed.callee("b_answers")
    first = bed.caller("a_hangs_up", 3500, a=STRANGER)
    first.hidden, b.hidden = [A], [STRANGER]
    bed.wait_event("answer")
    phone = phones.Phone(bed.a_ip, 600)
    try:
        second = bed.caller("a_refused", a=B, phone=phone, port=phones.free_port(bed.a_ip))
        second.hidden = [A, STRANGER]
        assert second.wait() == 0 and statuses(second)[-1] == 486, second.explain()
        assert b"Reason: Q.850;cause=17" in second.received(), "the second caller is not told that A is busy"
    finally:
        phone.close()
    assert (first.wait(), b.wait()) == (0, 0), first.explain() + b.explain()
    busy, talk = sorted(bed.sink.wait_records(2), key=lambda record: record["callerNum"] != B)
    expect(busy, callerNum=B, ulFailReason=8102, recordFlag=0)
    expect(talk, callerNum=STRANGER, ulFailReason=0)
    events = [e["eventType"] for e in bed.sink.events(busy["sessionId"])]
    assert events == ["callin", "disconnect"], events
    bed.platform.wait_idle()
    bed.sink.clear()
    connected(bed, B, X, A)
    told(bed, ANSWERED)


def unbound(bed):
    bind(bed)
    bed.platform.ok("DELETE", AX, query={"privateNum": X})
    for caller in STRANGER, A:
        record, _ = turned_away(bed, 8018, 403, caller, direction=2)
        assert not record["subscriptionId"], record


ALL = [
    stranger_reaches_a,
    a_reaches_the_temporary_callee,
    a_without_a_callee,
    each_direction_refused,
    turned_off_and_on,
    a_is_shown_the_caller,
    a_carrier_that_shows_no_callers,
    a_calls_back_who_called_last,
    second_caller_finds_a_busy,
    unbound,
]
