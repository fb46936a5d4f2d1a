"""Every scenario of the main job, each with its ladders, events, record and recording."""

import time
import urllib.parse

import audio
from bench_bed import A, B, STRANGER, X
from checks import (
    ANSWERED,
    at,
    check_length,
    check_recording,
    check_shown,
    check_stream,
    check_voices,
    expect,
    invite_at,
    requests,
    statuses,
    turned_away,
)


def check_trace(bed, session, *pieces):
    """The trace of an ended call says all this, in this order, and has no number and no address; it is its owner's."""
    path = f"/v1/calls/{urllib.parse.quote(session, safe='')}/trace"
    status, content, _ = bed.platform.customer("GET", path)
    assert status == 200, f"trace: {status} {content}"
    trace = content["trace"]
    assert not trace["running"] and trace["messages"] and trace["steps"], trace
    text, place = "\n".join(step["text"] for step in trace["steps"]), 0
    for piece in pieces:
        place = text.find(piece, place)
        assert place >= 0, f"no {piece!r} where it should be in the trace:\n{text}"
    for number in (A, B, STRANGER, X):
        assert number[1:] not in str(trace) and number[3:] not in str(trace), f"a whole number in the trace: {trace}"
    for address in (bed.a_ip, bed.b_ip):
        assert address not in str(trace), f"an address in the trace: {trace}"
    return trace


def answered_caller_hangs_up(bed):
    bed.platform.bind(X, A, B, recordFlag="true", userData="order-1")
    a, b = bed.call("a_hangs_up", "b_answers", 4000)
    assert statuses(a)[-2:] == [200, 200] and 180 in statuses(a), statuses(a)
    assert requests(b) == ["INVITE", "ACK", "BYE"], requests(b)
    check_shown(bed, b)
    record, events = bed.record()
    assert events == ANSWERED, events
    expect(record, direction=1, callerNum=A, calleeNum=X, bindNum=X, fwdDisplayNum=X, fwdDstNum=B, ulFailReason=0)
    expect(record, fwdUnaswRsn=0, sipStatusCode=0, userData="order-1", appKey=bed.platform.key, spId="acme")
    talk = at(record["callEndTime"]) - at(record["fwdAnswerTime"])
    assert 3 <= talk <= 5, talk
    check_voices(bed, 3000)
    check_stream(bed.a_phone)
    check_stream(bed.b_phone)
    length = check_recording(bed, record)
    assert abs(length - 4000) <= 120, f"recording of {length} ms for 4 s of talk as the caller counts them"
    disconnect = bed.sink.events(record["sessionId"])[-1]["statusInfo"]
    assert disconnect["stateCode"] == 0 and disconnect["userData"] == "order-1", disconnect
    told = ["read from the header", "kind AXB was found: the caller is A", "is called by the trunk", "has answered"]
    trace = check_trace(bed, record["sessionId"], *told, "The recording is kept")
    assert {(m["leg"], m["direction"]) for m in trace["messages"]} == {
        (leg, way) for leg in ("caller", "callee") for way in ("received", "sent")
    }, trace
    assert trace["media"]["caller"]["packets"] > 100 and trace["media"]["callee"]["packets"] > 100, trace
    status, events, _ = bed.platform.customer("GET", "/v1/events")
    assert status == 200 and [e["eventType"] for e in events["callList"][0]["eventList"]] == ANSWERED, events
    bed.no_more_records()
    status, replayed, _ = bed.platform.customer("POST", "/v1/replay", {"sessionIds": [record["sessionId"]], "kind": "records"})
    assert status == 200 and replayed["notificationCount"] == 1, replayed
    # The address of the recording is signed anew.
    again = [{**fee, "recordFileDownloadUrl": None} for fee in bed.sink.wait_records(2)]
    assert len(again) == 2 and again[0] == again[1], again


def other_way_callee_hangs_up(bed):
    """B calls X and reaches A."""
    bed.hidden_from_a, bed.hidden_from_b = [A], [B]
    bed.platform.bind(X, A, B)
    a, b = bed.call("a_waits", "b_hangs_up", 3000, a=B)
    check_shown(bed, b, callee=A)
    assert requests(a)[-1:] == ["BYE"], requests(a)
    record, events = bed.record()
    assert events == ANSWERED, events
    expect(record, direction=0, callerNum=B, fwdDstNum=A, recordFlag=0, ulFailReason=0)
    check_voices(bed)
    bed.nothing_recorded()


