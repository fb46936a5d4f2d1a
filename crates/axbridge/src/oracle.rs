//! Who answers the questions of the calls: the store gives strangers a Y (AXYB), the customer says where a call goes
//! (X mode).

use std::future::Future;

use axbridge_api::notify::{self, Asker};
use axbridge_binding::{AppId, SubscriptionId};
use axbridge_call::{Answer, ConnectTo, Question, QuestionKind};
use axbridge_engine::{Answering, Oracle};
use axbridge_numbering::Number;
use axbridge_store::{BindError, Store};
use tokio::runtime::Handle;

/// Store and customers behind one question. Works on the program's runtime: the shard that asks only waits.
pub struct Outside {
    store: Store,
    asker: Asker,
    runtime: Handle,
}

impl Outside {
    /// Works on the runtime of the caller.
    pub fn new(store: Store, asker: Asker) -> Self {
        Outside {
            store,
            asker,
            runtime: Handle::current(),
        }
    }

    fn elsewhere(&self, work: impl Future<Output = Answer> + Send + 'static) -> Answering {
        let answer = self.runtime.spawn(work);
        // It fails when the program stops, or when the work has panicked: the call ends, the shard goes on.
        Box::pin(async move { answer.await.unwrap_or(Answer::Failed) })
    }
}

impl Oracle for Outside {
    fn ask(&self, question: Question) -> Answering {
        match question.kind {
            QuestionKind::AllocateY {
                app,
                subscription,
                caller,
                ..
            } => self.elsewhere(allocate(self.store.clone(), app, subscription, caller)),
            QuestionKind::CallIn { app, x, caller } => {
                let call = notify::CallIn {
                    session_id: question.session_id,
                    caller,
                    called: x,
                    at_ms: question.at_ms,
                };
                let asker = self.asker.clone();
                self.elsewhere(async move {
                    let answer = asker.ask(app, &call, axbridge_engine::wall_ms()).await;
                    understood(answer, caller)
                })
            }
            _ => Box::pin(async { Answer::Failed }),
        }
    }
}

/// The stranger's Y is committed and in the table of bindings when this answers.
async fn allocate(
    store: Store,
    app: AppId,
    subscription: SubscriptionId,
    stranger: Number,
) -> Answer {
    match store.axyb_allocate_y(app, subscription, stranger).await {
        Ok(_) => Answer::Allocated,
        Err(BindError::Store(error)) => {
            tracing::error!(app = app.0, %error, "no number Y could be given to a caller");
            Answer::Failed
        }
        Err(why) => {
            tracing::info!(app = app.0, %why, "no number Y for a caller; give the application more numbers");
            Answer::NoneFree
        }
    }
}

/// The customer's answer in the words of the call.
fn understood(answer: notify::Answer, caller: Number) -> Answer {
    match answer {
        notify::Answer::Connect(to) => Answer::Connect(Box::new(ConnectTo {
            display: to.show_caller.then_some(caller),
            record: to.record,
            record_hint_tone: to.record_hint_tone,
            max_duration_min: to.max_duration_min,
            last_min_voice: to.last_min_voice,
            wait_voice: to.wait_voice,
            callee_hint_voice: to.callee_hint_voice,
            user_data: to.user_data,
            ..ConnectTo::new(to.callee)
        })),
        notify::Answer::Close(close) => Answer::Close {
            prompt: close.hint_tone,
            user_data: close.user_data,
        },
        notify::Answer::Malformed(why) => {
            tracing::info!(%why, "the customer's answer to callin cannot be used");
            Answer::Invalid
        }
        notify::Answer::NoFile(why) => {
            tracing::info!(%why, "the customer's answer to callin cannot be used");
            Answer::NoFile
        }
        notify::Answer::Abnormal(_) => Answer::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(digits: u64) -> Number {
        Number::from_u64(digits).unwrap()
    }

    #[test]
    fn an_instruction_loses_nothing_on_its_way_to_the_call() {
        let (caller, callee) = (number(8_613_900_000_001), number(8_613_900_000_002));
        let connect = |show_caller| notify::Connect {
            callee,
            show_caller,
            max_duration_min: 3,
            wait_voice: Some("wait.wav".into()),
            record: true,
            record_hint_tone: Some("hint.wav".into()),
            last_min_voice: Some("last.wav".into()),
            callee_hint_voice: Some("callee.wav".into()),
            user_data: Some("order-1".into()),
        };
        let told = |show_caller| {
            understood(
                notify::Answer::Connect(Box::new(connect(show_caller))),
                caller,
            )
        };
        let wanted = ConnectTo {
            callee,
            display: None,
            record: true,
            record_hint_tone: Some("hint.wav".into()),
            max_duration_min: 3,
            last_min_voice: Some("last.wav".into()),
            warn_before_s: 60,
            wait_voice: Some("wait.wav".into()),
            callee_hint_voice: Some("callee.wav".into()),
            user_data: Some("order-1".into()),
        };
        assert_eq!(told(false), Answer::Connect(Box::new(wanted.clone())));
        let shown = ConnectTo {
            display: Some(caller),
            ..wanted
        };
        assert_eq!(told(true), Answer::Connect(Box::new(shown)));
    }

    #[test]
    fn every_other_answer_keeps_its_meaning() {
        let close = notify::Close {
            hint_tone: Some("bye.wav".into()),
            user_data: Some("order-2".into()),
        };
        let closed = Answer::Close {
            prompt: Some("bye.wav".into()),
            user_data: Some("order-2".into()),
        };
        for (said, meant) in [
            (notify::Answer::Close(close), closed),
            (
                notify::Answer::Malformed("calleeNum".into()),
                Answer::Invalid,
            ),
            (notify::Answer::NoFile("waitVoice".into()), Answer::NoFile),
            (notify::Answer::Abnormal("late".into()), Answer::Failed),
        ] {
            assert_eq!(understood(said, number(8_613_900_000_001)), meant);
        }
    }
}
