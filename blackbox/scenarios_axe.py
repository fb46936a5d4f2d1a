"""AXE: who dials X keys an extension and reaches its A; A who dials X reaches who called last."""

import time

import phones
from bench_bed import A, B, STRANGER, X
from checks import (
    ANSWERED,
    calling,
    check_heard,
    check_parties,
    check_recording,
    check_refusal,
    connected,
    expect,
    requests,
    statuses,
    through,
    told,
    turned_away,
)

MODE = "axe"
AXE = "/rest/caas/extendnumber/v1.0"
EXTENSION, OTHER = "3517", "9911"
KEYED = ["callin", "collectInfo", *ANSWERED[1:]]
PROMPTS = {
    "ask": "ask.wav",
    "wrong": "wrong.wav",
    "wrong_end": "wrong_end.wav",
    "empty_end": "empty_end.wav",
    "waiting": "wait.wav",
}
ASK, WRONG, WRONG_END, EMPTY_END, WAIT, TONE = 1800, 2000, 2200, 2400, 2600, 2800


def menu(**more):
    return {"settings": {"axe": {"prompts": PROMPTS, **more}}}


def bind(bed, **more):
    body = {"virtualNum": X, "bindNum": A, "extendNum": EXTENSION, **more}
    bound = bed.platform.ok("POST", AXE, body)
    assert bound["extendNum"] == EXTENSION, bound
    return bound["subscriptionId"]


def to_the_menu(bed, scenarios, caller=STRANGER, pause_ms=1200, prompt=ASK):
    """A call of somebody who is to key, begun; with a callee if it is to get so far."""
    a, b = calling(bed, caller, X, A, X, scenarios, pause_ms)
    bed.a_phone.wait_heard(prompt)
    return a, b


def alone_at_the_menu(bed, keys="", tones=False, scenario="a_waits"):
    """A caller who is hung up on at the menu."""
    bed.a_phone.hang_up()
    a = bed.caller(scenario, a=STRANGER)
    a.hidden = [A]
    if keys:
        bed.a_phone.wait_heard(ASK, 100)
        bed.a_phone.key(keys, tones)
    return a


def ends(a, bed, state, names, **fields):
    """The caller was answered by the menu and is hung up on."""
    assert a.wait() == 0, a.explain()
    assert requests(a) == ["BYE"] and 200 in statuses(a), a.explain()
    record, infos = told(bed, names)
    check_refusal(record, infos, state, **fields)
    return record, infos


def check_keyed(record, infos, subscription, user_data=None, keyed=EXTENSION):
    """What is told of a call by extension: the binding is not known before it is keyed."""
    check_parties(record, infos, STRANGER, X, A, X, direction=0)
    expect(record, ulFailReason=0, extendNum=keyed, subscriptionId=subscription)
    for early in "callin", "collectInfo":
        assert "subscriptionId" not in infos[early] and "userData" not in infos[early], infos[early]
    assert infos["collectInfo"]["digitInfo"] == keyed, infos["collectInfo"]
    assert "caller" not in infos["collectInfo"], infos["collectInfo"]
    for late in ANSWERED[1:]:
        assert infos[late]["subscriptionId"] == subscription and infos[late].get("userData") == user_data, infos[late]


def keyed_by_telephone_events(bed):
    """RFC 4733. The menu and the waiting prompt are heard, the talk is recorded from its own beginning."""
    subscription = bind(bed, recordFlag="true", recordHintTone="hint.wav", userData="order-1")
    a, b = to_the_menu(bed, ("a_waits", "b_hangs_up"), pause_ms=4200)
    assert 200 in statuses(a), "the menu did not answer"
    bed.a_phone.wait_heard(ASK, 700)
    bed.a_phone.key(EXTENSION)
    through(bed, a, b, A)
    check_heard(bed.a_phone, WAIT)
    for phone in bed.a_phone, bed.b_phone:
        check_heard(phone, 1200, 350)
    assert bed.b_phone.heard(WAIT) == 0 and bed.b_phone.heard(ASK) == 0
    assert not [1 for *_, kind, _ in bed.b_phone.received if kind == phones.TELEPHONE_EVENT], "A got the digits"
    record, infos = told(bed, KEYED)
    check_keyed(record, infos, subscription, "order-1")
    check_recording(bed, record, notice=True)


