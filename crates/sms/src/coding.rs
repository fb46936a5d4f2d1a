//! The alphabets of short messages: GSM 7-bit with its extension table, UCS-2, Latin-1 (3GPP TS 23.038; SMPP 3.4
//! §5.2.19). In SMPP each septet of the GSM alphabet takes a whole octet.

use crate::text::TextError;

/// How the octets of a part are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// GSM 7-bit default alphabet with its extension table, one septet in each octet.
    Gsm7,
    /// ISO 8859-1; ASCII is part of it.
    Latin1,
    /// Big-endian UTF-16, of which UCS-2 is the older part.
    Ucs2,
}

impl Coding {
    /// The coding that a `data_coding` names. `default_is_latin1`: what the SMSC means by 0.
    pub fn from_data_coding(value: u8, default_is_latin1: bool) -> Result<Coding, TextError> {
        let default = match default_is_latin1 {
            true => Coding::Latin1,
            false => Coding::Gsm7,
        };
        match value {
            0x00 => Ok(default),
            0x01 | 0x03 => Ok(Coding::Latin1),
            0x08 => Ok(Coding::Ucs2),
            // Message class: bit 2 says 8-bit data.
            0xf0..=0xff if value & 0x04 == 0 => Ok(Coding::Gsm7),
            // Message waiting: discard or store in the default alphabet, store in UCS-2.
            0xc0..=0xdf => Ok(Coding::Gsm7),
            0xe0..=0xef => Ok(Coding::Ucs2),
            // The general groups of 23.038 above what SMPP has taken for itself, uncompressed only.
            0x10..=0x1f if value & 0x0c == 0 => Ok(Coding::Gsm7),
            0x10..=0x1f if value & 0x0c == 0x08 => Ok(Coding::Ucs2),
            _ => Err(TextError::Coding(value)),
        }
    }

    /// The `data_coding` that names it.
    pub fn data_coding(self) -> u8 {
        match self {
            Coding::Gsm7 => 0x00,
            Coding::Latin1 => 0x03,
            Coding::Ucs2 => 0x08,
        }
    }

    /// The narrowest coding in which all of `text` can be written: GSM 7-bit or UCS-2.
    pub fn for_text(text: &str) -> Coding {
        match text.chars().all(|c| gsm_septets(c).is_some()) {
            true => Coding::Gsm7,
            false => Coding::Ucs2,
        }
    }

    /// Octets as text.
    pub fn decode(self, octets: &[u8]) -> Result<String, TextError> {
        match self {
            Coding::Gsm7 => decode_gsm(octets),
            Coding::Latin1 => Ok(octets.iter().map(|octet| char::from(*octet)).collect()),
            Coding::Ucs2 => decode_ucs2(octets),
        }
    }

    /// Text as octets; what the alphabet lacks becomes `?`.
    pub fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Coding::Gsm7 => text.chars().flat_map(gsm_octets).collect(),
            Coding::Latin1 => text
                .chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
                .collect(),
            Coding::Ucs2 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        }
    }

    /// How many octets this character takes, in UCS-2 and Latin-1; septets in GSM 7-bit.
    pub fn cost(self, c: char) -> usize {
        match self {
            Coding::Gsm7 => gsm_septets(c).unwrap_or(1),
            Coding::Latin1 => 1,
            Coding::Ucs2 => 2 * c.len_utf16(),
        }
    }
}

const ESCAPE: u8 = 0x1b;

/// The default alphabet; the place of the escape holds a character that stands nowhere.
const GSM: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', 'Δ', '_',
    'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\0', 'Æ', 'æ', 'ß', 'É', ' ', '!', '"', '#', '¤',
    '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/', '0', '1', '2', '3', '4', '5', '6', '7',
    '8', '9', ':', ';', '<', '=', '>', '?', '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J',
    'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ',
    'Ü', '§', '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p',
    'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// What stands behind an escape.
