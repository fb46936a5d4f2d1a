//! `axbridge demo`: the platform on loopback between two simulated carriers, one real call through it, and at the end a
//! list of what was promised and what was measured.

mod aksk;
mod audio;
mod checks;
mod client;
mod folder;
mod hearing;
mod hook;
mod identity;
mod keep;
mod phone;
mod provision;
mod recording;
mod scribe;
mod stage;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

use folder::Folder;
use stage::Stage;

/// Exit code after a Ctrl-C before the checks.
const INTERRUPTED: u8 = 130;

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Leave the platform and the phones running afterwards, to play with.
    #[arg(long)]
    keep: bool,
    /// Keep the data in this folder, which must be empty.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// How long the call may last, in seconds; it is warned at half of it.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(8..=600))]
    seconds: u64,
}

/// Runs the demo; success means that every check held.
pub fn run(options: &Options) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .thread_name("axbridge-demo")
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let code = runtime.block_on(perform(options));
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

async fn perform(options: &Options) -> Result<ExitCode> {
    let folder = Folder::make(options.dir.as_deref(), options.keep)?;
    let stage = Stage::build(&folder, Duration::from_secs(options.seconds)).await?;
    let result = tokio::select! {
        shown = act(&stage, &folder, options.keep) => shown,
        signal = interrupted() => signal.map(|()| INTERRUPTED.into()),
    };
    stage.scribe.plain("\nStopping.");
    stage.stop().await;
    result
}

async fn act(stage: &Stage, folder: &Folder, keep: bool) -> Result<ExitCode> {
    let code = match stage.show(folder).await? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    };
    if keep {
        tokio::select! {
            () = keep::run(stage, folder) => {}
            // The usual end here, so that the code is that of the checks.
            signal = interrupted() => signal?,
        }
    }
    Ok(code)
}

/// Ctrl-C or SIGTERM.
async fn interrupted() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
