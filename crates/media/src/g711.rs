//! G.711: both laws to linear and back, and straight from one law to the other.
//!
//! Linear samples are 16 bit. The arithmetic is that of the ITU-T G.191 reference: A-law is decided on the upper 13 bits,
//! µ-law on the upper 14, so that decoding and encoding again gives the same code. The law-to-law tables are those of
//! G.711 (tables 3 and 4) with the two values of its erratum (µ 80 → A 80, A 80 → µ 80), which are the nearest levels.
//! All tables are computed at compile time: 256 or 65,536 entries, no branch per sample.

/// A-law code of silence (the smallest positive value).
pub const ALAW_SILENCE: u8 = 0xD5;
/// µ-law code of silence (positive zero).
pub const ULAW_SILENCE: u8 = 0xFF;

static ALAW_TO_LINEAR: [i16; 256] = build_decode(true);
static ULAW_TO_LINEAR: [i16; 256] = build_decode(false);
/// Indexed by the sample's upper 13 bits.
static LINEAR_TO_ALAW: [u8; 8192] = build_alaw_encode();
/// Indexed by the sample's upper 14 bits.
static LINEAR_TO_ULAW: [u8; 16384] = build_ulaw_encode();
static ALAW_TO_ULAW: [u8; 256] = build_alaw_to_ulaw();
static ULAW_TO_ALAW: [u8; 256] = build_ulaw_to_alaw();

/// One A-law code as a 16-bit sample.
#[must_use]
#[inline]
pub fn alaw_to_linear(code: u8) -> i16 {
    ALAW_TO_LINEAR[code as usize]
}

/// One µ-law code as a 16-bit sample.
#[must_use]
#[inline]
pub fn ulaw_to_linear(code: u8) -> i16 {
    ULAW_TO_LINEAR[code as usize]
}

/// One 16-bit sample as A-law.
#[must_use]
#[inline]
pub fn linear_to_alaw(sample: i16) -> u8 {
    LINEAR_TO_ALAW[(sample.cast_unsigned() >> 3) as usize]
}

/// One 16-bit sample as µ-law.
#[must_use]
#[inline]
pub fn linear_to_ulaw(sample: i16) -> u8 {
    LINEAR_TO_ULAW[(sample.cast_unsigned() >> 2) as usize]
}

/// One A-law code as µ-law.
#[must_use]
#[inline]
pub fn alaw_to_ulaw(code: u8) -> u8 {
    ALAW_TO_ULAW[code as usize]
}

/// One µ-law code as A-law.
#[must_use]
#[inline]
pub fn ulaw_to_alaw(code: u8) -> u8 {
    ULAW_TO_ALAW[code as usize]
}

/// A payload from A-law to µ-law where it lies.
#[inline]
pub fn alaw_to_ulaw_in_place(payload: &mut [u8]) {
    for code in payload {
        *code = ALAW_TO_ULAW[*code as usize];
    }
}

/// A payload from µ-law to A-law where it lies.
#[inline]
pub fn ulaw_to_alaw_in_place(payload: &mut [u8]) {
    for code in payload {
        *code = ULAW_TO_ALAW[*code as usize];
    }
}

const fn build_decode(alaw: bool) -> [i16; 256] {
    let mut table = [0i16; 256];
    let mut code = 0usize;
    while code < 256 {
        table[code] = if alaw {
            alaw_decode(code as u8)
        } else {
            ulaw_decode(code as u8)
        };
        code += 1;
    }
    table
}

/// On the wire every second bit of A-law is inverted; bit 7 set is positive.
const fn alaw_decode(code: u8) -> i16 {
    let bits = code ^ 0x55;
    let segment = (bits >> 4) & 7;
    let step = (bits & 15) as i16;
    let magnitude = match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 0x108) << (segment - 1),
    };
    if bits & 0x80 != 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// All bits of µ-law are inverted; the bias of 33 (of 8159) makes segments line up.
