//! A small pool of read connections. A read runs on a blocking thread and sees the last commit.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::schema;
use crate::error::StoreError;

pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub fn new(path: &Path, count: usize) -> Self {
        Self {
            path: path.to_owned(),
            idle: Mutex::new(Vec::with_capacity(count)),
            permits: Arc::new(Semaphore::new(count)),
        }
    }

    fn connection(&self) -> Result<Connection, StoreError> {
        if let Some(conn) = self.idle.lock().pop() {
            return Ok(conn);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&self.path, flags)?;
        schema::tune(&conn, false)?;
        Ok(conn)
    }

    /// Runs one read on the calling thread.
    pub fn read_blocking<T, E: From<StoreError>>(
        &self,
        op: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let conn = self.connection()?;
        let result = op(&conn);
        let mut idle = self.idle.lock();
        if idle.len() < idle.capacity() {
            idle.push(conn);
        }
        result
    }

    /// Runs one read on a blocking thread; at most as many at once as there are connections.
    pub async fn read<T, E, F>(self: &Arc<Self>, op: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| StoreError::Unavailable("the store is closed".into()))?;
        let this = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let result = this.read_blocking(op);
            drop(permit);
            result
        });
        task.await
            .map_err(|_| StoreError::Unavailable("a read broke off".into()))?
    }
}
