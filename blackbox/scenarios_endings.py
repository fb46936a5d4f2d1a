"""The other ways a call ends, each with its code: what the callee's carrier says, what the operator and the application
do, what is missing. (`scenarios*` have those of the bindings, `crash` that of a killed platform.)"""

from bench_bed import A, B, STRANGER, X
from checks import ANSWERED, check_refusal, connected, expect, requests, statuses, told, turned_away

STOP = "/rest/httpsessions/callStop/v2.0"
CALLED = ["callin", "callout", "disconnect"]
RUNG = ["callin", "callout", "alerting", "disconnect"]


def refused_by_the_callee(bed):
    """status of the callee, whether it rang, stateCode, status for the caller, Q.850."""
    bed.platform.bind(X, A, B)
    for status, rang, state, told_status, q850 in (
        (404, False, 8100, 404, 1),
        (410, True, 8100, 410, 1),
        (480, True, 8101, 480, 19),
        (486, True, 8102, 486, 17),
        (600, False, 8102, 600, 17),
        (480, False, 8103, 480, 20),
        (403, False, 7504, 403, 21),
        (603, True, 7504, 603, 21),
        (488, False, 8020, 488, 88),
        (502, False, 8105, 500, 27),
        (503, False, 8020, 500, 41),
    ):
        b = bed.callee("b_rings_refuses" if rang else "b_refuses", status=str(status))
        fields = {"sipStatusCode": status, "fwdUnaswRsn": q850, "direction": 1, "fwdDstNum": B}
        record, infos = turned_away(bed, state, told_status, A, names=RUNG if rang else CALLED, **fields)
        assert b.wait() == 0, b.explain()
        assert infos["disconnect"]["callRelDirection"] == 2, infos["disconnect"]
        assert f"Reason: Q.850;cause={q850}".encode() in bed.legs[-1].received(), "no Q.850 cause for the caller"
        assert ("fwdAlertingTime" in record) == rang, record
    bed.nothing_recorded()


def nobody_at_the_callees_address(bed):
    bed.platform.bind(X, A, B)
    turned_away(bed, 8103, 480, A, names=CALLED)


nobody_at_the_callees_address.waits = True


def no_way_to_the_callee(bed):
    """The trunk of X wants IPv6; we have none."""
    bed.platform.bind(X, A, B)
    trunk = {"id": 2, "name": "carrier-2", "peers": ["[::1]:5060"], "transport": "udp"}
    bed.platform.demand("PUT", "/admin/v1/trunks/2", trunk)
    record, infos = gone_away(bed, 503)
    expect(record, ulFailReason=7508)
    assert infos["disconnect"]["stateCode"] == 8020, infos


def gone_away(bed, status, scenario="a_refused", names=("callin", "disconnect")):
    """A refused call whose release point and hang-up cause differ."""
    a = bed.caller(scenario)
    a.hidden = [B]
    assert a.wait() == 0 and statuses(a)[-1] == status, a.explain()
    return told(bed, list(names))


def hidden_caller(bed):
    bed.platform.bind(X, A, B)
    record, infos = gone_away(bed, 403, "a_anonymous")
    expect(record, ulFailReason=7103, callerNum="", direction=2)
    assert infos["disconnect"]["stateCode"] == 8014, infos


def no_codec_in_common(bed):
    """G.729 is carried from end to end, but not where we have to speak."""
    bed.platform.bind(X, A, B, recordFlag="true")
    a = bed.caller("a_g729")
    assert a.wait() == 0 and statuses(a)[-1] == 488, a.explain()
    check_refusal(*told(bed, ["callin", "callout", "disconnect"]), 8020)


def no_ports_left(bed):
    bed.platform.bind(X, A, B)
    turned_away(bed, 522, 503, A)


no_ports_left.settings = {"environment": {"AXBRIDGE__MEDIA__PORT_MIN": "20000", "AXBRIDGE__MEDIA__PORT_MAX": "20001"}}


def caller_gives_up_before_it_rings(bed):
    bed.platform.bind(X, A, B)
    a, b = bed.call("a_cancels_early", "b_tries", 600)
    assert 487 in statuses(a) and "CANCEL" in requests(b)
    record, infos = told(bed, CALLED)
    check_refusal(record, infos, 7501)
    assert infos["disconnect"]["callRelDirection"] == 1, infos["disconnect"]


