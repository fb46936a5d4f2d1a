//! A link: the session, and a new one whenever it is lost.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axbridge_numbering::Number;
use rand::Rng as _;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::config::LinkConfig;
use crate::pdu::{self, Submission};
use crate::session::{Desk, Lost, bind};
use crate::status::SubmitError;

/// The longest pause between two attempts to bind.
const RECONNECT_MAX: Duration = Duration::from_secs(60);
/// A session that lasted this long was a good one: the pauses begin anew.
const GOOD: Duration = Duration::from_secs(30);

/// Whether a link is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// There is no session.
    Down,
    /// Bound as transceiver.
    Bound,
}

/// A part on its way to the session.
pub(crate) struct Asked {
    pub submission: Submission,
    pub done: oneshot::Sender<Result<String, SubmitError>>,
}

/// A link to an SMSC. Clones share it.
#[derive(Clone)]
pub struct Link {
    config: Arc<LinkConfig>,
    asked: mpsc::Sender<Asked>,
    state: watch::Receiver<LinkState>,
}

impl Link {
    /// A link, and the work that keeps it: give that to a runtime. It ends when `stop` is ready, with an `unbind`.
    /// The configuration must have passed [`LinkConfig::check`].
    pub fn new(
        config: LinkConfig,
        desk: Arc<dyn Desk>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> (Link, impl Future<Output = ()> + Send + 'static) {
        let config = Arc::new(config);
        let (asked, asked_out) = mpsc::channel(usize::from(config.window).max(1));
        let (state_in, state) = watch::channel(LinkState::Down);
        let link = Link {
            config: Arc::clone(&config),
            asked,
            state,
        };
        (link, keep_up(config, desk, asked_out, state_in, stop))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Whether receipts are asked for.
    pub fn receipts(&self) -> bool {
        self.config.receipts
    }

    /// Whether it is up.
    pub fn state(&self) -> LinkState {
        *self.state.borrow()
    }

    /// Waits until the link is up or down.
    pub async fn wait_for(&self, wanted: LinkState) {
        let mut state = self.state.clone();
        // It fails only when the work has ended, and then nothing will change any more.
        let _ = state.wait_for(|state| *state == wanted).await;
    }

    /// Cuts a text into the parts that go over this link. The same text and reference give the same parts.
    pub fn parts(
        &self,
        shown: Number,
        receiver: Number,
        text: &str,
        reference: u16,
    ) -> Vec<Submission> {
        pdu::parts(&self.config, shown, receiver, text, reference)
    }

    /// Sends a part and gives the `message_id` that the SMSC calls it by, empty when it gives none.
    ///
    /// # Errors
    /// It was not taken, or it is not known whether it was ([`SubmitError::NotBound`]).
    pub async fn submit(&self, submission: Submission) -> Result<String, SubmitError> {
        if self.state() == LinkState::Down {
            return Err(SubmitError::NotBound);
        }
        let (done, taken) = oneshot::channel();
        let asked = Asked { submission, done };
        self.asked
            .send(asked)
            .await
            .map_err(|_| SubmitError::NotBound)?;
        taken.await.unwrap_or(Err(SubmitError::NotBound))
    }
}

async fn keep_up(
    config: Arc<LinkConfig>,
    desk: Arc<dyn Desk>,
    mut asked: mpsc::Receiver<Asked>,
    state: watch::Sender<LinkState>,
    stop: impl Future<Output = ()>,
) {
    tokio::pin!(stop);
    let first = Duration::from_secs(config.reconnect_s.into());
    let mut pause = first;
    let gauge = metrics::gauge!("axbridge_smpp_bound", "link" => config.name.clone());
    loop {
        gauge.set(0.0);
        let began = Instant::now();
        let mut readers = JoinSet::new();
        let opened = tokio::select! {
            () = &mut stop => return,
            opened = open(&config, &desk, &mut readers) => opened,
        };
        let lost = match opened {
            Ok(session) => {
                tracing::info!(link = config.name, "bound to the SMSC");
                gauge.set(1.0);
                state.send_replace(LinkState::Bound);
                let mut stopping = false;
                let stopped = async {
                    (&mut stop).await;
                    stopping = true;
                };
                let lost = session.work(&mut asked, stopped).await;
                state.send_replace(LinkState::Down);
                gauge.set(0.0);
                if stopping {
                    return;
                }
                lost
            }
            Err(lost) => lost,
        };
        // What was asked meanwhile is tried again by those who asked.
        while let Ok(asked) = asked.try_recv() {
            let _ = asked.done.send(Err(SubmitError::NotBound));
        }
        if began.elapsed() > GOOD {
            pause = first;
        }
        // Two nodes that lost the same SMSC do not come back at the same moment.
        let wait = pause.mul_f64(rand::rng().random_range(0.8..1.2));
        tracing::warn!(link = config.name, %lost, again_in_ms = wait.as_millis() as u64, "no session with the SMSC");
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(wait) => {}
        }
        pause = (pause * 2).min(RECONNECT_MAX);
    }
}

async fn open<'a>(
    config: &'a LinkConfig,
    desk: &'a Arc<dyn Desk>,
    readers: &mut JoinSet<()>,
) -> Result<crate::session::Session<'a>, Lost> {
    let limit = Duration::from_secs(config.response_s.into());
    let connecting = TcpStream::connect((config.host.as_str(), config.port));
    let stream = timeout(limit, connecting)
        .await
        .map_err(|_| Lost::Silent)??;
    bind(config, desk, stream, readers).await
}
