//! Prometheus.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use axbridge_store::Store;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;

/// Installs the recorder where metrics are wanted. Once in a process.
pub fn install(config: &Config) -> Result<Option<PrometheusHandle>> {
    if config.metrics.listen.is_none() {
        return Ok(None);
    }
    Ok(Some(
        PrometheusBuilder::new()
            .install_recorder()
            .context("metrics")?,
    ))
}

/// Serves `/metrics`.
pub async fn serve(
    handle: PrometheusHandle,
    listen: SocketAddr,
    store: Store,
    mut stopped: watch::Receiver<bool>,
) -> Result<(SocketAddr, JoinHandle<()>)> {
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("[metrics] listen = \"{listen}\""))?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/metrics", get(page))
        .with_state((handle, store));
    let config = axbridge_api::ServeConfig::default();
    let task = tokio::spawn(axbridge_api::serve(listener, router, config, async move {
        let _ = stopped.wait_for(|s| *s).await;
    }));
    Ok((address, task))
}

async fn page(State((handle, store)): State<(PrometheusHandle, Store)>) -> String {
    metrics::gauge!("axbridge_journal_backlog_bytes").set(store.journal_backlog() as f64);
    handle.render()
}
