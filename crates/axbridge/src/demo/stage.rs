//! The play: everything is built, the call is made, the evidence is gathered.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axbridge_numbering::Number;
use http::Method;
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};

use super::checks::{Check, Evidence};
use super::client::Client;
use super::folder::Folder;
use super::hook::Hook;
use super::identity::Identity;
use super::phone::{Phone, Talk};
use super::provision::{self, MAX_MINUTES};
use super::recording;
use super::scribe::{Numbers, Party, Scribe};
use super::wire::word;
use crate::config::Config;
use crate::logging;
use crate::platform::Platform;

/// Numbers that belong to nobody.
const A: &[u8] = b"8613900054321";
const B: &[u8] = b"8613900098765";
const X: &[u8] = b"8617000000009";
/// Addresses of the two carriers.
const CARRIERS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)),
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3)),
];
/// How long the platform may take for what takes it milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a call takes besides talking.
const AROUND_THE_TALK: Duration = Duration::from_secs(10);

/// The platform, the two phones, the customer's server and the clients.
pub struct Stage {
    /// Writes to the reader.
    pub scribe: Scribe,
    /// The demo as operator and customer.
    pub client: Client,
    platform: Platform,
    hook: Hook,
    a: Arc<Phone>,
    b: Arc<Phone>,
    talks_of_b: Mutex<mpsc::UnboundedReceiver<Talk>>,
    limit: Duration,
}

impl Stage {
    /// Starts everything. `limit` is the length of `maxDuration`.
    pub async fn build(folder: &Folder, limit: Duration) -> Result<Stage> {
        let number = |digits| Number::from_digits(digits).context("a number of the demo");
        let numbers = Numbers {
            a: number(A)?,
            b: number(B)?,
            x: number(X)?,
        };
        let scribe = Scribe::new(numbers);
        scribe.plain(&format!(
            "A is {}, B is {}, between them X = {}.",
            numbers.a, numbers.b, numbers.x
        ));
        let config = config(folder, limit)?;
        logging::start(&config.log)?;
        let token = config.admin.token.clone().unwrap_or_default();
        let platform = Platform::start(config).await?;
        let at = platform.addresses().clone();
        let sip = at.sip.first().context("the platform listens nowhere")?.1;
        scribe.line(&format!(
            "platform: SIP at {sip}, customers' API at {}, operator's at {}",
            at.api, at.admin
        ));
        let client = Client::new(
            at.api,
            at.admin,
            token,
            format!("demo{}", word()),
            word() + &word(),
        );
        let hook = Hook::start(client.key.clone(), client.secret.clone(), scribe.clone()).await?;
        let [a, b] = [(Party::A, numbers.a, 440), (Party::B, numbers.b, 880)]
            .map(|(p, n, hz)| Identity::new(p, n, hz));
        let a = Arc::new(Phone::open(a, CARRIERS[0], sip, scribe.clone()).await?);
        let b = Arc::new(Phone::open(b, CARRIERS[1], sip, scribe.clone()).await?);
        let (tell, talks_of_b) = mpsc::unbounded_channel();
        let stage = Stage {
            scribe,
            client,
            platform,
            hook,
            a,
            b,
            talks_of_b: Mutex::new(talks_of_b),
            limit,
        };
        stage.provide().await?;
        tokio::spawn(Arc::clone(&stage.b).answer_calls(tell));
        Ok(stage)
    }

    async fn provide(&self) -> Result<()> {
        self.scribe
            .heading("The operator sets the platform up, the customer binds");
        provision::as_operator(&self.client, &self.hook, [&self.a, &self.b], &self.scribe).await?;
        provision::as_customer(&self.client, &self.scribe).await?;
        // Calls see settings a moment after the API has answered; the trunks came last, so once they are known the
        // rest is too.
        self.scribe
            .heading("Both carriers ask whether the platform is there");
        for phone in [&self.a, &self.b] {
            phone.knock(PATIENCE).await?;
        }
        Ok(())
    }

    /// One call from A to X; what both phones know of it.
    pub async fn call(&self) -> Result<(Talk, Talk)> {
        // Spawned, so that the phone still answers when the demo is interrupted and the platform ends the call.
        let longest = self.limit + AROUND_THE_TALK;
        let calling =
            tokio::spawn(Arc::clone(&self.a).call(self.scribe.numbers().x.to_global(), longest));
        let a = calling.await.context("the caller's phone")??;
        let mut talks = self.talks_of_b.lock().await;
        let b = tokio::time::timeout(PATIENCE, talks.recv())
            .await
            .context("B got no BYE")?;
        Ok((a, b.context("the callee's phone stopped")?))
    }