const EXTENSION: [(u8, char); 10] = [
    (0x0a, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2f, '\\'),
    (0x3c, '['),
    (0x3d, '~'),
    (0x3e, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

fn gsm_place(c: char) -> Option<u8> {
    if c == '\0' {
        return None;
    }
    let place = GSM.iter().position(|g| *g == c)?;
    u8::try_from(place).ok()
}

fn extension_place(c: char) -> Option<u8> {
    let found = EXTENSION.iter().find(|(_, e)| *e == c)?;
    Some(found.0)
}

/// Septets of a character; none when the alphabet lacks it.
fn gsm_septets(c: char) -> Option<usize> {
    if gsm_place(c).is_some() {
        return Some(1);
    }
    extension_place(c).map(|_| 2)
}

fn gsm_octets(c: char) -> impl Iterator<Item = u8> {
    let (escape, place) = match (gsm_place(c), extension_place(c)) {
        (Some(place), _) => (None, place),
        (None, Some(place)) => (Some(ESCAPE), place),
        (None, None) => (None, b'?'),
    };
    escape.into_iter().chain([place])
}

fn decode_gsm(octets: &[u8]) -> Result<String, TextError> {
    let mut text = String::with_capacity(octets.len());
    let mut escaped = false;
    for octet in octets {
        let place = usize::from(*octet);
        let plain = *GSM.get(place).ok_or(TextError::Garbled)?;
        if std::mem::take(&mut escaped) {
            // An unknown extension shows what stands at its place in the default alphabet (23.038 §6.2.1.1); a
            // second escape is reserved and shows a blank.
            let known = EXTENSION.iter().find(|(at, _)| at == octet);
            text.push(match (known, *octet) {
                (Some((_, c)), _) => *c,
                (None, ESCAPE) => ' ',
                (None, _) => plain,
            });
        } else if *octet == ESCAPE {
            escaped = true;
        } else {
            text.push(plain);
        }
    }
    Ok(text)
}

fn decode_ucs2(octets: &[u8]) -> Result<String, TextError> {
    let (pairs, rest) = octets.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(TextError::Garbled);
    }
    // A single half of a pair becomes the replacement character: a phone would show as much.
    let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
    let chars = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
    Ok(chars.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_octets() {
        assert_eq!(
            Coding::Gsm7.encode("@£Δ ä€["),
            [0, 1, 0x10, 0x20, 0x7b, 0x1b, 0x65, 0x1b, 0x3c]
        );
        assert_eq!(Coding::Ucs2.encode("汉"), [0x6c, 0x49]);
        assert_eq!(Coding::Gsm7.encode("汉"), [b'?']);
        assert_eq!(
            Coding::Gsm7
                .decode(&[0x1b, 0x65, 0x1b, 0x41, 0x1b, 0x1b, 0x1b])
                .as_deref(),
            Ok("€A ")
        );
        assert_eq!(Coding::Gsm7.decode(&[0x80]), Err(TextError::Garbled));
        assert_eq!(Coding::Ucs2.decode(&[0x6c]), Err(TextError::Garbled));
        assert_eq!(
            Coding::Ucs2.decode(&[0xd8, 0x3d]).as_deref(),
            Ok("\u{fffd}")
        );
    }

    #[test]
    fn the_narrowest_coding() {
        assert_eq!(Coding::for_text("on my way [€5]"), Coding::Gsm7);
        assert_eq!(Coding::for_text("mañana ê"), Coding::Ucs2);
        assert_eq!(Coding::for_text("nul \0"), Coding::Ucs2);
    }

    #[test]
    fn data_codings() {
        let read = |value| Coding::from_data_coding(value, false);
        assert_eq!(read(0), Ok(Coding::Gsm7));
        assert_eq!(Coding::from_data_coding(0, true), Ok(Coding::Latin1));
        assert_eq!(read(0x08), Ok(Coding::Ucs2));
        assert_eq!(read(0xf1), Ok(Coding::Gsm7));
        assert_eq!(read(0x18), Ok(Coding::Ucs2));
        for binary in [0x02, 0x04, 0xf5, 0x14, 0x05] {
            assert_eq!(read(binary), Err(TextError::Coding(binary)));
        }
        for coding in [Coding::Gsm7, Coding::Latin1, Coding::Ucs2] {
            assert_eq!(read(coding.data_coding()), Ok(coding));
        }
    }
}
