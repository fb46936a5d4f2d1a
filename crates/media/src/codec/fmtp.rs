//! `a=fmtp` by allow-list: each key of each known codec with the values it may have, written anew.
//!
//! Masking rests on this: a value is either one of a few fixed words or a number inside a small range, so no
//! telephone number fits into it. What does not fit is left out, never an error: a parameter only limits.

use super::Encoding;

/// What a key's value may be.
enum Allowed {
    /// An integer in the range.
    Number(u32, u32),
    /// Integers from 0 up to the limit, comma separated; written ascending, each once.
    Set(u32),
    /// One of these words.
    Word(&'static [&'static str]),
    /// One bit rate in kbit/s or a range of two, out of the list.
    Rates(&'static [&'static str]),
}

use Allowed::{Number, Rates, Set, Word};

const FLAG: Allowed = Number(0, 1);
const YES_NO: &[&str] = &["yes", "no"];
const EVS_RATES: &[&str] = &[
    "5.9", "7.2", "8", "9.6", "13.2", "16.4", "24.4", "32", "48", "64", "96", "128",
];
const EVS_BANDS: &[&str] = &["nb", "wb", "swb", "fb", "nb-wb", "nb-swb", "nb-fb"];
/// More than any codec has.
const PARAMETERS_MAX: usize = 32;