def busy(bed):
    bed.platform.bind(X, A, B)
    a, b = bed.call("a_refused", "b_busy")
    assert statuses(a)[-1] == 486, statuses(a)
    record, events = bed.record()
    assert events == ["callin", "callout", "disconnect"], events
    expect(record, ulFailReason=8102, sipStatusCode=486, fwdUnaswRsn=17, recordFlag=0)
    assert "fwdAnswerTime" not in record or not record["fwdAnswerTime"]
    assert bed.sink.events()[-1]["statusInfo"]["stateCode"] == 8102
    bed.nothing_recorded()


def no_answer(bed):
    bed.platform.bind(X, A, B)
    a, b = bed.call("a_refused", "b_rings")
    assert statuses(a)[-1] == 480, statuses(a)
    assert "CANCEL" in requests(b), requests(b)
    record, events = bed.record()
    assert events == ["callin", "callout", "alerting", "disconnect"], events
    expect(record, ulFailReason=8035, fwdUnaswRsn=19)
    bed.nothing_recorded()


no_answer.settings = {"settings": {"answer_timeout_s": 3}}


def cancelled_while_ringing(bed):
    bed.platform.bind(X, A, B)
    a, b = bed.call("a_cancels", "b_rings", 800)
    assert 487 in statuses(a), statuses(a)
    assert "CANCEL" in requests(b), requests(b)
    record, events = bed.record()
    assert events == ["callin", "callout", "alerting", "disconnect"], events
    expect(record, ulFailReason=7502)
    bed.nothing_recorded()


def caller_not_bound(bed):
    bed.platform.bind(X, A, B)
    record, _ = turned_away(bed, 8014, 403, STRANGER)
    expect(record, direction=2, callerNum=STRANGER)
    assert not record.get("subscriptionId")


def caller_not_bound_hears_why(bed):
    bed.platform.bind(X, A, B)
    turned_away(bed, 8014, 403, STRANGER, heard=1600)


caller_not_bound_hears_why.settings = {"settings": {"refusal_prompts": {"no_binding": "refuse.wav"}}}


def wrong_direction(bed):
    bound = bed.platform.bind(X, A, B, callDirection=2)
    turned_away(bed, 8016, 403, A, subscriptionId=bound["subscriptionId"])


def expired_binding(bed):
    bed.platform.bind(X, A, B, duration=1)
    time.sleep(1.2)
    turned_away(bed, 8014, 403, A)


def unbound(bed):
    bound = bed.platform.bind(X, A, B)
    assert bed.platform.unbind(bound["subscriptionId"])[0] == 200
    turned_away(bed, 8014, 403, A)


def unknown_number(bed):
    a = bed.caller("a_refused", x="+8617000000099")
    assert a.wait() == 0, a.explain()
    assert statuses(a)[-1] == 404, statuses(a)
    limit = time.monotonic() + 5
    while not (found := bed.platform.demand("GET", "/admin/v1/refusals")["items"]) and time.monotonic() < limit:
        time.sleep(0.05)
    assert "No application owns the number" in found[0]["steps"][-1]["text"], found
    assert "8617000000099" not in str(found) and A[1:] not in str(found), found


def holds_and_resumes(bed):
    bed.platform.bind(X, A, B, recordFlag="true")
    a, b = bed.call("a_holds", "b_held", 1500)
    assert requests(b) == ["INVITE", "ACK", "INVITE", "ACK", "INVITE", "ACK", "BYE"], requests(b)
    offers = [body for d, first, body in b.parts() if d == "received" and first.startswith("INVITE")]
    assert b"a=sendonly" in offers[1] and b"a=sendrecv" in offers[2], "hold and resume did not reach B"
    record, events = bed.record()
    assert events == ANSWERED, events
    check_voices(bed)
    check_stream(bed.b_phone)
    left, right = audio.read_wav(bed.platform.recording(record))
    check_length(bed, record, left)
    assert audio.heard(left, 440) >= 2500 and audio.heard(right, 880) >= 2500


