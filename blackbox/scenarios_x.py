"""X mode: the customer is asked at each call and answers what becomes of it."""

import json
import time

import audio
from bench_bed import A, B, STRANGER, X
from checks import (
    ANSWERED,
    check_heard,
    check_length,
    check_parties,
    check_recording,
    connected,
    expect,
    requests,
    told,
    turned_away,
)
from platform_under_test import Sink

MODE = "x"
# The question is no event besides.
TOLD = ANSWERED[1:]
EVERYTHING = {
    "displayCalleeNum": X,
    "calleeNum": B,
    "maxDuration": 60,
    "waitVoice": "wait.wav",
    "recordFlag": "true",
    "recordHintTone": "hint.wav",
    "lastMinVoice": "last.wav",
    "calleeHintVoice": "pre.wav",
    "userData": "order42",
}


def answers(bed, operation, info=None, as_array=False, status=200):
    body = {"operation": operation}
    if info is not None:
        body[{"connect": "connectInfo", "close": "closeInfo"}[operation]] = [info] if as_array else info
    says(bed, json.dumps(body).encode(), status)


def says(bed, body, status=200, after_s=0.0):
    def answer(_):
        time.sleep(after_s)
        return status, body

    bed.sink.answer = answer


def asked(bed, record, caller=A, sink=None):
    """The one question about the call."""
    sink = sink or bed.sink
    assert sink.bad_signatures == 0, "a question was not signed as it should be"
    ((path, info),) = sink.asked
    sink.asked.clear()
    assert (info["caller"], info["called"], info["notifyMode"]) == (caller, X, "Block"), info
    assert info["sessionId"] == record["sessionId"] and not {"subscriptionId", "userData"} & set(info), info
    assert time.strptime(info["timestamp"], "%Y-%m-%d %H:%M:%S")
    expect(record, notifyMode="Block")
    return path


def refuses(bed, state, status, heard=None, **fields):
    record, infos = turned_away(bed, state, status, A, names=["disconnect"], heard=heard, **fields)
    asked(bed, record)
    assert not record["subscriptionId"], record
    return infos


def connected_with_everything(bed):
    """All fields, once as an object and once as an array of one, as the official samples write it."""
    for as_array in False, True:
        answers(bed, "connect", EVERYTHING, as_array)
        connected(bed, A, X, B, pause_ms=5500)
        check_heard(bed.a_phone, 2600)
        check_heard(bed.b_phone, 1000)
        assert bed.a_phone.heard(1000) == 0 and bed.b_phone.heard(2600) == 0, "a prompt reached the wrong party"
        for phone in bed.a_phone, bed.b_phone:
            check_heard(phone, 1200, 350)
        record, infos = told(bed, TOLD)
        assert asked(bed, record) == "/status"
        check_parties(record, infos, A, X, B, X, direction=2)
        expect(record, ulFailReason=0, userData="order42", subscriptionId="")
        assert {i["userData"] for i in infos.values()} == {"order42"}, infos
        check_recording(bed, record, notice=True)


def connected_with_nothing_else(bed):
    """Anybody may call; nothing is recorded or played."""
    answers(bed, "connect", {"calleeNum": B})
    connected(bed, STRANGER, X, B)
    check_heard(bed.a_phone, None)
    record, infos = told(bed, TOLD)
    asked(bed, record, STRANGER)
    check_parties(record, infos, STRANGER, X, B, X, direction=2)
    assert "userData" not in infos["disconnect"], infos["disconnect"]
    bed.nothing_recorded()


def callee_is_shown_the_caller(bed):
    answers(bed, "connect", {"calleeNum": B, "displayCalleeNum": A})
    connected(bed, A, X, B, shown=A)
    record, infos = told(bed, TOLD)
    check_parties(record, infos, A, X, B, A, direction=2)


def cut_at_the_limit(bed):
    """Two minutes of 3 s each: the warning at 3 s, the cut at 6 s."""
    answers(bed, "connect", {"calleeNum": B, "maxDuration": 2, "lastMinVoice": "last.wav", "recordFlag": True})
    a, b = connected(bed, A, X, B, scenarios=("a_waits", "b_answers"))
    assert requests(a)[-1] == "BYE" and requests(b)[-1] == "BYE"
    for phone in bed.a_phone, bed.b_phone:
        check_heard(phone, 1400, 650)
    record, infos = told(bed, TOLD)
    expect(record, ulFailReason=8010, recordFlag=1)
    assert infos["disconnect"]["stateCode"] == 8010
    left, _ = audio.read_wav(bed.platform.recording(record))
    check_length(bed, record, left)


