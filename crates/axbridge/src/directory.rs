//! The directory that calls look things up in, kept in step with the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axbridge_binding::AppId;
use axbridge_call::{App, AppPrompts, Directory, MenuRules, Snapshot, Standing};
use axbridge_media::Prompt;
use axbridge_numbering::Number;
use axbridge_store::{AppStatus, AxeSettings, Configuration, Store};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::JoinHandle;

type Prompts = HashMap<AppId, HashMap<Arc<str>, Arc<Prompt>>>;

/// Reads applications, trunks and prompts and publishes them to the calls, which wait so long for a customer (X mode).
pub async fn publish(store: &Store, directory: &Directory, callin: Duration) -> Result<()> {
    let configuration = store
        .configuration()
        .await
        .context("reading applications and trunks")?;
    let prompts = decode(store, &configuration).await?;
    directory.publish(snapshot(configuration, prompts, callin));
    Ok(())
}

/// Publishes again after each change, until stopped.
pub fn follow(
    store: Store,
    directory: Arc<Directory>,
    callin: Duration,
    mut changes: watch::Receiver<u64>,
    mut stopped: watch::Receiver<bool>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = stopped.wait_for(|s| *s) => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
            if let Err(error) = publish(&store, &directory, callin).await {
                tracing::error!(
                    error = format!("{error:#}"),
                    "a change of applications or trunks is not in force; trying again at the next one"
                );
            }
        }
    })
}

/// Decodes every passed prompt file; one that cannot be decoded is left out and told.
async fn decode(store: &Store, configuration: &Configuration) -> Result<Prompts> {
    let mut prompts = Prompts::new();
    for file in &configuration.prompts {
        let Some(wav) = store.prompt_wav(file.app, file.name.clone()).await? else {
            continue;
        };
        match Prompt::from_wav(&wav) {
            Ok(prompt) => {
                let name = Arc::from(file.name.as_str());
                prompts
                    .entry(file.app)
                    .or_default()
                    .insert(name, Arc::new(prompt));
            }
            Err(error) => {
                tracing::error!(app = file.app.0, name = file.name, %error, "a prompt file cannot be played")
            }
        }
    }
    Ok(prompts)
}

fn snapshot(configuration: Configuration, mut prompts: Prompts, callin: Duration) -> Snapshot {
    let trunks = configuration
        .trunks
        .into_iter()
        .map(|t| (t.id, Arc::new(t)))
        .collect();
    let apps = configuration.apps.into_iter().map(|app| {
        let files = prompts.remove(&app.id).unwrap_or_default();
        let named = |name: &Option<String>| name.as_deref().and_then(|n| files.get(n).cloned());
        let refusals = AppPrompts {
            no_permission: named(&app.settings.refusal_prompts.no_permission),
            service_abnormal: named(&app.settings.refusal_prompts.service_abnormal),
            no_binding: named(&app.settings.refusal_prompts.no_binding),
            no_callback: named(&app.settings.axe.prompts.no_call_back),
        };
        let menu = menu(&app.settings.axe, named);
        let account = account_of(&app.sp_id);
        let app = App {
            recording: app.settings.recording,
            layout: app.settings.recording_layout,
            refusals,
            menu,
            prompts: files,
            answer_timeout_ms: u64::try_from(app.answer_timeout().as_millis()).unwrap_or(90_000),
            callin_timeout_ms: u64::try_from(callin.as_millis()).unwrap_or(3_000),
            standing: standing(app.status),
            account,
            rules: app.settings.calls,
            ..App::new(app.id, app.key.as_str())
        };
        (app.id, Arc::new(app))
    });
    Snapshot {
        trunks,
        apps: apps.collect(),
        rules: configuration.rules,
        blocked: configuration.blocked.into_iter().collect(),
    }
}

/// The account as a number: the same for one name in every snapshot, so that counts go on.
fn account_of(sp_id: &str) -> u64 {
    let digest = Sha256::digest(sp_id);
    let (first, _) = digest.split_at(8);
    first
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn standing(status: AppStatus) -> Standing {
    match status {
        AppStatus::Active => Standing::Active,
        AppStatus::Suspended => Standing::Suspended,
        AppStatus::Frozen => Standing::Frozen,
    }
}

fn menu(axe: &AxeSettings, named: impl Fn(&Option<String>) -> Option<Arc<Prompt>>) -> MenuRules {
    let (prompts, ms) = (&axe.prompts, |s: u8| u64::from(s) * 1_000);
    let callback_number = axe.call_back_number.as_deref();
    MenuRules {
        digits: axe.extension_digits,
        tries: axe.tries,
        first_digit_ms: ms(axe.first_digit_s),
        next_digit_ms: ms(axe.next_digit_s),
        ask: named(&prompts.ask),
        wrong: named(&prompts.wrong),
        wrong_end: named(&prompts.wrong_end),
        none_end: named(&prompts.empty_end),
        waiting: named(&prompts.waiting),
        callback_number: callback_number.and_then(|n| Number::parse_global(n).ok()),
    }
}
