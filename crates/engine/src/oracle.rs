//! Questions of the calls to the outside: asked beside the shard that has them, a bounded number at a time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axbridge_call::{Answer, Question};

use crate::inbox::{Control, ShardPorts};

/// An answer on its way.
pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Who answers the questions of the calls. The call itself sets the time limit: an answer that comes later is
/// forgotten.
pub trait Oracle: Send + Sync + 'static {
    /// Begins to find the answer. It is driven by the thread of a shard, so heavy work belongs elsewhere: give back
    /// something that only waits for it.
    fn ask(&self, question: Question) -> Answering;
}

/// An [`Oracle`] as part of a configuration.
#[derive(Clone)]
pub struct OracleRef(pub Arc<dyn Oracle>);

impl fmt::Debug for OracleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OracleRef")
    }
}

/// The questions of one shard that are being asked.
pub(crate) struct Asking {
    oracle: Option<OracleRef>,
    open: Arc<AtomicUsize>,
    open_max: usize,
}

impl Asking {
    pub fn new(oracle: Option<OracleRef>, open_max: usize) -> Self {
        Asking {
            oracle,
            open: Arc::default(),
            open_max,
        }
    }

    /// Asks; the answer comes back to the shard as a [`Control::Answer`]. Runs inside the shard's runtime.
    pub fn ask(&self, shard: usize, ports: &ShardPorts, question: Question) {
        let call = question.call;
        let refused = self.open.load(Ordering::Relaxed) >= self.open_max;
        let Some(OracleRef(oracle)) = self.oracle.as_ref().filter(|_| !refused) else {
            metrics::counter!("axbridge_questions_total", "outcome" => "refused").increment(1);
            let answer = Answer::Failed;
            ports.control(shard, Control::Answer { call, answer });
            return;
        };
        self.open.fetch_add(1, Ordering::Relaxed);
        let answering = oracle.ask(question);
        let (open, ports) = (Arc::clone(&self.open), ports.clone());
        tokio::spawn(async move {
            let answer = answering.await;
            open.fetch_sub(1, Ordering::Relaxed);
            let outcome = match &answer {
                Answer::Failed | Answer::Invalid => "failed",
                _ => "answered",
            };
            metrics::counter!("axbridge_questions_total", "outcome" => outcome).increment(1);
            ports.control(shard, Control::Answer { call, answer });
        });
    }
}
