//! The customer is asked what becomes of a text (`Block`): in X mode always, in AX when A names no receiver.

use std::sync::Arc;
use std::time::Instant;

use axbridge_numbering::Number;
use axbridge_sms::route::{BlockAnswer, Ticket};
use axbridge_sms::{Text, split};
use serde_json::Value;

use super::ask::{AskRules, signer};
use super::sender::Sender;
use super::text::{ExtInfo, SmsEvent, body};
use crate::answer::Refusal;
use crate::apps::{Application, Applications};
use crate::customer::params::Params;

/// A text of which the customer is asked.
pub struct TextQuestion<'a> {
    /// `smsIdentifier`; the notification that follows has the same.
    pub id: &'a str,
    /// Who wrote, through which X.
    pub ticket: &'a Ticket,
    /// What was written.
    pub written: &'a Text,
}

/// Asks customers. There is one try within a fixed time: an answer that comes late would come for a text that is
/// dropped.
#[derive(Clone)]
pub struct TextAsker {
    apps: Arc<Applications>,
    sender: Sender,
    rules: AskRules,
}

impl TextAsker {
    /// Asks by this sender, whose time limit does not count here.
    #[must_use]
    pub fn new(apps: Arc<Applications>, sender: Sender, rules: AskRules) -> Self {
        Self {
            apps,
            sender,
            rules,
        }
    }

    /// Posts the question and reads the answer. Always ready within the time limit.
    pub async fn ask(&self, question: &TextQuestion<'_>, wall_ms: u64) -> BlockAnswer {
        let began = Instant::now();
        let (answer, result) = match self.ask_in_time(question, wall_ms).await {
            Ok(answer @ BlockAnswer::Discard) => (answer, "discard"),
            Ok(answer) => (answer, "forward"),
            Err(why) => {
                let app = question.ticket.app.0;
                tracing::info!(app, text = question.id, %why, "no answer of the customer to a text");
                (BlockAnswer::None, "none")
            }
        };
        metrics::counter!("axbridge_text_questions_total", "result" => result).increment(1);
        metrics::histogram!("axbridge_text_question_seconds").record(began.elapsed());
        answer
    }

    async fn ask_in_time(
        &self,
        question: &TextQuestion<'_>,
        wall_ms: u64,
    ) -> Result<BlockAnswer, String> {
        let app = self.apps.by_id(question.ticket.app.0);
        let app = app.ok_or("the application does not exist any more")?;
        let url = app.record.settings.sms.control_url.as_deref();
        let url = url.ok_or("the application has no sms.control_url")?;
        let body =
            question_body(&app, question, wall_ms).ok_or("the question cannot be written")?;
        let asked = self
            .sender
            .post_for_answer(url, signer(&app), body, wall_ms);
        match tokio::time::timeout(self.rules.timeout, asked).await {
            Ok(Ok(answer)) => read_answer(&answer, question.ticket.sender),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {:?}", self.rules.timeout)),
        }
    }
}

fn question_body(app: &Application, question: &TextQuestion<'_>, wall_ms: u64) -> Option<Vec<u8>> {
    let ticket = question.ticket;
    let (calling, virtual_number) = (ticket.sender.to_global(), ticket.x.to_global());
    let written = question.written.reveal();
    let parts = u32::try_from(split::count(written)).ok()?;
    let event = SmsEvent {
        sms_identifier: question.id,
        notification_mode: "Block",
        calling: &calling,
        virtual_number: &virtual_number,
        ext_info: ExtInfo::new(parts, ticket.direction),
        subscription_id: ticket.subscription.as_deref(),
        sms_content: app.record.settings.sms.content.then_some(written),
        ..SmsEvent::default()
    };
    body(&app.record.key, event, wall_ms)
}

/// Reads the body of an answer. The first of several actions counts.
fn read_answer(body: &[u8], sender: Number) -> Result<BlockAnswer, String> {
    let text = String::from_utf8_lossy(body);
    let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|_| "the answer is not JSON")?;
    let action = match value.get("actions") {
        Some(Value::Array(actions)) => actions.first(),
        other => other,
    };
    let action = action.cloned().and_then(Params::one);
    let action = action.ok_or("the answer has no actions")?;
    let answer = Params::one(value).ok_or("the answer must be an object")?;
    let operation = action.text("operation", 1, 32).map_err(detail)?.value();
    let operation = operation.unwrap_or_default();
    if operation.trim().eq_ignore_ascii_case("DiscardMessage") {
        return Ok(BlockAnswer::Discard);
    }
    if !operation.trim().eq_ignore_ascii_case("vNumberRoute") {
        return Err("operation must be vNumberRoute or DiscardMessage".into());
    }
    // The vendor's own sample sends no message.
    let message = action.one_object("message").map_err(detail)?;
    let message = message.unwrap_or_default();
    let calling = message.number("calling").map_err(detail)?;
    if calling.is_some_and(|calling| calling != sender) {
        return Err("message.calling must be the calling of the question".into());
    }
    // Beside the operation, or beside the actions.
    let user_data = |p: &Params| crate::customer::fields::user_data(p).map(|u| u.value());
    let beside = user_data(&action).map_err(detail)?;
    let user_data = match beside {
        Some(found) => Some(found),
        None => user_data(&answer).map_err(detail)?,
    };
    Ok(BlockAnswer::Forward {
        receiver: message.number("called").map_err(detail)?,
        user_data,
    })
}

fn detail(refusal: Refusal) -> String {
    refusal.detail.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> Result<BlockAnswer, String> {
        let sender = Number::parse_global("+8613900000003").expect("number");
        read_answer(answer.as_bytes(), sender)
    }

    fn to(receiver: Option<&str>) -> BlockAnswer {
        BlockAnswer::Forward {
            receiver: receiver.map(|r| Number::parse_global(r).expect("number")),
            user_data: None,
        }
    }

    #[test]
    fn answers_of_the_reference_and_of_the_samples() {
        let full = r#"{"actions":[{"operation":"vNumberRoute","message":{"called":"+8613900000002","calling":"+8613900000003"}}]}"#;
        assert_eq!(read(full), Ok(to(Some("+8613900000002"))));
        assert_eq!(
            read(r#"{"actions":[{"operation":"vNumberRoute"}]}"#),
            Ok(to(None))
        );
        assert_eq!(
            read(r#"{"actions":[{"operation":"DiscardMessage"}]}"#),
            Ok(BlockAnswer::Discard)
        );
        assert_eq!(
            read(r#"{"actions":{"operation":"discardmessage"}}"#),
            Ok(BlockAnswer::Discard)
        );
        let told = r#"{"actions":[{"operation":"vNumberRoute","userData":"order42"}]}"#;
        let Ok(BlockAnswer::Forward { user_data, .. }) = read(told) else {
            panic!("forward");
        };
        assert_eq!(user_data.as_deref(), Some("order42"));
    }

    #[test]
    fn answers_that_say_nothing_of_use() {
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"actions":[]}"#,
            r#"{"actions":[{"operation":"forward"}]}"#,
            r#"{"actions":[{"operation":"vNumberRoute","message":{"called":"somebody"}}]}"#,
            r#"{"actions":[{"operation":"vNumberRoute","message":{"called":"+8613900000002","calling":"+8613900000009"}}]}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