keyed_by_telephone_events.settings = menu()


def keyed_by_info(bed):
    subscription = bind(bed, recordFlag="true")
    connected(bed, STRANGER, X, A, scenarios=("a_keys_info", "b_answers"), pause_ms=5000, keyed=EXTENSION)
    record, infos = told(bed, KEYED)
    check_keyed(record, infos, subscription)
    check_recording(bed, record)


keyed_by_info.settings = menu()


def keyed_by_tones(bed):
    """In-band tones of a caller without telephone-event, over the prompt: it falls silent."""
    subscription = bind(bed)
    a, b = to_the_menu(bed, ("a_waits_plain", "b_hangs_up"))
    bed.a_phone.key(EXTENSION, tones=True)
    through(bed, a, b, A)
    assert bed.a_phone.heard(ASK) < 700, "the prompt went on while digits were keyed"
    record, infos = told(bed, KEYED)
    check_keyed(record, infos, subscription)


keyed_by_tones.settings = menu()


def without_prompts_of_the_application(bed):
    """There is a tone that asks, and the callee's ringing is heard as ring-back."""
    subscription = bind(bed)
    a, b = to_the_menu(bed, ("a_waits", "b_hangs_up"), prompt=850)
    bed.a_phone.key(EXTENSION + "#")
    through(bed, a, b, A)
    record, infos = told(bed, KEYED)
    check_keyed(record, infos, subscription)


def wrong_once_then_right(bed):
    subscription = bind(bed)
    a, b = to_the_menu(bed, ("a_waits", "b_hangs_up"))
    bed.a_phone.key(OTHER)
    bed.a_phone.wait_heard(WRONG, 400)
    bed.a_phone.key(EXTENSION)
    through(bed, a, b, A)
    record, events = bed.record()
    assert events == ["callin", "collectInfo", "collectInfo", *ANSWERED[1:]], events
    keyed = [e["statusInfo"]["digitInfo"] for e in bed.sink.events() if e["eventType"] == "collectInfo"]
    assert keyed == [OTHER, EXTENSION], keyed
    expect(record, ulFailReason=0, extendNum=EXTENSION, subscriptionId=subscription)


wrong_once_then_right.settings = menu()


def wrong_until_refused(bed):
    """Asked again as often as the application says, then told that it is over."""
    bind(bed)
    a = alone_at_the_menu(bed, OTHER)
    bed.a_phone.wait_heard(WRONG, 400)
    bed.a_phone.key(OTHER)
    record, _ = ends(a, bed, 8022, ["callin", "collectInfo", "collectInfo", "disconnect"], direction=2)
    assert "extendNum" not in record and not record["subscriptionId"], record
    check_heard(bed.a_phone, WRONG_END)
    assert bed.a_phone.heard(EMPTY_END) == 0


wrong_until_refused.settings = menu(tries=2)


def nothing_keyed(bed):
    """The prompt comes again, then the call ends."""
    bind(bed)
    a = alone_at_the_menu(bed)
    ends(a, bed, 8033, ["callin", "disconnect"], direction=2)
    assert bed.a_phone.heard(ASK) >= 1400, "asked only once"
    check_heard(bed.a_phone, EMPTY_END)
    assert bed.a_phone.heard(WRONG) == 0


nothing_keyed.settings = menu(tries=2, first_digit_s=1)


def hash_ends_what_is_keyed(bed):
    """At once, not only when the next digit has been waited for; a star takes back what was keyed."""
    subscription = bind(bed)
    a, b = to_the_menu(bed, ("a_waits", "b_hangs_up"))
    bed.a_phone.key("12#")
    bed.a_phone.wait_heard(WRONG, 400, timeout=4)
    bed.a_phone.key("99*" + EXTENSION)
    through(bed, a, b, A)
    record, _ = bed.record()
    keyed = [e["statusInfo"]["digitInfo"] for e in bed.sink.events() if e["eventType"] == "collectInfo"]
    assert keyed == ["12", EXTENSION], keyed
    expect(record, ulFailReason=0, extendNum=EXTENSION, subscriptionId=subscription)


hash_ends_what_is_keyed.settings = menu(next_digit_s=20)


