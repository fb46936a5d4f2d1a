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
use tokio::signal::unix::{Signal, SignalKind, signal};

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
    let mut signals = Signals::listen()?;
    let folder = Folder::make(options.dir.as_deref(), options.keep)?;
    let stage = Stage::build(&folder, Duration::from_secs(options.seconds)).await?;
    let shown = tokio::select! {
        kept = stage.show(&folder) => kept.map(Some),
        () = signals.next() => Ok(None),
    };
    if options.keep && matches!(shown, Ok(Some(_))) {
        tokio::select! {
            () = keep::run(&stage, &folder) => {}
            // The usual end here, so that the code stays that of the checks.
            () = signals.next() => {}
        }
    }
    stage.scribe.plain("\nStopping.");
    stage.stop().await;
    Ok(match shown? {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => INTERRUPTED.into(),
    })
}

/// Ctrl-C and SIGTERM; listened to from the start, so that none is missed.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
