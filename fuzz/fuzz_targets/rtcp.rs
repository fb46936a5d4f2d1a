#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| axbridge_fuzz::rtcp(data));