def early_media(bed):
    bed.platform.bind(X, A, B, recordFlag="true")
    a, b = bed.call("a_hangs_up", "b_early_media", 1500)
    assert 183 in statuses(a), statuses(a)
    record, events = bed.record()
    assert events == ["callin", "callout", "answer", "disconnect"], events
    assert bed.a_phone.heard(880) >= 2500, "early media was not heard"
    expect(record, recordFlag=0)
    bed.nothing_recorded()


def pracks_on_both_sides(bed):
    bed.platform.bind(X, A, B, recordFlag="true")
    a, b = bed.call("a_pracks", "b_reliable", 3500)
    assert requests(b) == ["INVITE", "PRACK", "ACK", "BYE"], requests(b)
    reliable = [body for d, first, body in a.parts() if d == "received" and first.startswith("SIP/2.0 180")]
    assert reliable and b"RSeq:" in reliable[0] and b"100rel" in reliable[0]
    record, events = bed.record()
    assert events == ANSWERED, events
    check_recording(bed, record)


def late_offer(bed):
    bed.platform.bind(X, A, B, recordFlag="true")
    bed.call("a_late_offer", "b_answers", 3500)
    record, events = bed.record()
    assert events == ANSWERED, events
    check_voices(bed)
    check_recording(bed, record)


def retransmitted_invite_and_lost_ack(bed):
    bed.platform.bind(X, A, B, recordFlag="true")
    a, b = bed.call("a_loses_ack", "b_answers", 3000)
    assert requests(b) == ["INVITE", "ACK", "BYE"], requests(b)
    assert statuses(a).count(200) >= 3, "the 200 was not repeated until its ACK"
    record, events = bed.record()
    assert events == ANSWERED, events
    check_recording(bed, record)


def max_duration_with_warning(bed):
    """Two minutes of 3 s each: the warning at 3 s, the cut at 6 s."""
    bed.platform.bind(X, A, B, maxDuration=2, lastMinVoice="last.wav", recordFlag=True)
    a, b = bed.call("a_waits", "b_answers", 20000)
    assert requests(a)[-1] == "BYE" and requests(b)[-1] == "BYE"
    record, events = bed.record()
    assert events == ANSWERED, events
    expect(record, ulFailReason=8010, recordFlag=1)
    assert bed.sink.events()[-1]["statusInfo"]["stateCode"] == 8010
    for phone in (bed.a_phone, bed.b_phone):
        heard = phone.heard(1400)
        assert 650 <= heard <= 900, f"the warning was heard for {heard} ms"
        first = phone.received[0][0]
        warned = next(t for t, _, _, _, kind, payload in phone.received if audio.power([audio.ALAW[c] for c in payload], 1400) > 0.7)
        assert 2.5 <= warned - first <= 4.2, f"the warning came {warned - first:.1f} s after the audio began"
    left, _ = audio.read_wav(bed.platform.recording(record))
    check_length(bed, record, left)
    assert abs(len(left) / 8 - 6000) <= 150, f"recording of {len(left) / 8} ms for 6 s of talk"


max_duration_with_warning.settings = {"minute_ms": 3000}


def prompts_before_and_at_answer(bed):
    bed.platform.bind(
        X, A, B, preVoice={"callerHintTone": "pre.wav", "calleeHintTone": "last.wav"}, recordFlag="true", recordHintTone="hint.wav"
    )
    a, b = bed.call("a_hangs_up", "b_answers", 4500)
    assert 183 in statuses(a), statuses(a)
    record, events = bed.record()
    assert events == ANSWERED, events
    assert bed.a_phone.heard(1000) >= 350, f"pre-call prompt: {bed.a_phone.heard(1000)} ms"
    assert bed.b_phone.heard(1000) == 0
    for phone in (bed.a_phone, bed.b_phone):
        assert 350 <= phone.heard(1200) <= 550, f"record notice: {phone.heard(1200)} ms"
    expect(record, recordFlag=1)
    left, _ = audio.read_wav(bed.platform.recording(record))
    check_length(bed, record, left, notice=True)
    assert abs(len(left) / 8 - 4000) <= 150, f"recording of {len(left) / 8} ms after a notice of 500 ms"


