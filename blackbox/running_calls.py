"""What an application can do to a call that goes on, and what it is told besides calls: limits that change, warning
points, the state of its numbers."""

import calendar
import time
import urllib.parse

import audio
import scenarios
from bench_bed import A, B, STRANGER, X, X2

AX = "/rest/provision/caas/privatenumber/v1.0"
# Of the settings below: a minute of maxDuration, in seconds; what the API calls a second is a sixtieth of it.
MINUTE_S = 3.0
LATE_MS_MAX = 500


def begin(bed, caller=A, x=X):
    """A call that waits to be cut; gives its legs and its sessionId once it is answered."""
    b = bed.callee("b_answers")
    a = bed.caller("a_waits", x=x, a=caller)
    answered = lambda: [e for e in bed.sink.events() if e["eventType"] == "answer"]
    assert bed.sink.wait_for(answered), f"not answered\n{a.explain()}\n{b.explain()}"
    return a, b, answered()[0]["statusInfo"]["sessionId"]


def change(bed, session, **fields):
    path = "/v1/calls/" + urllib.parse.quote(session, safe="")
    return bed.platform.customer("PATCH", path, fields)[:2]


def end_time(answer):
    return calendar.timegm(time.strptime(answer["endTime"], "%Y-%m-%d %H:%M:%S"))


def cut(bed, legs, after_s):
    """Both are hung up on, so long after the answer; gives the record as it is kept."""
    for leg in legs:
        assert leg.wait() == 0, leg.explain()
        hung_up = scenarios.requests(leg)[-1] == "BYE"
        assert hung_up, leg.explain()
    record, events = bed.record()
    assert events == scenarios.ANSWERED, events
    scenarios.expect(record, ulFailReason=8010)
    kept = bed.kept_record(record["sessionId"])
    lasted = kept["call_end_ms"] - kept["fwd_answer_ms"]
    assert 0 <= lasted - after_s * 1000 <= LATE_MS_MAX, f"cut after {lasted} ms, not {after_s} s"
    return kept


def warned_once_at(bed, after_s):
    """Both hear the last-minute voice once, so long after the audio began."""
    for phone in (bed.a_phone, bed.b_phone):
        at = [
            when
            for when, _, _, _, kind, payload in phone.received
            if kind == 8 and audio.power([audio.ALAW[c] for c in payload], 1400) > 0.7
        ]
        assert at, "no warning was heard"
        first = at[0] - phone.received[0][0]
        assert after_s - 0.5 <= first <= after_s + 1.2, f"warned at {first:.1f} s, not {after_s} s"
        assert at[-1] - at[0] < 1.2, "warned more than once"


def a_running_call_is_extended(bed):
    """Two minutes become three, warned of 20 s before the end instead of a minute."""
    bed.platform.bind(X, A, B, maxDuration=2, lastMinVoice="last.wav")
    a, b, session = begin(bed)
    status, answer = change(bed, session, extendBy=60, warnBefore=20)
    assert (status, answer["resultcode"]) == (200, "0"), answer
    told = end_time(answer)
    kept = cut(bed, (a, b), 3 * MINUTE_S)
    assert abs(told - kept["call_end_ms"] / 1000) <= 1.5, f"endTime is {told}, the end {kept['call_end_ms']}"
    warned_once_at(bed, (3 - 20 / 60) * MINUTE_S)
    assert change(bed, session, extendBy=60)[1]["resultcode"] == "1020152", "a call that is over"


def a_call_without_a_limit_is_given_one(bed):
    """Also that nobody else can; and a limit that has passed ends the call at once."""
    bed.platform.bind(X, A, B)
    a, b, session = begin(bed)
    other = {"key": "otherKey", "secret": "otherSecret-0123456789", "sp_id": "other", "mode": "axb"}
    bed.platform.demand("POST", "/admin/v1/applications", other)
    own = bed.platform.key, bed.platform.secret
    bed.platform.key, bed.platform.secret = other["key"], other["secret"]
    assert change(bed, session, maxDuration=1)[1]["resultcode"] == "1020152", "another's call"
    bed.platform.key, bed.platform.secret = own
    assert change(bed, session, maxDuration=3)[1]["endTime"], "a limit"
    assert "endTime" not in change(bed, session, maxDuration=0)[1], "no limit again"
    # Later than its first minute.
    time.sleep(1.4 * MINUTE_S)
    status, answer = change(bed, session, maxDuration=1)
    assert (status, answer["resultcode"]) == (200, "0"), answer
    for leg in (a, b):
        assert leg.wait() == 0, leg.explain()
    record, _ = bed.record()
    scenarios.expect(record, ulFailReason=8010)
    kept = bed.kept_record(session)
    lasted = (kept["call_end_ms"] - kept["fwd_answer_ms"]) / 1000
    assert 1.4 * MINUTE_S <= lasted <= 1.4 * MINUTE_S + 1.5, f"it ended after {lasted} s"