/// The value rule of a key, and the key as we write it.
fn rule(encoding: Encoding, key: &str) -> Option<(&'static str, Allowed)> {
    let table: &[(&'static str, Allowed)] = match encoding {
        Encoding::Amr => &[
            ("octet-align", FLAG),
            ("mode-set", Set(7)),
            ("mode-change-period", Number(1, 2)),
            ("mode-change-capability", Number(1, 2)),
            ("mode-change-neighbor", FLAG),
            ("max-red", Number(0, 999)),
            ("crc", FLAG),
            ("robust-sorting", FLAG),
        ],
        Encoding::AmrWb => &[
            ("octet-align", FLAG),
            ("mode-set", Set(8)),
            ("mode-change-period", Number(1, 2)),
            ("mode-change-capability", Number(1, 2)),
            ("mode-change-neighbor", FLAG),
            ("max-red", Number(0, 999)),
            ("crc", FLAG),
            ("robust-sorting", FLAG),
        ],
        Encoding::G729 => &[("annexb", Word(YES_NO))],
        Encoding::G723 => &[("annexa", Word(YES_NO))],
        Encoding::Ilbc => &[("mode", Word(&["20", "30"]))],
        Encoding::Opus => &[
            ("maxplaybackrate", Number(8000, 48000)),
            ("sprop-maxcapturerate", Number(8000, 48000)),
            ("maxaveragebitrate", Number(6000, 510_000)),
            ("stereo", FLAG),
            ("sprop-stereo", FLAG),
            ("cbr", FLAG),
            ("useinbandfec", FLAG),
            ("usedtx", FLAG),
        ],
        Encoding::Evs => &[
            ("br", Rates(EVS_RATES)),
            ("br-send", Rates(EVS_RATES)),
            ("br-recv", Rates(EVS_RATES)),
            ("bw", Word(EVS_BANDS)),
            ("bw-send", Word(EVS_BANDS)),
            ("bw-recv", Word(EVS_BANDS)),
            ("evs-mode-switch", FLAG),
            ("hf-only", FLAG),
            ("dtx", FLAG),
            ("dtx-recv", FLAG),
            ("cmr", Word(&["-1", "0", "1"])),
            (
                "ch-aw-recv",
                Word(&["-1", "0", "1", "2", "3", "4", "5", "6", "7"]),
            ),
            ("mode-set", Set(8)),
            ("mode-change-period", Number(1, 2)),
            ("mode-change-capability", Number(1, 2)),
            ("mode-change-neighbor", FLAG),
            ("max-red", Number(0, 999)),
        ],
        Encoding::Speex | Encoding::SpeexWb => &[
            ("vbr", Word(&["on", "off", "vad"])),
            ("cng", Word(&["on", "off"])),
            ("penh", FLAG),
        ],
        _ => &[],
    };
    for (name, allowed) in table {
        if name.eq_ignore_ascii_case(key) {
            let copy = match allowed {
                Number(low, high) => Number(*low, *high),
                Set(high) => Set(*high),
                Word(words) => Word(words),
                Rates(rates) => Rates(rates),
            };
            return Some((name, copy));
        }
    }
    None
}

/// The parameters that may pass, rendered; `None` when nothing is left.
pub(crate) fn sanitise(encoding: Encoding, raw: &str) -> Option<String> {
    let mut out = String::new();
    let mut seen: Vec<&'static str> = Vec::new();
    for parameter in raw.split(';').take(PARAMETERS_MAX) {
        let Some((key, value)) = parameter.split_once('=') else {
            continue;
        };
        let Some((key, allowed)) = rule(encoding, key.trim()) else {
            continue;
        };
        let Some(value) = render(&allowed, value.trim()) else {
            continue;
        };
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        if !out.is_empty() {
            out.push_str("; ");
        }
        out.push_str(key);
        out.push('=');
        out.push_str(&value);
    }
    (!out.is_empty()).then_some(out)
}

fn render(allowed: &Allowed, value: &str) -> Option<String> {
    match allowed {
        Number(low, high) => {
            let n: u32 = value.parse().ok()?;
            (*low..=*high).contains(&n).then(|| n.to_string())
        }
        Set(high) => {
            let mut present = 0u32;
            for item in value.split(',').take(PARAMETERS_MAX) {
                let n: u32 = item.trim().parse().ok()?;
                if n > *high {
                    return None;
                }
                present |= 1 << n;
            }
            let members: Vec<String> = (0..=*high)
                .filter(|n| present & (1 << n) != 0)
                .map(|n| n.to_string())
                .collect();
            Some(members.join(","))
        }
        Word(words) => {
            let word = words.iter().find(|w| w.eq_ignore_ascii_case(value))?;
            Some((*word).to_owned())
        }
        Rates(rates) => {
            let known = |r: &str| rates.iter().find(|k| **k == r);
            match value.split_once('-') {
                None => known(value).map(|r| (*r).to_owned()),
                Some((low, high)) => {
                    Some(format!("{}-{}", known(low.trim())?, known(high.trim())?))
                }
            }
        }
    }
}

/// Do two (already sanitised) parameter lists mean the same packing of bytes?
pub(crate) fn same_packing(encoding: Encoding, a: Option<&str>, b: Option<&str>) -> bool {
    let keys: &[&str] = match encoding {
        Encoding::Amr | Encoding::AmrWb => &["octet-align", "crc", "robust-sorting"],
        Encoding::Evs => &["hf-only"],
        _ => &[],
    };
    keys.iter().all(|key| flag(a, key) == flag(b, key))
}

/// A 0/1 parameter, 0 where absent.
fn flag(fmtp: Option<&str>, key: &str) -> bool {
    fmtp.is_some_and(|text| {
        text.split("; ")
            .filter_map(|p| p.split_once('='))
            .any(|(k, v)| k == key && v == "1")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_parameters_pass_in_our_spelling() {
        let table = [
            (
                Encoding::Amr,
                "Octet-Align=1;mode-set=7,0, 2;max-red=0",
                "octet-align=1; mode-set=0,2,7; max-red=0",
            ),
            (Encoding::G729, "annexb=NO", "annexb=no"),
            (
                Encoding::Evs,
                "br=5.9-24.4; bw=nb-swb; cmr=-1",
                "br=5.9-24.4; bw=nb-swb; cmr=-1",
            ),
            (
                Encoding::Opus,
                "useinbandfec=1;maxplaybackrate=16000",
                "useinbandfec=1; maxplaybackrate=16000",
            ),
            (Encoding::Ilbc, "mode=30", "mode=30"),
        ];
        for (encoding, raw, want) in table {
            assert_eq!(sanitise(encoding, raw).as_deref(), Some(want), "{raw}");
        }
    }

    #[test]
    fn a_number_hidden_in_any_parameter_is_dropped() {
        let hidden = [
            "mode-set=8613900000001",
            "x-owner=8613900000001",
            "8613900000001",
            "octet-align=13900000001",
            "br=8613900000001",
            "br=5.9-13900000001",
            "bw=13900000001",
            "annexb=13900000001",
            "maxaveragebitrate=13900000001",
            "max-red=13900000001",
        ];
        for encoding in [
            Encoding::Amr,
            Encoding::Evs,
            Encoding::G729,
            Encoding::Opus,
            Encoding::Gsm,
        ] {
            for raw in hidden {
                assert_eq!(sanitise(encoding, raw), None, "{encoding:?} {raw}");
            }
        }
    }

    #[test]
    fn a_repeated_key_counts_once() {
        assert_eq!(
            sanitise(Encoding::G729, "annexb=no;annexb=yes").as_deref(),
            Some("annexb=no")
        );
    }
}
