//! The invariants of a call.

use std::time::{Duration, Instant};

use axbridge_call::{CallRecord, FactKind, Trace};
use axbridge_media::{Negotiated, Side};

use crate::expect;
use crate::phone::sdp::Flow;
use crate::plan::Bound;
use crate::world::Pair;

/// Looks at two parties who have been at peace for a while: they must have a codec in common, and each must hear
/// the other exactly when the other speaks.
pub(crate) fn agreement(
    now: Instant,
    pair: &Pair,
    media: Option<[&Negotiated; 2]>,
) -> Option<String> {
    const PEACE: Duration = Duration::from_secs(12);
    if pair.ended_at.is_some() {
        return None;
    }
    let [a, b] = &pair.phones;
    let (a, b) = (a.settled(now, PEACE)?, b.settled(now, PEACE)?);
    let law = |codec: &str| matches!(codec, "PCMA" | "PCMU");
    let bridged = a.codec == b.codec || (law(&a.codec) && law(&b.codec));
    if !bridged {
        return Some(format!("A has {} and B has {}", a.codec, b.codec));
    }
    let Some(media) = media else {
        return Some("two parties talk without a media session between them".into());
    };
    for (party, ours) in [(&a, media[0]), (&b, media[1])] {
        let same = party.codec == ours.codec.name()
            && party.flow.sends() == ours.direction.receives()
            && party.flow.receives() == ours.direction.sends();
        if !same {
            let (codec, direction) = (ours.codec.name(), ours.direction.as_str());
            return Some(format!(
                "a party has {} {:?}, our media side has {codec} {direction}",
                party.codec, party.flow
            ));
        }
    }
    let flow = |from: Flow, to: Flow| from.sends() && to.receives();
    let (to_b, to_a) = (flow(a.wish, b.wish), flow(b.wish, a.wish));
    let is = |f: Flow, sends: bool, receives: bool| f.sends() == sends && f.receives() == receives;
    let wrong = !is(a.flow, to_b, to_a) || !is(b.flow, to_a, to_b);
    wrong.then(|| {
        format!(
            "A wants {:?} and has {:?}, B wants {:?} and has {:?}",
            a.wish, a.flow, b.wish, b.flow
        )
    })
}

/// Looks at a call when nothing can happen to it any more.
pub(crate) fn call(pair: &Pair) -> Vec<String> {
    let mut wrong = Vec::new();
    for phone in &pair.phones {
        if let Some(what) = phone.left_open() {
            wrong.push(format!("{:?} is left with {what}", phone.side));
        }
    }
    if pair.story.noisy {
        wrong.clear();
    }
    facts(pair, &mut wrong);
    if pair.story.noisy {
        return wrong;
    }
    deadline(pair, &mut wrong);
    if let Some(record) = record(pair) {
        expect::compare(pair, record, &mut wrong);
    }
    wrong
}

/// The record of a call.
#[must_use]
pub fn record(pair: &Pair) -> Option<&CallRecord> {
    pair.facts.iter().find_map(|f| match &f.kind {
        FactKind::Record(record) => Some(record.as_ref()),
        _ => None,
    })
}

fn facts(pair: &Pair, wrong: &mut Vec<String>) {
    let names: Vec<&str> = pair.facts.iter().map(|f| f.kind.name()).collect();
    if pair.facts.is_empty() {
        // Without an application, or refused before there was a call, there is nobody to tell.
        return;
    }
    if pair.story.bound == Bound::NoSuchX {
        wrong.push("facts about a number that nobody owns".into());
    }
    if !pair
        .facts
        .iter()
        .enumerate()
        .all(|(i, f)| f.seq as usize == i)
    {
        wrong.push(format!("gaps in the numbers of {names:?}"));
    }
    if names.iter().filter(|n| **n == "fee").count() != 1 || names.last() != Some(&"fee") {
        wrong.push(format!("not exactly one record, last: {names:?}"));
    }
    if names.first() != Some(&"callin") {
        wrong.push(format!("does not begin with callin: {names:?}"));
    }
    let order = [
        "callin",
        "collectInfo",
        "callout",
        "reached",
        "alerting",
        "answer",
        "recording",
        "disconnect",
        "trace",
        "fee",
    ];
    let places: Vec<usize> = names
        .iter()
        .filter_map(|n| order.iter().position(|o| o == n))
        .collect();
    // Only what was keyed may be told more than once.
    if !places.is_sorted_by(|a, b| a < b || (a, b) == (&1, &1)) {
        wrong.push(format!("out of order: {names:?}"));
    }
    if !names.contains(&"trace") {
        wrong.push(format!("no trace: {names:?}"));
    }
    for fact in &pair.facts {
        if let FactKind::Trace(trace) = &fact.kind {
            shown(trace, wrong);
        }
    }
    if !names.contains(&"disconnect") {
        wrong.push(format!("no disconnect: {names:?}"));
    }
    if !pair.facts.is_sorted_by_key(|f| f.at_ms) {
        wrong.push("facts go back in time".into());
    }
    let session = &pair.facts[0].session_id;
    if pair.facts.iter().any(|f| f.session_id != *session) {
        wrong.push("facts of two sessions".into());
    }
}

/// Nothing in a trace could be a whole number or an address of ours or theirs.
fn shown(trace: &Trace, wrong: &mut Vec<String>) {
    let told = trace.told("", false);
    if told.steps.is_empty() || told.messages.is_empty() {
        wrong.push("an empty trace".into());
    }
    let numbers = [
        &told.caller,
        &told.private_num,
        &told.shown_num,
        &told.callee,
    ];
    let numbers = numbers.into_iter().flatten().map(String::as_str);
    let words = told.steps.iter().map(|step| step.text.as_str());
    for text in numbers.chain(words) {
        let digits = text
            .split(|c: char| !c.is_ascii_digit())
            .map(str::len)
            .max();
        let address = text
            .split(|c: char| !c.is_ascii_digit() && c != '.')
            .any(|p| p.matches('.').count() >= 3);
        if digits.unwrap_or(0) > 6 || address {
            wrong.push(format!("a number or an address in a trace: {text}"));
        }
    }
}

/// A call with a limit is cut within a second of it, on both legs.
fn deadline(pair: &Pair, wrong: &mut Vec<String>) {
    let (Some(cut), Some(ended)) = (pair.cut_at, pair.ended_at) else {
        return;
    };
    if ended > cut + Duration::from_secs(1) {
        wrong.push("cut more than a second late".into());
    }
    if ended < cut {
        return;
    }
    for side in [Side::A, Side::B] {
        let phone = &pair.phones[side.index()];
        // A caller whose ACK is still missing gets its BYE after the ACK (RFC 3261 §15), or never.
        let from = match (side, pair.acked_at[0]) {
            (Side::A, None) => continue,
            (Side::A, Some(acked)) => cut.max(acked),
            (Side::B, _) => cut,
        };
        let late = match pair.bye_sent[side.index()] {
            Some(at) => at > from + Duration::from_secs(1),
            // It was leaving by itself at that very moment, or is gone.
            None => !phone.is_done() && !phone.vanished,
        };
        if late {
            wrong.push(format!(
                "no BYE to {side:?} within a second of the deadline"
            ));
        }
    }
}