def number_and_application_suspended(bed):
    """By the operator; back in use afterwards. A frozen number serves what is bound."""
    p = bed.platform
    p.bind(X, A, B)
    for status, state in (("suspended", 8055), ("unavailable", 8055)):
        p.demand("PATCH", f"/admin/v1/numbers/{X}", {"status": status})
        turned_away(bed, state, 480, A, heard=1600)
    p.demand("PATCH", f"/admin/v1/numbers/{X}", {"status": "frozen"})
    connected(bed, A, X, B, pause_ms=300)
    told(bed, ANSWERED)
    for status, state in (("suspended", 7106), ("frozen", 7108)):
        p.demand("PATCH", f"/admin/v1/applications/{p.key}", {"status": status})
        turned_away(bed, state, 480, A)
    p.demand("PATCH", f"/admin/v1/applications/{p.key}", {"status": "active"})
    connected(bed, A, X, B, pause_ms=300)
    told(bed, ANSWERED)


number_and_application_suspended.settings = {"settings": {"refusal_prompts": {"no_permission": "refuse.wav"}}}


def stopped_by_the_application(bed):
    """Before the answer and after it."""
    bed.platform.bind(X, A, B)
    b = bed.callee("b_rings")
    a = bed.caller("a_refused")
    session = bed.wait_event("alerting")["sessionId"]
    bed.platform.ok("POST", STOP, {"sessionid": session, "signal": "call_stop"})
    assert (a.wait(), b.wait()) == (0, 0), a.explain() + b.explain()
    assert statuses(a)[-1] == 480, a.explain()
    check_refusal(*told(bed, RUNG), 8004)
    record, infos = stopped(bed, lambda s: bed.platform.ok("POST", STOP, {"sessionid": s, "signal": "call_stop"}))
    assert infos["disconnect"]["stateDesc"] == "The application releases the call.", infos


def stopped_by_the_operator(bed):
    bed.platform.bind(X, A, B)
    record, infos = stopped(bed, lambda s: bed.platform.demand("DELETE", f"/admin/v1/calls/{s}"))
    assert infos["disconnect"]["stateDesc"] == "The platform releases the call.", infos


def stopped(bed, stop):
    """An answered call that is ended from outside: both are hung up on, nobody has released it."""
    b = bed.callee("b_answers")
    a = bed.caller("a_waits")
    stop(bed.wait_event("answer")["sessionId"])
    assert (a.wait(), b.wait()) == (0, 0), a.explain() + b.explain()
    assert requests(a)[-1] == "BYE" and requests(b)[-1] == "BYE"
    record, infos = told(bed, ANSWERED)
    expect(record, ulFailReason=0)
    assert infos["disconnect"]["stateCode"] == 0 and "callRelDirection" not in infos["disconnect"], infos
    return record, infos


def one_side_falls_silent(bed):
    """No audio from one of the two: both are hung up on, and the record says whose it was."""
    bed.platform.bind(X, A, B)
    for silent, point in ((bed.a_phone, 7505), (bed.b_phone, 7506)):
        for phone in bed.a_phone, bed.b_phone:
            phone.hang_up()
            phone.muted = phone is silent
        a, b = bed.call("a_waits", "b_answers")
        record, infos = told(bed, ANSWERED)
        expect(record, ulFailReason=point)
        assert infos["disconnect"]["stateCode"] == 8020, infos["disconnect"]


one_side_falls_silent.settings = {"environment": {"AXBRIDGE__MEDIA__NO_MEDIA_AFTER_S": "2"}}


def the_caller_vanishes(bed):
    """No ACK ever comes from the caller."""
    bed.platform.bind(X, A, B)
    a, b = bed.call("a_never_acks", "b_answers")
    record, infos = told(bed, ANSWERED)
    expect(record, ulFailReason=7505)
    assert infos["disconnect"]["stateCode"] == 8020, infos["disconnect"]


the_caller_vanishes.waits = True


def the_callee_vanishes(bed):
    """Its carrier knows nothing of the call any more, which shows when something is sent to it, and is asked again."""
    bed.platform.bind(X, A, B)
    bed.call("a_keys_once", "b_forgets", 800)
    record, infos = told(bed, ANSWERED)
    expect(record, ulFailReason=7506)
    assert infos["disconnect"]["stateCode"] == 8020, infos["disconnect"]


the_callee_vanishes.waits = True


def limits_of_direction(bed):
    """callDirection 1 keeps B from calling, 2 keeps A; strangers are not bound in any case."""
    bound = bed.platform.bind(X, A, B, callDirection=1)
    record, _ = turned_away(bed, 8016, 403, B, heard=1600, subscriptionId=bound["subscriptionId"])
    turned_away(bed, 8014, 403, STRANGER)


limits_of_direction.settings = {"settings": {"refusal_prompts": {"no_permission": "refuse.wav"}}}

ALL = [
    the_caller_vanishes,
    the_callee_vanishes,
    refused_by_the_callee,
    nobody_at_the_callees_address,
    no_way_to_the_callee,
    hidden_caller,
    no_codec_in_common,
    no_ports_left,
    caller_gives_up_before_it_rings,
    number_and_application_suspended,
    stopped_by_the_application,
    stopped_by_the_operator,
    one_side_falls_silent,
    limits_of_direction,
]