def short_calls_leave_no_file(bed):
    bed.platform.bind(X, A, B, recordFlag="true")
    bed.call("a_hangs_up", "b_answers", 2860)
    record, _ = bed.record()
    expect(record, recordFlag=0)
    assert not record.get("recordObjectName")
    bed.nothing_recorded()
    bed.platform.wait_idle()
    bed.sink.clear()
    bed.call("a_hangs_up", "b_answers", 3140)
    record, _ = bed.record()
    expect(record, recordFlag=1)
    assert 3000 <= check_recording(bed, record) <= 3300


def laws_are_converted(bed):
    """A speaks only A-law, B only µ-law: each hears the other in its own, and the record notice."""
    bed.platform.bind(X, A, B, recordFlag="true", recordHintTone="hint.wav")
    bed.b_phone.law = 0
    bed.call("a_pcma_only", "b_answers_pcmu", 4500)
    record, events = bed.record()
    assert events == ANSWERED, events
    for phone, law in ((bed.a_phone, 8), (bed.b_phone, 0)):
        assert {kind for *_, kind, _ in phone.received} == {law}, "audio in a law that was not agreed"
        check_stream(phone)
        assert 350 <= phone.heard(1200) <= 550, f"record notice: {phone.heard(1200)} ms"
    check_voices(bed)
    left, right = audio.read_wav(bed.platform.recording(record))
    check_length(bed, record, left, notice=True)
    assert audio.heard(left, 440) >= 3000 and audio.heard(right, 880) >= 3000


def pre_call_prompt_binds_one_law(bed):
    """A hears its prompt in A-law before B, who speaks only µ-law, is asked."""
    bed.platform.bind(X, A, B, preVoice={"callerHintTone": "pre.wav"}, recordFlag="true")
    bed.b_phone.law = 0
    bed.call("a_hangs_up", "b_answers_pcmu", 3500)
    record, events = bed.record()
    assert events == ANSWERED, events
    assert bed.a_phone.heard(1000) >= 350, f"pre-call prompt: {bed.a_phone.heard(1000)} ms"
    assert {kind for *_, kind, _ in bed.a_phone.received} == {8}, "A's codec was changed under way"
    assert {kind for *_, kind, _ in bed.b_phone.received} == {0}, "B was sent what it does not speak"
    check_voices(bed)
    check_recording(bed, record)


def over_tcp(bed):
    bed.platform.bind(X, A, B, recordFlag="true")
    a, b = bed.call("a_hangs_up", "b_answers", 3500)
    assert b"Via: SIP/2.0/TCP" in invite_at(b)
    record, events = bed.record()
    assert events == ANSWERED, events
    check_voices(bed)
    check_recording(bed, record)


over_tcp.settings = {"transport": "tcp"}


def over_ipv6(bed):
    bed.platform.bind(X, A, B, recordFlag="true")
    a, b = bed.call("a_hangs_up", "b_answers", 3500)
    assert b"IN IP6 ::1" in invite_at(b)
    record, events = bed.record()
    assert events == ANSWERED, events
    check_voices(bed)
    check_recording(bed, record)


over_ipv6.settings = {"ipv6": True}


def drains_on_sigterm(bed):
    """A call in progress goes on while the program is told to stop; new ones are refused."""
    import signal

    bed.platform.bind(X, A, B)
    b = bed.callee("b_answers", 4000)
    a = bed.caller("a_hangs_up", 4000)
    limit = time.monotonic() + 10
    while time.monotonic() < limit and not any(e["eventType"] == "answer" for e in bed.sink.events()):
        time.sleep(0.05)
    bed.platform.process.send_signal(signal.SIGTERM)
    assert (a.wait(), b.wait()) == (0, 0), a.explain() + b.explain()
    assert bed.platform.process.wait(30) == 0
    assert len(bed.sink.wait_records(1)) == 1


ALL = [
    answered_caller_hangs_up,
    other_way_callee_hangs_up,
    busy,
    no_answer,
    cancelled_while_ringing,
    caller_not_bound,
    caller_not_bound_hears_why,
    wrong_direction,
    expired_binding,
    unbound,
    unknown_number,
    holds_and_resumes,
    early_media,
    pracks_on_both_sides,
    late_offer,
    retransmitted_invite_and_lost_ack,
    max_duration_with_warning,
    prompts_before_and_at_answer,
    short_calls_leave_no_file,
    laws_are_converted,
    pre_call_prompt_binds_one_law,
    over_tcp,
    over_ipv6,
    drains_on_sigterm,
]