def too_few_digits(bed):
    """The last digit is not waited for longer than the application says."""
    bind(bed)
    a = alone_at_the_menu(bed, EXTENSION[:3])
    _, infos = ends(a, bed, 8022, ["callin", "collectInfo", "disconnect"])
    assert infos["collectInfo"]["digitInfo"] == EXTENSION[:3], infos
    check_heard(bed.a_phone, WRONG_END)


too_few_digits.settings = menu(tries=1, next_digit_s=1)


def caller_gives_up_at_the_menu(bed):
    bind(bed)
    a = bed.caller("a_hangs_up", 1500, a=STRANGER)
    a.hidden = [A]
    assert a.wait() == 0, a.explain()
    record, infos = told(bed, ["callin", "disconnect"])
    check_refusal(record, infos, 7516, direction=2)
    assert infos["disconnect"]["callRelDirection"] == 1, infos["disconnect"]
    bed.nothing_recorded()


caller_gives_up_at_the_menu.settings = menu()


def menu_before_the_answer(bed):
    """On a carrier whose callers are not to be answered by the menu, it is early media: keyed all the same, answered by
    A, refused with a status, cancelled."""
    subscription = bind(bed)
    a, b = to_the_menu(bed, ("a_waits", "b_hangs_up"))
    assert statuses(a)[-1] == 183, statuses(a)
    bed.a_phone.key(EXTENSION)
    through(bed, a, b, A)
    record, infos = told(bed, KEYED)
    check_keyed(record, infos, subscription)
    for keys, state, status, prompt in ((OTHER, 8022, 404, WRONG_END), ("", 8033, 484, EMPTY_END)):
        a = alone_at_the_menu(bed, keys, scenario="a_refused")
        assert a.wait() == 0 and statuses(a)[-1] == status, a.explain()
        check_heard(bed.a_phone, prompt)
        record, infos = told(bed)
        check_refusal(record, infos, state)
    a = bed.caller("a_cancels_menu", 500, a=STRANGER)
    a.hidden = [A]
    assert a.wait() == 0 and 487 in statuses(a), a.explain()
    check_refusal(*told(bed, ["callin", "disconnect"]), 7516)
    # Neither law of G.711: the caller cannot hear the menu.
    a = bed.caller("a_g729", a=STRANGER)
    a.hidden = [A]
    assert a.wait() == 0 and statuses(a)[-1] == 488, a.explain()
    check_refusal(*told(bed, ["callin", "disconnect"]), 8008)


menu_before_the_answer.settings = {**menu(tries=1, first_digit_s=1), "trunks": {"a": {"answer_for_menu": False}}}


def a_calls_back(bed):
    """Nobody yet: the application's prompt. Then who came through last."""
    subscription = bind(bed, userData="order-1")
    turned_away(bed, 8019, 403, A, heard=TONE, userData="order-1", subscriptionId=subscription)
    connected(bed, STRANGER, X, A, scenarios=("a_keys_info", "b_answers"), pause_ms=2500, keyed=EXTENSION)
    told(bed, KEYED)
    connected(bed, A, X, STRANGER)
    record, infos = told(bed, ANSWERED)
    check_parties(record, infos, A, X, STRANGER, X, direction=1)
    expect(record, ulFailReason=0, subscriptionId=subscription, userData="order-1")


a_calls_back.settings = menu(prompts={**PROMPTS, "no_call_back": "tone.wav"})


def nobody_to_call_back(bed):
    """callbackTone and callbackNum of the binding, cleared by an empty string; then what the application says."""
    subscription = bind(bed, callbackTone="tone.wav")
    key = {"subscriptionId": subscription}
    turned_away(bed, 8019, 403, A, heard=TONE, subscriptionId=subscription)
    bed.platform.ok("PUT", AXE, {**key, "callbackNum": B})
    connected(bed, A, X, B)
    record, infos = told(bed, ANSWERED)
    check_parties(record, infos, A, X, B, X, direction=1)
    bed.platform.ok("PUT", AXE, {**key, "callbackNum": ""})
    connected(bed, A, X, STRANGER)
    record, infos = told(bed, ANSWERED)
    check_parties(record, infos, A, X, STRANGER, X, direction=1)


nobody_to_call_back.settings = menu(call_back_number=STRANGER)