const fn ulaw_decode(code: u8) -> i16 {
    let bits = !code;
    let magnitude = ((((bits & 15) as i16) << 3) + 0x84) << ((bits >> 4) & 7);
    let magnitude = magnitude - 0x84;
    if bits & 0x80 != 0 {
        -magnitude
    } else {
        magnitude
    }
}

const fn build_alaw_encode() -> [u8; 8192] {
    let mut table = [0u8; 8192];
    let mut index = 0usize;
    while index < table.len() {
        // Back to the sample: the index is the upper 13 bits of its two's complement.
        table[index] = alaw_encode(((index << 3) as u16).cast_signed());
        index += 1;
    }
    table
}

const fn alaw_encode(sample: i16) -> u8 {
    // One's complement, as the reference: -1 and 0 are the two smallest magnitudes.
    let magnitude = (if sample < 0 { !sample } else { sample }) >> 4;
    let mut segment = 0u8;
    let mut rest = magnitude;
    while rest > 31 {
        rest >>= 1;
        segment += 1;
    }
    let bits = if rest > 15 {
        ((segment + 1) << 4) | (rest - 16) as u8
    } else {
        rest as u8
    };
    let sign = if sample < 0 { 0 } else { 0x80 };
    (bits | sign) ^ 0x55
}

const fn build_ulaw_encode() -> [u8; 16384] {
    let mut table = [0u8; 16384];
    let mut index = 0usize;
    while index < table.len() {
        table[index] = ulaw_encode(((index << 2) as u16).cast_signed());
        index += 1;
    }
    table
}

const fn ulaw_encode(sample: i16) -> u8 {
    let magnitude = ((if sample < 0 { !sample } else { sample }) >> 2) + 33;
    let magnitude = if magnitude > 0x1FFF {
        0x1FFF
    } else {
        magnitude
    };
    let mut segment = 0u8;
    while (magnitude >> (segment + 6)) != 0 {
        segment += 1;
    }
    let step = ((magnitude >> (segment + 1)) & 15) as u8;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment << 4) | step)
}

const fn build_alaw_to_ulaw() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut code = 0usize;
    while code < 256 {
        let bits = code as u8 ^ 0x55;
        let ulaw = alaw_level_to_ulaw(bits & 0x7F);
        let sign = if bits & 0x80 != 0 { 0 } else { 0x80 };
        table[code] = !(sign | ulaw);
        code += 1;
    }
    table
}

/// G.711 table 4: A-law magnitude 0..=127 to µ-law magnitude 0..=127.
const fn alaw_level_to_ulaw(a: u8) -> u8 {
    match a {
        0..=7 => 2 * a + 1,
        8..=23 => a + 8,
        24..=31 => 32 + (a - 24) / 2,
        32..=43 => a + 4,
        44..=47 => 48 + (a - 44) / 2,
        48..=61 => a + 2,
        62..=63 => 64,
        64..=79 => a + 1,
        _ => a,
    }
}

const fn build_ulaw_to_alaw() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut code = 0usize;
    while code < 256 {
        let bits = !(code as u8);
        let alaw = ulaw_level_to_alaw(bits & 0x7F);
        let sign = if bits & 0x80 != 0 { 0 } else { 0x80 };
        table[code] = (sign | alaw) ^ 0x55;
        code += 1;
    }
    table
}