cut_at_the_limit.settings = {"minute_ms": 3000}


def closed(bed):
    """8017; with the customer's own prompt, and the userData of its answer."""
    answers(bed, "close", {"closeHintTone": "tone.wav", "userData": "order43"}, as_array=True)
    infos = refuses(bed, 8017, 403, heard=2800, userData="order43", direction=2)
    assert infos["disconnect"]["userData"] == "order43", infos
    answers(bed, "close")
    refuses(bed, 8017, 403)


def answer_that_is_invalid(bed):
    """8014."""
    for body in (
        {"operation": "connect", "connectInfo": {"calleeNum": B, "maxDuration": 7200}},
        {"operation": "connect", "connectInfo": {}},
        {"operation": "connect", "connectInfo": {"calleeNum": "13900000002"}},
        {"operation": "forward", "connectInfo": {"calleeNum": B}},
        {"operation": "connect", "connectInfo": {"calleeNum": B, "displayCalleeNum": STRANGER}},
        [],
    ):
        says(bed, json.dumps(body).encode())
        refuses(bed, 8014, 480, heard=1600, direction=2)


def prompt_file_that_does_not_exist(bed):
    """8006."""
    for name in "waitVoice", "recordHintTone", "lastMinVoice", "calleeHintVoice":
        answers(bed, "connect", EVERYTHING | {name: "none.wav"})
        refuses(bed, 8006, 480, heard=1600)
    answers(bed, "close", {"closeHintTone": "none.wav"})
    refuses(bed, 8006, 480, heard=1600)


def no_answer_of_use(bed):
    """8020: an error of the customer's server, no JSON, an answer that comes too late, nobody there."""
    answers(bed, "connect", {"calleeNum": B}, status=500)
    refuses(bed, 8020, 480, heard=1600)
    says(bed, b"<html>")
    refuses(bed, 8020, 480, heard=1600)
    late = json.dumps({"operation": "connect", "connectInfo": {"calleeNum": B}}).encode()
    says(bed, late, after_s=3.6)
    began = time.monotonic()
    refuses(bed, 8020, 480, heard=1600)
    assert 3 <= time.monotonic() - began <= 6, f"refused after {time.monotonic() - began:.1f} s"
    time.sleep(0.8)
    bed.platform.demand("PATCH", f"/admin/v1/applications/{bed.platform.key}", {"settings": {"callin_url": "http://127.0.0.1:9/"}})
    record, _ = turned_away(bed, 8020, 480, A, names=["disconnect"], heard=1600)
    expect(record, notifyMode="Block")


ABNORMAL = {"settings": {"refusal_prompts": {"service_abnormal": "refuse.wav"}}}
answer_that_is_invalid.settings = ABNORMAL
prompt_file_that_does_not_exist.settings = ABNORMAL
no_answer_of_use.settings = ABNORMAL


def caller_gives_up_while_the_customer_is_asked(bed):
    says(bed, b"{}", after_s=2.5)
    a = bed.caller("a_cancels_early", 700)
    assert a.wait() == 0, a.explain()
    record, infos = told(bed, ["disconnect"])
    expect(record, ulFailReason=7516, notifyMode="Block")
    assert infos["disconnect"]["callRelDirection"] == 1, infos


def asked_at_an_address_of_its_own(bed):
    """`callin_url`: the question goes there, everything else stays where it was."""
    other = Sink(bed.platform.key, bed.platform.secret)
    try:
        settings = {"callin_url": f"http://127.0.0.1:{other.port}/steer"}
        bed.platform.demand("PATCH", f"/admin/v1/applications/{bed.platform.key}", {"settings": settings})
        answer = {"operation": "connect", "connectInfo": {"calleeNum": B}}
        other.answer = lambda info: (200, json.dumps(answer).encode())
        connected(bed, A, X, B, pause_ms=300)
        record, _ = told(bed, TOLD)
        assert asked(bed, record, sink=other) == "/steer" and not bed.sink.asked and not other.received
    finally:
        other.close()


ALL = [
    connected_with_everything,
    connected_with_nothing_else,
    callee_is_shown_the_caller,
    cut_at_the_limit,
    closed,
    answer_that_is_invalid,
    prompt_file_that_does_not_exist,
    no_answer_of_use,
    caller_gives_up_while_the_customer_is_asked,
    asked_at_an_address_of_its_own,
]
