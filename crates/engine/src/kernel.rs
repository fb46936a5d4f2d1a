//! The few things the media threads need from the kernel that std does not offer: epoll, eventfd, and
//! taking back a UDP `connect`. The only unsafe code of the workspace; each wrapper is a single system call.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Turns the kernel's "-1 and errno" into an `io::Result`.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Room for the tokens of the sockets found ready by one [`Poller::wait`].
pub struct ReadyList {
    events: Vec<libc::epoll_event>,
}

impl ReadyList {
    /// Room for `capacity` sockets (at least one).
    pub fn with_capacity(capacity: usize) -> Self {
        let empty = libc::epoll_event { events: 0, u64: 0 };
        Self {
            events: vec![empty; capacity.max(1)],
        }
    }

    /// The token at `index`; `index` must be below the count that `wait` returned.
    pub fn token(&self, index: usize) -> u64 {
        self.events.get(index).map_or(u64::MAX, |event| event.u64)
    }

    /// How many tokens fit.
    pub fn capacity(&self) -> usize {
        self.events.len()
    }
}

/// A level-triggered epoll instance: a socket is reported as long as it has something to read.
pub struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    /// A new, empty instance.
    pub fn new() -> io::Result<Self> {
        // SAFETY: epoll_create1 takes no pointer; its result is checked before use.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: fd was just returned by the kernel and nobody else owns it.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { epoll })
    }

    /// Watches `socket` for reading; [`ReadyList::token`] gives `token` back. The watch ends by itself when the
    /// socket is closed (it must not have been duplicated).
    pub fn watch(&self, socket: &impl AsFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: token,
        };
        let fd = socket.as_fd().as_raw_fd();
        // SAFETY: both descriptors are open (borrowed for the call); event outlives the call, which copies it.
        check(unsafe {
            libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event)
        })?;
        Ok(())
    }

    /// Waits until a watched socket is ready or `timeout` has passed (None: for ever) and returns how many tokens
    /// are in `ready`. Whole milliseconds, rounded up, so that a deadline has passed when this returns.
    pub fn wait(&self, ready: &mut ReadyList, timeout: Option<Duration>) -> io::Result<usize> {
        let timeout_ms = timeout.map_or(-1, |wait| {
            let ms = wait.as_nanos().div_ceil(1_000_000);
            libc::c_int::try_from(ms).unwrap_or(libc::c_int::MAX)
        });
        let room = libc::c_int::try_from(ready.events.len()).unwrap_or(libc::c_int::MAX);
        // SAFETY: the pointer and the length describe ready.events, which is borrowed mutably for the call.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                ready.events.as_mut_ptr(),
                room,
                timeout_ms,
            )
        };
        match check(count) {
            Ok(count) => Ok(usize::try_from(count).unwrap_or(0)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// Wakes a thread that sleeps in [`Poller::wait`] from another thread.
pub struct Waker {
    event: OwnedFd,
}

impl Waker {
    /// A new waker; watch it with a [`Poller`].
    pub fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointer; its result is checked before use.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: fd was just returned by the kernel and nobody else owns it.
        let event = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { event })
    }

    /// Makes the descriptor readable. Can only fail when it is readable already, so failure is success.
    pub fn wake(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: the pointer and the length describe `one`, which outlives the call.
        let _ = unsafe { libc::write(self.event.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Takes all wakes so far, so that the descriptor is no longer readable.
    pub fn clear(&self) {
        let mut count = [0u8; 8];
        // SAFETY: the pointer and the length describe `count`, which is borrowed mutably for the call.
        let _ = unsafe {
            libc::read(
                self.event.as_raw_fd(),
                count.as_mut_ptr().cast(),
                count.len(),
            )
        };
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// Undoes a UDP `connect`: the socket takes datagrams from anyone again.
pub fn disconnect(socket: &impl AsFd) -> io::Result<()> {
    let address = libc::sockaddr {
        sa_family: libc::AF_UNSPEC as libc::sa_family_t,
        sa_data: [0; 14],
    };
    let size = size_of::<libc::sockaddr>() as libc::socklen_t;
    // SAFETY: the pointer and the size describe `address`, which outlives the call; the descriptor is open.
    check(unsafe { libc::connect(socket.as_fd().as_raw_fd(), &address, size) })?;
    Ok(())
}

/// Lets the process open as many descriptors as the system allows it (a call takes four) and returns that number.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to `limit`, which is borrowed mutably for the call.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the pointer is to `limit`, which outlives the call.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    }
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::sync::Arc;

    #[test]
    fn a_waker_wakes_a_sleeping_poller_and_can_be_cleared() {
        let poller = Poller::new().unwrap();
        let waker = Arc::new(Waker::new().unwrap());
        poller.watch(&*waker, 7).unwrap();
        let other = Arc::clone(&waker);
        let thread = std::thread::spawn(move || other.wake());
        let mut ready = ReadyList::with_capacity(4);
        assert_eq!(poller.wait(&mut ready, None).unwrap(), 1);
        assert_eq!(ready.token(0), 7);
        thread.join().unwrap();
        waker.clear();
        assert_eq!(poller.wait(&mut ready, Some(Duration::ZERO)).unwrap(), 0);
    }

    #[test]
    fn a_disconnected_socket_hears_strangers_again() {
        // A disconnect keeps the port only where the port was asked for by number.
        let free = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let local = UdpSocket::bind(free).unwrap();
        let friend = UdpSocket::bind("127.0.0.1:0").unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        local.set_nonblocking(true).unwrap();
        local.connect(friend.local_addr().unwrap()).unwrap();
        let to = local.local_addr().unwrap();
        let mut buffer = [0; 16];
        stranger.send_to(b"no", to).unwrap();
        assert!(
            local.recv(&mut buffer).is_err(),
            "the kernel drops a stranger's datagram"
        );
        disconnect(&local).unwrap();
        stranger
            .send_to(b"yes", local.local_addr().unwrap())
            .unwrap();
        local.set_nonblocking(false).unwrap();
        assert_eq!(local.recv(&mut buffer).unwrap(), 3);
    }

    #[test]
    fn waiting_for_part_of_a_millisecond_rounds_up() {
        let poller = Poller::new().unwrap();
        let mut ready = ReadyList::with_capacity(1);
        let start = std::time::Instant::now();
        poller
            .wait(&mut ready, Some(Duration::from_micros(300)))
            .unwrap();
        assert!(start.elapsed() >= Duration::from_micros(300));
    }
}
