//! What there is to tell of a call, and how it is told in tests.

use std::time::Duration;

use axbridge_api::notify::Origin;
use axbridge_api::{DelivererConfig, TargetPolicy};
use axbridge_binding::AppId;
use axbridge_call::{CallRecord, Fact, FactKind};

/// Receivers on loopback are allowed, and retries are looked for often.
pub fn deliverer_config() -> DelivererConfig {
    DelivererConfig {
        poll_every: Duration::from_millis(50),
        targets: TargetPolicy {
            allow_private: true,
            allowed: Vec::new(),
        },
        origin: Origin {
            host_name: "node1".into(),
            record_domain: "rec.example".into(),
        },
        public_url: "http://rtc.example".into(),
        ..DelivererConfig::default()
    }
}

/// The five events and the record of one call.
pub fn whole_call(app: AppId, key: &str, session: &str, began_ms: u64) -> Vec<Fact> {
    let (a, x, b) = ("+8613900000001", "+8617000000009", "+8613900000002");
    let leg = || (x.to_owned(), b.to_owned());
    let (caller, called) = leg();
    let out = FactKind::CallOut { caller, called };
    let (caller, called) = leg();
    let alerting = FactKind::Alerting { caller, called };
    let (caller, called) = leg();
    let answer = FactKind::Answer { caller, called };
    let (caller, called) = leg();
    let disconnect = FactKind::Disconnect {
        caller,
        called,
        state_code: 0,
        state_desc: "The user releases the call.".into(),
        released_by: Some(1),
    };
    let call_in = FactKind::CallIn {
        caller: a.into(),
        called: x.into(),
        asked: false,
    };
    let record = FactKind::Record(Box::new(CallRecord {
        icid: session.into(),
        bind_num: x.into(),
        callee_num: x.into(),
        caller_num: a.into(),
        fwd_dst_num: b.into(),
        call_in_ms: began_ms,
        call_end_ms: began_ms + 1000,
        record_flag: 1,
        record_object: Some("a.wav".into()),
        ..CallRecord::default()
    }));
    let kinds = [call_in, out, alerting, answer, disconnect, record];
    let facts = kinds.into_iter().enumerate().map(|(seq, kind)| Fact {
        app,
        app_key: key.into(),
        session_id: session.into(),
        seq: seq as u32,
        at_ms: began_ms + seq as u64 * 1000,
        subscription_id: Some("2f1c".into()),
        user_data: None,
        kind,
    });
    facts.collect()
}
