//! Who is connected, and who has to go when there is no room for one more.
//!
//! A connection that sends nothing costs an attacker nothing, and ten thousand addresses that each hold one cannot be
//! told from clients by any limit on an address. So there is room for a fixed number, and who comes when it is full
//! takes the place of one that waits: that is silent, idle, or has not finished its handshake or its head. Of these
//! the address that holds most of them loses its oldest. A request that is being answered is not cut; only where all
//! are, those go that have taken longer than [`ANSWER_MAX`], such as readers that do not read.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hyper::body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// An answer that takes longer can be cut when there is no room.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// The connections of a listener.
#[derive(Debug)]
pub(super) struct Crowd {
    slots: Arc<Semaphore>,
    all: u32,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    next: u64,
    by_id: HashMap<u64, Member>,
    by_address: HashMap<IpAddr, Arc<AtomicUsize>>,
}

#[derive(Debug)]
struct Member {
    address: IpAddr,
    /// How many connections its address holds.
    of_address: Arc<AtomicUsize>,
    /// It is being answered.
    busy: bool,
    since: Instant,
    go: Arc<Notify>,
}

/// A place in the crowd; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    id: u64,
    go: Arc<Notify>,
    _slot: OwnedSemaphorePermit,
}

impl Crowd {
    pub fn new(room: usize) -> Arc<Crowd> {
        let room = room.clamp(1, 1 << 20);
        Arc::new(Crowd {
            slots: Arc::new(Semaphore::new(room)),
            all: u32::try_from(room).unwrap_or(1 << 20),
            members: Mutex::default(),
        })
    }

    /// A place for a connection from this address; somebody else's, if there is none.
    pub async fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut slot = Arc::clone(&self.slots).try_acquire_owned().ok();
        while slot.is_none() {
            self.make_room();
            // Whom was told to go has gone in no time. Where nobody could be, look again soon.
            let freed = Arc::clone(&self.slots).acquire_owned();
            slot = match tokio::time::timeout(Duration::from_millis(20), freed).await {
                Ok(freed) => Some(freed.ok()?),
                Err(_) => None,
            };
        }
        let address = line_of(address);
        let mut members = self.members.lock();
        let of_address = Arc::clone(members.by_address.entry(address).or_default());
        of_address.fetch_add(1, Ordering::Relaxed);
        let id = members.next;
        members.next += 1;
        let go = Arc::new(Notify::new());
        let member = Member {
            address,
            of_address,
            busy: false,
            since: Instant::now(),
            go: Arc::clone(&go),
        };
        members.by_id.insert(id, member);
        Some(Place {
            crowd: Arc::clone(self),
            id,
            go,
            _slot: slot?,
        })
    }

    /// Waits until everybody has gone.
    pub async fn empty(&self) {
        let _ = self.slots.acquire_many(self.all).await;
    }

    /// Tells one to go.
    fn make_room(&self) {
        let now = Instant::now();
        let mut members = self.members.lock();
        let may_go = |m: &Member| !m.busy || now.saturating_duration_since(m.since) > ANSWER_MAX;
        let victim = members
            .by_id
            .iter()
            .filter(|(_, m)| may_go(m))
            .max_by_key(|(_, m)| {
                let age = now.saturating_duration_since(m.since);
                (!m.busy, m.of_address.load(Ordering::Relaxed), age)
            })
            .map(|(id, _)| *id);
        if let Some(member) = victim.and_then(|id| members.leave(id)) {
            metrics::counter!("axbridge_api_connections_shed_total").increment(1);
            member.go.notify_one();
        }
    }

    fn set_busy(&self, id: u64, busy: bool) {
        if let Some(member) = self.members.lock().by_id.get_mut(&id) {
            member.busy = busy;
            member.since = Instant::now();
        }
    }

    /// Addresses and connections that are known: bounded by the room.
    #[cfg(test)]
    fn held(&self) -> (usize, usize) {
        let members = self.members.lock();
        (members.by_address.len(), members.by_id.len())
    }
}

impl Members {
    /// It counts no more, whether it has gone yet or not.
    fn leave(&mut self, id: u64) -> Option<Member> {
        let member = self.by_id.remove(&id)?;
        if member.of_address.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.by_address.remove(&member.address);
        }
        Some(member)
    }
}

impl Place {
    /// Ready when the place is needed for another.
    pub async fn told_to_go(&self) {
        self.go.notified().await;
    }

    /// A request has come; the answer's body carries what is returned, and with its end the connection waits again.
    pub fn busy(&self) -> Busy {
        self.crowd.set_busy(self.id, true);
        Busy {
            crowd: Arc::clone(&self.crowd),
            id: self.id,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.members.lock().leave(self.id);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Busy {
    crowd: Arc<Crowd>,
    id: u64,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.crowd.set_busy(self.id, false);
    }
}

/// A body until whose end its connection is busy.
pub(super) struct BusyBody<B> {
    pub inner: B,
    /// Held for its end.
    pub _busy: Busy,
}

impl<B: Body + Unpin> Body for BusyBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Whose connections are counted together: an IPv4 address, or the /64 of an IPv6 one.
fn line_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(n: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n))
    }

    async fn enter(crowd: &Arc<Crowd>, n: u32) -> Place {
        crowd.enter(v4(n)).await.unwrap()
    }

    /// Serves a place until it is told to go.
    fn sit(place: Place) -> tokio::task::JoinHandle<()> {
        tokio::spawn(async move { place.told_to_go().await })
    }

    /// It has been told to go, and has gone.
    async fn gone(seat: tokio::task::JoinHandle<()>) {
        tokio::time::timeout(Duration::from_secs(5), seat)
            .await
            .expect("somebody else went")
            .unwrap();
    }

    #[tokio::test]
    async fn the_address_with_most_connections_loses_its_oldest() {
        let crowd = Crowd::new(4);
        let one = sit(enter(&crowd, 1).await);
        let mut greedy = Vec::new();
        for _ in 0..3 {
            greedy.push(sit(enter(&crowd, 2).await));
        }
        let _new = enter(&crowd, 3).await;
        gone(greedy.remove(0)).await;
        assert!(!one.is_finished() && greedy.iter().all(|g| !g.is_finished()));
        assert_eq!(crowd.held(), (3, 4));
    }

    #[tokio::test]
    async fn who_is_being_answered_stays() {
        let crowd = Crowd::new(2);
        let answered = enter(&crowd, 1).await;
        let busy = answered.busy();
        let silent = sit(enter(&crowd, 2).await);
        let third = enter(&crowd, 3).await;
        gone(silent).await;
        // Both are busy now: nobody goes before one is done.
        let also = third.busy();
        let waiting = tokio::spawn({
            let crowd = Arc::clone(&crowd);
            async move { crowd.enter(v4(4)).await.is_some() }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!waiting.is_finished());
        drop(busy);
        let answered = sit(answered);
        assert!(waiting.await.unwrap());
        gone(answered).await;
        drop(also);
    }

    #[tokio::test]
    async fn a_flood_from_many_addresses_leaves_no_trace() {
        let crowd = Crowd::new(64);
        let mut seats = Vec::new();
        for n in 0..20_000 {
            seats.push(sit(enter(&crowd, n).await));
            let (addresses, members) = crowd.held();
            assert!(addresses <= 64 && members <= 64);
        }
        let gone = seats.iter().filter(|s| s.is_finished()).count();
        assert!(gone >= 20_000 - 65, "{gone}");
        for seat in seats {
            seat.abort();
            let _ = seat.await;
        }
        crowd.empty().await;
        assert_eq!(crowd.held(), (0, 0));
    }
}
