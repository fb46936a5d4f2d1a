//! `numStatus`: the state of an application's private numbers has changed.

use axbridge_call::{Fact, FactKind};
use axbridge_store::NOTICES_MERGED_MAX;
use serde::Serialize;

/// `status` of a number that is unavailable; only such a number has a cause.
const UNAVAILABLE: u8 = 10;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notification<'a> {
    event_type: &'static str,
    num_info: Vec<NumInfo<'a>>,
}

#[derive(Serialize)]
struct NumInfo<'a> {
    number: &'a str,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

/// The body that tells of these numbers, 1 to 100 of them; facts that are no such notice are left out. `None` if none
/// is one.
#[must_use]
pub fn number_status_body(facts: &[Fact]) -> Option<Vec<u8>> {
    let num_info: Vec<NumInfo<'_>> = facts.iter().filter_map(info).collect();
    if num_info.is_empty() || num_info.len() > NOTICES_MERGED_MAX {
        return None;
    }
    let body = Notification {
        event_type: "numStatus",
        num_info,
    };
    serde_json::to_vec(&body).ok()
}

fn info(fact: &Fact) -> Option<NumInfo<'_>> {
    let FactKind::NumberStatus {
        number,
        status,
        cause,
    } = &fact.kind
    else {
        return None;
    };
    Some(NumInfo {
        number,
        status: status.to_string(),
        cause: cause
            .filter(|_| *status == UNAVAILABLE)
            .map(|c| c.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axbridge_binding::AppId;
    use serde_json::{Value, json};

    fn notice(status: u8, cause: Option<u8>) -> Fact {
        Fact {
            app: AppId(1),
            app_key: "demoKey01".into(),
            session_id: "number".into(),
            seq: 0,
            at_ms: 0,
            subscription_id: None,
            user_data: None,
            kind: FactKind::NumberStatus {
                number: "+8617000000009".into(),
                status,
                cause,
            },
        }
    }

    #[test]
    fn every_status_is_written_as_documented_and_only_unavailable_has_a_cause() {
        for (status, cause, told) in [
            (5, None, json!({"number": "+8617000000009", "status": "5"})),
            (
                5,
                Some(2),
                json!({"number": "+8617000000009", "status": "5"}),
            ),
            (9, None, json!({"number": "+8617000000009", "status": "9"})),
            (
                10,
                Some(2),
                json!({"number": "+8617000000009", "status": "10", "cause": "2"}),
            ),
            (
                10,
                None,
                json!({"number": "+8617000000009", "status": "10"}),
            ),
            (
                11,
                None,
                json!({"number": "+8617000000009", "status": "11"}),
            ),
        ] {
            let body = number_status_body(&[notice(status, cause)]).unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body, json!({"eventType": "numStatus", "numInfo": [told]}));
        }
    }

    #[test]
    fn one_to_a_hundred_numbers_go_together() {
        let many = vec![notice(11, None); 101];
        assert!(number_status_body(&[]).is_none());
        assert!(number_status_body(&many).is_none());
        let body: Value =
            serde_json::from_slice(&number_status_body(&many[..100]).unwrap()).unwrap();
        assert_eq!(body["numInfo"].as_array().unwrap().len(), 100);
        let mut other = notice(5, None);
        other.kind = FactKind::Reached {
            caller: "+8613900000001".into(),
        };
        assert!(number_status_body(&[other]).is_none());
    }
}