def records_and_bindings_expire(bed):
    """A minute later A reaches callbackNum instead of the caller; a minute of life later nobody reaches A."""
    bind(bed, timeUnit="1", bindExpiredTime=2, callbackExpiredTime=1, callbackNum=B)
    connected(bed, STRANGER, X, A, scenarios=("a_keys_info", "b_answers"), pause_ms=2500, keyed=EXTENSION)
    began = time.monotonic()
    told(bed, KEYED)
    connected(bed, A, X, STRANGER, pause_ms=300)
    told(bed, ANSWERED)
    time.sleep(max(0, began + 61 - time.monotonic()))
    connected(bed, A, X, B, pause_ms=300)
    told(bed, ANSWERED)
    bed.platform.ok("PUT", AXE, {"virtualNum": X, "extendNum": EXTENSION, "callbackExpiredTime": 1, "bindExpiredTime": 1})
    modified = time.monotonic()
    time.sleep(max(0, modified + 61 - time.monotonic()))
    a = alone_at_the_menu(bed, EXTENSION)
    ends(a, bed, 8022, ["callin", "collectInfo", "disconnect"])
    # To the number A is now somebody like all others.
    bed.a_phone.hang_up()
    a = bed.caller("a_hangs_up", 1200)
    a.hidden = []
    bed.a_phone.wait_heard(ASK)
    assert a.wait() == 0, a.explain()


records_and_bindings_expire.settings = menu(tries=1)
records_and_bindings_expire.waits = True


def second_caller_finds_a_busy(bed):
    """A behind another extension of the same X is not."""
    bind(bed)
    bed.platform.ok("POST", AXE, {"virtualNum": X, "bindNum": B, "extendNum": OTHER})
    a, b = calling(bed, STRANGER, X, A, X, ("a_keys_info", "b_answers"), 6000, EXTENSION)
    bed.wait_event("answer")
    phone = phones.Phone(bed.a_ip, 600)
    try:
        second = bed.caller("a_keys_wrong", a="+8613900000077", phone=phone, port=phones.free_port(bed.a_ip), keyed=EXTENSION)
        second.hidden = [A, STRANGER]
        assert second.wait() == 0, second.explain()
        assert b"Reason: Q.850;cause=17" in second.received(), "the second caller is not told that A is busy"
    finally:
        phone.close()
    through(bed, a, b, A)
    records = {record["ulFailReason"]: record for record in bed.sink.wait_records(2)}
    assert set(records) == {0, 8102}, records
    events = [e["eventType"] for e in bed.sink.events(records[8102]["sessionId"])]
    assert events == ["callin", "collectInfo", "disconnect"], events


second_caller_finds_a_busy.settings = menu()


def a_is_shown_the_caller(bed):
    """displayNumMode 1; who is called back sees X in any case."""
    bind(bed, displayNumMode="1")
    keys = dict(scenarios=("a_keys_info", "b_answers"), pause_ms=2500, keyed=EXTENSION)
    connected(bed, STRANGER, X, A, shown=STRANGER, **keys)
    record, infos = told(bed, KEYED)
    check_parties(record, infos, STRANGER, X, A, STRANGER, direction=0)
    connected(bed, A, X, STRANGER)
    told(bed, ANSWERED)


a_is_shown_the_caller.settings = menu()


def unbound(bed):
    bind(bed)
    bed.platform.ok("DELETE", AXE, query={"virtualNum": X, "extendNum": EXTENSION})
    a = bed.caller("a_keys_wrong", a=STRANGER, keyed=EXTENSION)
    a.hidden = [A]
    ends(a, bed, 8022, ["callin", "collectInfo", "disconnect"])


unbound.settings = menu(tries=1)


ALL = [
    records_and_bindings_expire,
    keyed_by_telephone_events,
    keyed_by_info,
    keyed_by_tones,
    without_prompts_of_the_application,
    wrong_once_then_right,
    wrong_until_refused,
    nothing_keyed,
    hash_ends_what_is_keyed,
    too_few_digits,
    caller_gives_up_at_the_menu,
    menu_before_the_answer,
    a_calls_back,
    nobody_to_call_back,
    second_caller_finds_a_busy,
    a_is_shown_the_caller,
    unbound,
]
