//! The packet path allocates nothing.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use axbridge_media::{Codec, Side};
use common::{Call, phone, voice};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: hands everything on to the system's allocator unchanged; the counter is a plain thread-local cell without a destructor.
#[allow(unsafe_code, reason = "an allocator can not be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

#[test]
fn relaying_allocates_nothing() {
    for (a, b) in [(Codec::Pcma, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)] {
        let mut call = Call::bridged(a, b);
        let mut packets: Vec<Vec<u8>> = (0..500).map(voice).collect();
        packets.swap(100, 101);
        packets.remove(200);
        let now = call.now;
        let before = allocations();
        let mut relayed = 0;
        for packet in &mut packets {
            relayed += u32::from(
                call.session
                    .rtp(Side::A, now, phone(Side::A), packet)
                    .is_some(),
            );
        }
        // A stranger and noise take the same path.
        relayed += u32::from(
            call.session
                .rtp(Side::A, now, phone(Side::B), &mut [0x80; 172])
                .is_some(),
        );
        relayed += u32::from(
            call.session
                .rtp(Side::A, now, phone(Side::A), &mut [0x80; 3])
                .is_some(),
        );
        assert_eq!(allocations() - before, 0);
        assert_eq!(relayed, 499);
    }
}

#[test]
fn the_counter_counts() {
    let before = allocations();
    let boxed = std::hint::black_box(Box::new(7));
    assert_eq!(allocations() - before, 1);
    drop(boxed);
}
