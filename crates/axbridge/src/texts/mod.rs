//! Texts through X: the desk keeps what SIP and SMPP bring, the courier asks, sends, tries again and sees to the end.

mod courier;
mod desk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axbridge_api::Applications;
use axbridge_api::notify::{AskRules, Sender, TextAsker};
use axbridge_call::Directory;
use axbridge_engine::{EngineHandle, TextDeskRef};
use axbridge_smpp::Link;
use axbridge_sms::join::JoinLimits;
use axbridge_store::Store;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::config::Config;
use courier::{Courier, Rules};
use desk::Desk;

/// Everything about texts that runs.
pub struct Texts {
    desk: Arc<Desk>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Texts {
    /// The desk; nothing is sent before [`Texts::start`].
    pub fn new(config: &Config, store: Store, directory: Arc<Directory>) -> Texts {
        let limits = JoinLimits {
            wait_ms: config.sms.parts_wait_s.saturating_mul(1_000),
            ..JoinLimits::default()
        };
        Texts {
            desk: Arc::new(Desk::new(store, directory, limits, Arc::new(Notify::new()))),
            stop: watch::Sender::new(false),
            tasks: Vec::new(),
        }
    }

    /// Who keeps the texts that come in on SIP trunks.
    pub fn desk(&self) -> TextDeskRef {
        TextDeskRef(self.desk.clone())
    }

    /// Binds to the SMSCs and begins to send.
    pub fn start(
        &mut self,
        config: &Config,
        engine: EngineHandle,
        apps: Arc<Applications>,
        sender: Sender,
    ) -> Result<()> {
        let mut links = BTreeMap::new();
        for link in &config.smpp {
            let name = &link.name;
            link.check().with_context(|| format!("[[smpp]] {name:?}"))?;
            let (handle, work) = Link::new(link.clone(), self.desk.clone(), self.stopped());
            if links.insert(name.clone(), handle).is_some() {
                bail!("[[smpp]] {name:?} is there twice; give each link a name of its own");
            }
            self.tasks.push(tokio::spawn(work));
        }
        let rules = AskRules {
            timeout: Duration::from_millis(config.sms.block_timeout_ms),
            ..AskRules::default()
        };
        let asker = TextAsker::new(apps, sender, rules);
        let courier = Courier::new(
            Arc::clone(&self.desk),
            engine,
            links,
            asker,
            Rules::of(config),
        );
        self.tasks.push(tokio::spawn(courier.run(self.stopped())));
        Ok(())
    }

    fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.subscribe();
        async move {
            // It fails when the program ends without saying so.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }

    /// Says goodbye to the SMSCs; what is not sent is on the disk.
    pub async fn stop(&mut self) {
        self.stop.send_replace(true);
        for task in self.tasks.drain(..) {
            let _ = tokio::time::timeout(Duration::from_secs(12), task).await;
        }
    }
}