    /// The call, the checks. True when all hold.
    pub async fn show(&self, folder: &Folder) -> Result<bool> {
        self.scribe.heading(&format!(
            "A calls X (a minute is made {} s long, so that {MAX_MINUTES} minutes do not bore)",
            self.limit.as_secs_f64() / f64::from(MAX_MINUTES)
        ));
        let (a, b) = self.call().await?;
        let evidence = self.gather(a, b, folder).await?;
        let [a, b] = evidence.hearings();
        self.scribe
            .heading("What was heard, counted from the answer");
        self.scribe
            .plain(&format!("A: {}", a.story(evidence.a.answered)));
        self.scribe
            .plain(&format!("B: {}", b.story(evidence.b.answered)));
        if let Ok(recording) = &evidence.recording {
            self.scribe
                .plain(&format!("Recording: {}", recording.path.display()));
        }
        self.scribe
            .heading("What was promised and what was measured");
        let checks = evidence.checks();
        Ok(self.print(&checks))
    }

    async fn gather(&self, a: Talk, b: Talk, folder: &Folder) -> Result<Evidence> {
        let told = self
            .hook
            .wait(PATIENCE, |n| {
                n.fees().next().is_some() && n.events.len() >= 5
            })
            .await;
        if !told {
            self.scribe
                .line("the customer's server still waits for events or the record");
        }
        let notices = self.hook.notices();
        let fee = notices.fees().next().cloned().unwrap_or_default();
        let recording = recording::fetch(&self.client, &fee, folder.recording()).await;
        Ok(Evidence {
            a,
            b,
            identities: [self.a.identity().clone(), self.b.identity().clone()],
            numbers: *self.scribe.numbers(),
            // Again: whatever came twice or late must be seen.
            notices: self.hook.notices(),
            records: total(&self.client.operator(Method::GET, "/records", "").await?),
            live_calls: total(&self.client.operator(Method::GET, "/calls", "").await?),
            recording,
            limit: self.limit,
        })
    }

    fn print(&self, checks: &[Check]) -> bool {
        for check in checks {
            let verdict = if check.kept { "ok     " } else { "FAILED " };
            self.scribe
                .plain(&format!("{verdict} {}: {}", check.promise, check.measured));
        }
        let failed = checks.iter().filter(|c| !c.kept).count();
        self.scribe.plain(&match failed {
            0 => format!("All {} checks hold.", checks.len()),
            n => format!("{n} of {} checks FAILED.", checks.len()),
        });
        failed == 0
    }

    /// The last call record that the customer's server got.
    pub fn last_fee(&self) -> Option<Value> {
        self.hook.notices().fees().last().cloned()
    }

    /// Ends what is left of calls and stops the platform.
    pub async fn stop(self) {
        self.platform.stop(Duration::ZERO).await;
    }
}

fn total(list: &Value) -> u64 {
    list["total"].as_u64().unwrap_or(u64::MAX)
}

/// Everything on loopback, at ports that the system chooses; the rest as in production.
fn config(folder: &Folder, limit: Duration) -> Result<Config> {
    let mut config = Config::load(None, std::env::vars())?;
    if config.log == Config::default().log {
        config.log.level = "warn".to_owned();
    }
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.sip.listen = vec!["udp:127.0.0.1:0".parse().map_err(anyhow::Error::msg)?];
    config.sip.advertise = None;
    config.media.ips = vec![anywhere.ip()];
    config.media.advertise_ip = None;
    config.store.dir = folder.data().to_owned();
    config.store.bindings_expected = 1_000;
    config.api.listen = anywhere;
    config.api.public_url = None;
    (config.api.tls_certificate, config.api.tls_key) = (None, None);
    config.admin.listen = anywhere;
    config.admin.token = Some(word() + &word());
    (config.admin.tls_certificate, config.admin.tls_key) = (None, None);
    config.notify.allow_private = true;
    config.prompts.auto_pass = true;
    config.metrics.listen = None;
    config.test.enabled = true;
    config.test.minute_ms = limit.as_millis() as u64 / u64::from(MAX_MINUTES);
    Ok(config)
}
