//! `axbridge serve`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::platform::Platform;

/// Runs until a signal; a second one ends at once.
pub fn run(config: Config) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("axbridge-api")
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let code = runtime.block_on(serve(config))?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(code)
}

async fn serve(config: Config) -> Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let drain = Duration::from_secs(config.sip.drain_s);
    let platform = Platform::start(config).await?;
    let at = platform.addresses();
    for (transport, address) in &at.sip {
        tracing::info!(transport = transport.as_str(), %address, "SIP");
    }
    tracing::info!(customers = %at.api, operator = %at.admin, metrics = ?at.metrics, "ready");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!(
        patience_s = drain.as_secs(),
        "stopping: new calls are refused, the others may end; a second signal ends at once"
    );
    tokio::select! {
        () = platform.stop(drain) => {
            tracing::info!("stopped");
            Ok(ExitCode::SUCCESS)
        }
        _ = terminate.recv() => Ok(ExitCode::FAILURE),
        _ = interrupt.recv() => Ok(ExitCode::FAILURE),
    }
}