def a_binding_is_given_its_own_warning_point(bed):
    """20 s before the end of two minutes; that it is the binding's is seen by the next call, too."""
    bound = bed.platform.bind(X, A, B, maxDuration=2, lastMinVoice="last.wav")
    path = "/v1/bindings/" + bound["subscriptionId"]
    status, answer, _ = bed.platform.customer("PATCH", path, {"warnBefore": 20})
    assert (status, answer["resultcode"]) == (200, "0"), answer
    a, b, _ = begin(bed)
    cut(bed, (a, b), 2 * MINUTE_S)
    warned_once_at(bed, (2 - 20 / 60) * MINUTE_S)
    status, answer, _ = bed.platform.customer("PATCH", "/v1/bindings/" + "0" * 32, {"warnBefore": 20})
    assert (status, answer["resultcode"]) == (403, "1012007"), answer


def an_ax_call_is_limited_while_it_goes_on(bed):
    """The warning point of an AX binding, then the limit of its call, on an application of that mode."""
    bed.hidden_from_a, bed.hidden_from_b = [A], []
    url = f"http://127.0.0.1:{bed.sink.port}"
    app = {"key": bed.platform.key + "Ax", "secret": bed.platform.secret, "sp_id": "acme", "mode": "ax"}
    app["settings"] = {"call_status_url": url + "/status", "cdr_url": url + "/cdr"}
    bed.platform.demand("POST", "/admin/v1/applications", app)
    ax_x = "+8617000000003"
    bed.platform.demand("POST", "/admin/v1/numbers", {"app": app["key"], "numbers": [{"number": ax_x, "trunk": 2}]})
    wav = audio.wav_alaw(audio.tone(1400, 800))
    bed.platform.demand("PUT", f"/admin/v1/applications/{app['key']}/prompts/last.wav", wav, "audio/wav")
    bed.platform.key = bed.sink.key = app["key"]
    body = {"origNum": A, "privateNum": ax_x, "calleeNumDisplay": "0", "maxDuration": 3, "lastMinVoice": "last.wav"}
    status, bound, _ = bed.platform.customer("POST", AX, body)
    assert status == 200, bound
    status, answer, _ = bed.platform.customer("PATCH", "/v1/bindings/" + bound["subscriptionId"], {"warnBefore": 20})
    assert status == 200, answer
    a, b, session = begin(bed, caller=STRANGER, x=ax_x)
    assert change(bed, session, maxDuration=2)[0] == 200
    cut(bed, (a, b), 2 * MINUTE_S)
    warned_once_at(bed, (2 - 20 / 60) * MINUTE_S)


for _test in (
    a_running_call_is_extended,
    a_call_without_a_limit_is_given_one,
    a_binding_is_given_its_own_warning_point,
    an_ax_call_is_limited_while_it_goes_on,
):
    _test.settings = {"minute_ms": int(MINUTE_S * 1000)}


def the_state_of_numbers_is_told(bed):
    """Each change once, for each number in order, with its reason; a frozen number goes on serving the binding that it has."""
    path = f"/admin/v1/numbers/{urllib.parse.quote(X)}"
    steps = [
        ({"status": "frozen"}, {"number": X, "status": "11"}),
        ({"status": "frozen"}, None),
        ({"status": "unavailable", "cause": 2}, {"number": X, "status": "10", "cause": "2"}),
        ({"status": "unavailable", "cause": 7}, {"number": X, "status": "10", "cause": "7"}),
        ({"status": "suspended"}, {"number": X, "status": "9"}),
        ({"status": "normal"}, {"number": X, "status": "5"}),
        ({"area": "0755"}, None),
    ]
    bed.platform.bind(X, A, B)
    for change_, _ in steps:
        bed.platform.demand("PATCH", path, change_)
        if change_.get("status") == "frozen":
            status, refused, _ = bed.platform.customer(
                "POST", bed.platform.AXB, {"callerNum": STRANGER, "relationNum": X, "calleeNum": "+8613900000008"}
            )
            assert (status, refused["resultcode"]) == (403, "1012102"), refused
            bed.call("a_hangs_up", "b_answers", 500)
    bed.platform.demand("DELETE", f"/admin/v1/numbers/{urllib.parse.quote(X2)}")
    wanted = {X: [told for _, told in steps if told], X2: [{"number": X2, "status": "10", "cause": "1"}]}
    all_told = lambda: len(bed.sink.number_states()) >= sum(map(len, wanted.values()))
    assert bed.sink.wait_for(all_told), f"told: {bed.sink.number_states()}"
    got = {x: [info for info in bed.sink.number_states() if info["number"] == x] for x in wanted}
    assert got == wanted, f"told: {got}"
    paths = {where for _, where, b in bed.sink.received if b["eventType"] == "numStatus"}
    assert paths == {"/status"} and bed.sink.bad_signatures == 0, paths


the_state_of_numbers_is_told.settings = {"settings": {"push_number_status": True}}

ALL = [
    a_running_call_is_extended,
    a_call_without_a_limit_is_given_one,
    a_binding_is_given_its_own_warning_point,
    an_ax_call_is_limited_while_it_goes_on,
    the_state_of_numbers_is_told,
]