/// G.711 table 3: µ-law magnitude 0..=127 to A-law magnitude 0..=127.
const fn ulaw_level_to_alaw(u: u8) -> u8 {
    match u {
        0..=15 => u / 2,
        16..=31 => u - 8,
        32..=35 => 2 * u - 40,
        36..=47 => u - 4,
        48 => 45,
        49..=63 => u - 2,
        64..=79 => u - 1,
        80 => 79,
        _ => u,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points_of_both_laws() {
        assert_eq!(alaw_to_linear(0xD5), 8);
        assert_eq!(alaw_to_linear(0x55), -8);
        assert_eq!(alaw_to_linear(0xAA), 32256);
        assert_eq!(alaw_to_linear(0x2A), -32256);
        assert_eq!(ulaw_to_linear(0xFF), 0);
        assert_eq!(ulaw_to_linear(0x7F), 0);
        assert_eq!(ulaw_to_linear(0x80), 32124);
        assert_eq!(ulaw_to_linear(0x00), -32124);
        assert_eq!(linear_to_alaw(0), ALAW_SILENCE);
        assert_eq!(linear_to_alaw(-1), 0x55);
        assert_eq!(linear_to_ulaw(0), ULAW_SILENCE);
        assert_eq!(linear_to_ulaw(-1), 0x7F);
        assert_eq!(linear_to_alaw(i16::MAX), 0xAA);
        assert_eq!(linear_to_alaw(i16::MIN), 0x2A);
        assert_eq!(linear_to_ulaw(i16::MAX), 0x80);
        assert_eq!(linear_to_ulaw(i16::MIN), 0x00);
    }

    #[test]
    fn decoding_and_encoding_again_is_the_same_code() {
        for code in 0..=255u8 {
            assert_eq!(linear_to_alaw(alaw_to_linear(code)), code, "A {code:02x}");
            // µ-law has two zeros; minus zero comes back as plus zero.
            let again = if code == 0x7F { 0xFF } else { code };
            assert_eq!(linear_to_ulaw(ulaw_to_linear(code)), again, "u {code:02x}");
        }
    }

    #[test]
    fn encoding_takes_the_nearest_step_within_its_half_width() {
        for sample in i16::MIN..=i16::MAX {
            let wide = i32::from(sample);
            let a_error = (i32::from(alaw_to_linear(linear_to_alaw(sample))) - wide).abs();
            let u_error = (i32::from(ulaw_to_linear(linear_to_ulaw(sample))) - wide).abs();
            let magnitude = wide.abs();
            assert!(a_error <= (magnitude / 32).max(8) + 16 || magnitude > 32256);
            assert!(u_error <= (magnitude + 132) / 32 + 8 || magnitude > 32124);
        }
    }

    #[test]
    fn law_to_law_keeps_the_sign_and_is_never_more_than_a_step_away() {
        for code in 0..=255u8 {
            let a = i32::from(alaw_to_linear(code));
            let u = i32::from(ulaw_to_linear(alaw_to_ulaw(code)));
            assert!(a.signum() * u.signum() > 0, "{code:02x}: {a} {u}");
            assert!((a - u).abs() <= a.abs() / 31 + 8, "{code:02x}: {a} {u}");
            let u = i32::from(ulaw_to_linear(code));
            let a = i32::from(alaw_to_linear(ulaw_to_alaw(code)));
            assert!((a - u).abs() <= u.abs() / 32 + 8, "{code:02x}: {u} {a}");
        }
    }

    #[test]
    fn law_to_law_is_monotonic() {
        let rising = |level: fn(u8) -> u8| (1..128u8).all(|n| level(n) >= level(n - 1));
        assert!(rising(alaw_level_to_ulaw));
        assert!(rising(ulaw_level_to_alaw));
    }

    #[test]
    fn there_and_back_differs_only_where_the_tables_merge_two_levels() {
        let a_changed: Vec<u8> = (0..128)
            .filter(|&a| ulaw_level_to_alaw(alaw_level_to_ulaw(a)) != a)
            .collect();
        assert_eq!(a_changed, [25, 27, 29, 31, 44, 46, 62, 80]);
        let u_changed: Vec<u8> = (0..128)
            .filter(|&u| alaw_level_to_ulaw(ulaw_level_to_alaw(u)) != u)
            .collect();
        assert_eq!(u_changed, [0, 2, 4, 6, 8, 10, 12, 14]);
    }

    #[test]
    fn in_place_equals_one_by_one() {
        let mut payload: Vec<u8> = (0..=255).collect();
        alaw_to_ulaw_in_place(&mut payload);
        assert!((0..=255u8).all(|c| payload[c as usize] == alaw_to_ulaw(c)));
        let mut payload: Vec<u8> = (0..=255).collect();
        ulaw_to_alaw_in_place(&mut payload);
        assert!((0..=255u8).all(|c| payload[c as usize] == ulaw_to_alaw(c)));
    }
}
