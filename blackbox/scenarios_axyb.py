"""AXYB: A is seen as X, B is seen as Y; a stranger who dials X is given a Y."""

import time

from bench_bed import A, B, STRANGER, X, X2
from checks import (
    ANSWERED,
    check_heard,
    check_parties,
    check_recording,
    connected,
    expect,
    statuses,
    told,
    turned_away,
)

MODE = "axyb"
AXYB = "/rest/omp/xyrelationnumber/v1.0"


def post(bed, **body):
    return bed.platform.ok("POST", f"{AXYB}?app_key={bed.platform.key}", body)


def bind_a(bed, **more):
    """subscriptionId and X."""
    bound = post(bed, origNum=A, areaCode="0755", **more)
    return bound["subscriptionId"], bound["relationNumber"]


def bind_b(bed, subscription, b=B, **more):
    """Y."""
    return post(bed, origNum=b, subscriptionId=subscription, areaCode="0755", **more)["relationNumber"]


def unbind(bed, **query):
    bed.platform.ok("DELETE", AXYB, query={"app_key": bed.platform.key, **query})


def each_calls_the_other(bed):
    """A dials Y and B sees X; B dials X and A sees Y; each hears the prompt that is for it."""
    subscription, x = bind_a(bed, recordFlag="true", recordHintTone="hint.wav", preVoiceX="pre.wav", userData="order-1")
    y = bind_b(bed, subscription, preVoiceY="wait.wav")
    assert x != y, "X and Y are the same"
    a, _ = connected(bed, A, y, B, shown=x, pause_ms=4300)
    assert 183 in statuses(a), statuses(a)
    check_heard(bed.a_phone, 1000)
    for phone in bed.a_phone, bed.b_phone:
        check_heard(phone, 1200, 350)
        assert phone.heard(2600) == 0, "the prompt that is for B was heard"
    record, infos = told(bed, ANSWERED)
    check_parties(record, infos, A, y, B, x, direction=1)
    expect(record, ulFailReason=0, subscriptionId=subscription, userData="order-1")
    assert {i["subscriptionId"] for i in infos.values()} == {subscription}, infos
    check_recording(bed, record, notice=True)
    connected(bed, B, x, A, shown=y, scenarios=("a_waits", "b_hangs_up"), pause_ms=4300)
    check_heard(bed.a_phone, 2600)
    assert bed.a_phone.heard(1000) == 0, "B heard the prompt that is for A"
    record, infos = told(bed, ANSWERED)
    check_parties(record, infos, B, x, A, y, direction=0)
    expect(record, ulFailReason=0, subscriptionId=subscription)
    assert infos["callin"]["subscriptionId"] == subscription, infos["callin"]
    check_recording(bed, record, notice=True)


each_calls_the_other.settings = {"numbers": 3}


def stranger_is_given_a_y(bed):
    """Kept for the next call, and A can call back by it."""
    subscription, x = bind_a(bed, userData="order-1")
    y = {X: X2, X2: X}[x]
    for _ in range(2):
        connected(bed, STRANGER, x, A, shown=y)
        record, infos = told(bed, ANSWERED)
        check_parties(record, infos, STRANGER, x, A, y, direction=0)
        expect(record, ulFailReason=0, subscriptionId=subscription, userData="order-1")
        assert infos["callin"]["subscriptionId"] == subscription, infos["callin"]
    connected(bed, A, y, STRANGER, shown=x)
    record, infos = told(bed, ANSWERED)
    check_parties(record, infos, A, y, STRANGER, x, direction=1)
    query = {"app_key": bed.platform.key, "subscriptionId": subscription}
    listed = bed.platform.ok("GET", AXYB, query=query)["xyRelationNumList"]
    assert [(i["numB"], i["numY"]) for i in listed] == [(STRANGER, y)], listed
    # The only other number serves this stranger; another one cannot be told apart by A.
    record, _ = turned_away(bed, 8031, 503, B, x=x, subscriptionId=subscription)
    expect(record, direction=2)


def no_number_is_free(bed):
    subscription, x = bind_a(bed)
    turned_away(bed, 8031, 503, STRANGER, x=x, heard=1600, subscriptionId=subscription, direction=2)


no_number_is_free.settings = {"numbers": 1, "settings": {"refusal_prompts": {"service_abnormal": "refuse.wav"}}}


def nothing_bound(bed):
    record, _ = turned_away(bed, 8030, 403, STRANGER, heard=1600, direction=2)
    assert not record["subscriptionId"], record
    subscription, x = bind_a(bed)
    y = bind_b(bed, subscription)
    # Y belongs to A: nobody else is reached by it.
    turned_away(bed, 8030, 403, STRANGER, x=y, heard=1600)
    unbind(bed, subscriptionId=subscription)
    for caller, number in ((B, x), (A, y)):
        turned_away(bed, 8030, 403, caller, x=number, heard=1600)


nothing_bound.settings = {"settings": {"refusal_prompts": {"no_binding": "refuse.wav"}}}


def own_number_dialled(bed):
    subscription, x = bind_a(bed)
    y = bind_b(bed, subscription)
    turned_away(bed, 8032, 403, A, x=x, heard=1600)
    turned_away(bed, 8032, 403, B, x=y, heard=1600)


own_number_dialled.settings = {"settings": {"refusal_prompts": {"no_permission": "refuse.wav"}}}


def each_direction_refused(bed):
    subscription, x = bind_a(bed, callDirection=1)
    y = bind_b(bed, subscription)
    turned_away(bed, 8016, 403, B, x=x, subscriptionId=subscription)
    turned_away(bed, 8016, 403, STRANGER, x=x, subscriptionId=subscription)
    connected(bed, A, y, B, shown=x, pause_ms=300)
    told(bed, ANSWERED)
    unbind(bed, subscriptionId=subscription)
    subscription, x = bind_a(bed, callDirection=2)
    y = bind_b(bed, subscription)
    turned_away(bed, 8016, 403, A, x=y, subscriptionId=subscription)
    connected(bed, B, x, A, shown=y, pause_ms=300)
    told(bed, ANSWERED)


def one_part_unbound(bed):
    """Without its Y B is a stranger: A does not reach it, and it is given a Y when it calls."""
    subscription, x = bind_a(bed)
    y = bind_b(bed, subscription)
    unbind(bed, subscriptionId=subscription, bNum=B)
    turned_away(bed, 8030, 403, A, x=y)
    connected(bed, B, x, A, shown=y, pause_ms=300)
    record, _ = told(bed, ANSWERED)
    expect(record, subscriptionId=subscription)
    unbind(bed, subscriptionId=subscription, yNum=y)
    turned_away(bed, 8030, 403, A, x=y)


def parts_expire(bed):
    """Y a minute after its bind; X, and with it everything, after its own."""
    subscription, x = bind_a(bed, duration=120)
    y = bind_b(bed, subscription, ybDuration=60)
    bound = time.monotonic()
    connected(bed, A, y, B, shown=x, pause_ms=300)
    told(bed, ANSWERED)
    time.sleep(max(0, bound + 61 - time.monotonic()))
    turned_away(bed, 8030, 403, A, x=y)
    connected(bed, B, x, A, shown=y, pause_ms=300)
    told(bed, ANSWERED)
    time.sleep(max(0, bound + 121.5 - time.monotonic()))
    for caller, number in ((B, x), (A, y)):
        turned_away(bed, 8030, 403, caller, x=number)


parts_expire.waits = True


ALL = [
    parts_expire,
    each_calls_the_other,
    stranger_is_given_a_y,
    no_number_is_free,
    nothing_bound,
    own_number_dialled,
    each_direction_refused,
    one_part_unbound,
]
