//! The media side as a shard sees it: ports are bound here, everything else is done by a media worker.
//!
//! What the calls ask for is kept until the facts of the shard's turn are written, and handed over at once then.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axbridge_call::{CallKey, MediaPlane, NoPorts};
use axbridge_media as media;

use crate::ports::Ports;
use crate::worker::{ToWorker, WorkerHandle};

/// A shard's way to the media workers.
pub struct Plane {
    shard: usize,
    ports: Arc<Ports>,
    /// (ours, the world's)
    advertised: Vec<(IpAddr, IpAddr)>,
    workers: Vec<WorkerHandle>,
    owners: HashMap<CallKey, usize, foldhash::fast::FixedState>,
    pending: Vec<(usize, ToWorker)>,
}

impl Plane {
    /// A plane over workers that other shards use too.
    pub fn new(
        shard: usize,
        ports: Arc<Ports>,
        advertised: Vec<(IpAddr, IpAddr)>,
        workers: Vec<WorkerHandle>,
    ) -> Self {
        Self {
            shard,
            ports,
            advertised,
            workers,
            owners: HashMap::default(),
            pending: Vec::new(),
        }
    }

    /// Hands over what the turn asked for. Waits when a worker is far behind: calls must not outrun their media.
    pub fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let mut woken = vec![false; self.workers.len()];
        for (index, message) in self.pending.drain(..) {
            if let (Some(worker), Some(woken)) = (self.workers.get(index), woken.get_mut(index)) {
                worker.send(message);
                *woken = true;
            }
        }
        for (worker, woken) in self.workers.iter().zip(woken) {
            if woken {
                worker.wake();
            }
        }
    }

    /// Our own address for one that the calls know, which may be how the world sees us, or an address of signalling.
    fn own(&self, ip: IpAddr) -> IpAddr {
        self.advertised
            .iter()
            .find(|(_, world)| *world == ip)
            .map_or_else(|| self.ports.fitting(ip), |(own, _)| *own)
    }

    fn advertise(&self, address: SocketAddr) -> SocketAddr {
        let world = self.advertised.iter().find(|(own, _)| *own == address.ip());
        world.map_or(address, |(_, world)| {
            SocketAddr::new(*world, address.port())
        })
    }

    fn least_loaded(&self) -> usize {
        let loads = self.workers.iter().enumerate();
        loads
            .min_by_key(|(_, worker)| worker.load())
            .map_or(0, |(index, _)| index)
    }
}

impl MediaPlane for Plane {
    fn open(
        &mut self,
        call: CallKey,
        a_local: IpAddr,
        b_local: IpAddr,
    ) -> Result<[SocketAddr; 2], NoPorts> {
        let open = |ip| {
            self.ports.open(self.own(ip)).map_err(|error| {
                metrics::counter!("axbridge_media_ports_exhausted_total").increment(1);
                tracing::warn!(%error, "call refused");
                NoPorts
            })
        };
        let legs = Box::new([open(a_local)?, open(b_local)?]);
        let addresses = [self.advertise(legs[0].local), self.advertise(legs[1].local)];
        let index = self.least_loaded();
        if let Some(worker) = self.workers.get(index) {
            worker.add_load();
        }
        self.owners.insert(call, index);
        self.pending.push((
            index,
            ToWorker::Open {
                shard: self.shard,
                call,
                legs,
            },
        ));
        Ok(addresses)
    }

    fn command(&mut self, call: CallKey, command: media::Command) {
        if let Some(&index) = self.owners.get(&call) {
            let shard = self.shard;
            self.pending.push((
                index,
                ToWorker::Command {
                    shard,
                    call,
                    command: Box::new(command),
                },
            ));
        }
    }

    fn close(&mut self, call: CallKey) {
        if let Some(index) = self.owners.remove(&call) {
            self.pending.push((
                index,
                ToWorker::Close {
                    shard: self.shard,
                    call,
                },
            ));
        }
    }
}
