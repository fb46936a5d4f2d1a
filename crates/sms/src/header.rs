//! The user data header that joins the parts of a long text (3GPP TS 23.040 §9.2.3.24.1 and .8).

/// Where a part stands in a long text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Tells the texts of one sender to one receiver apart.
    pub reference: u16,
    /// How many parts there are, at least 1.
    pub total: u8,
    /// Which one this is, from 1.
    pub number: u8,
}

impl Place {
    /// A place that can be: `1 <= number <= total`.
    pub fn new(reference: u16, total: u8, number: u8) -> Option<Place> {
        (number >= 1 && number <= total).then_some(Place {
            reference,
            total,
            number,
        })
    }
}

/// Why a user data header is not read. The text behind it is not shown to anybody then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Longer than the part, or an element is longer than the header.
    #[error("the user data header is cut off")]
    CutOff,
    /// Port addressing, pictures and the like: for a program, not for people.
    #[error("the user data header holds element {0:#04x}, which is not for a text")]
    NotText(u8),
    /// A part that cannot be.
    #[error("the user data header numbers its parts wrongly")]
    Numbering,
}

const CONCATENATED_8: u8 = 0x00;
const CONCATENATED_16: u8 = 0x08;
const PORTS_8: u8 = 0x04;
const PORTS_16: u8 = 0x05;

/// Octets of the header that [`write()`] makes with an 8-bit reference.
pub const LENGTH_8: usize = 6;

/// Takes the header off the user data: what it says of the place, and what is behind it.
pub fn read(user_data: &[u8]) -> Result<(Option<Place>, &[u8]), HeaderError> {
    let (length, rest) = user_data.split_first().ok_or(HeaderError::CutOff)?;
    let (mut elements, text) = rest
        .split_at_checked(usize::from(*length))
        .ok_or(HeaderError::CutOff)?;
    let mut place = None;
    while let [id, length, rest @ ..] = elements {
        let (data, rest) = rest
            .split_at_checked(usize::from(*length))
            .ok_or(HeaderError::CutOff)?;
        let found = match (*id, data) {
            (CONCATENATED_8, [reference, total, number]) => {
                Some((u16::from(*reference), *total, *number))
            }
            (CONCATENATED_16, [high, low, total, number]) => {
                Some((u16::from_be_bytes([*high, *low]), *total, *number))
            }
            (CONCATENATED_8 | CONCATENATED_16, _) => return Err(HeaderError::Numbering),
            (PORTS_8 | PORTS_16, _) => return Err(HeaderError::NotText(*id)),
            // What a phone does not know it leaves out (23.040 §9.2.3.24), and so do we.
            _ => None,
        };
        if let Some((reference, total, number)) = found {
            let found = Place::new(reference, total, number).ok_or(HeaderError::Numbering)?;
            // The last one counts where there are several (23.040 §9.2.3.24).
            place = Some(found);
        }
        elements = rest;
    }
    match elements {
        [] => Ok((place, text)),
        _ => Err(HeaderError::CutOff),
    }
}

/// The header of a part: with an 8-bit reference, which every phone reads.
pub fn write(place: Place) -> [u8; LENGTH_8] {
    [
        LENGTH_8 as u8 - 1,
        CONCATENATED_8,
        3,
        place.reference as u8,
        place.total,
        place.number,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_widths_are_read() {
        let place = Place::new(0xab, 3, 2);
        let eight = [5, 0, 3, 0xab, 3, 2, b'h', b'i'];
        assert_eq!(read(&eight), Ok((place, &b"hi"[..])));
        let sixteen = [6, 8, 4, 0x12, 0xab, 3, 2, b'h'];
        assert_eq!(read(&sixteen), Ok((Place::new(0x12ab, 3, 2), &b"h"[..])));
        // A language table before it, which we do not know, is left out.
        let more = [8, 0x24, 1, 1, 0, 3, 0xab, 3, 2, b'h'];
        assert_eq!(read(&more), Ok((place, &b"h"[..])));
        assert_eq!(read(&[0, b'h']), Ok((None, &b"h"[..])));
    }

    #[test]
    fn what_is_written_is_read() {
        let place = Place::new(7, 2, 1).expect("can be");
        assert_eq!(read(&write(place)), Ok((Some(place), &b""[..])));
    }

    #[test]
    fn wrong_headers_are_refused() {
        assert_eq!(read(&[]), Err(HeaderError::CutOff));
        assert_eq!(read(&[5, 0, 3, 1, 3]), Err(HeaderError::CutOff));
        assert_eq!(read(&[3, 0, 9, 1]), Err(HeaderError::CutOff));
        assert_eq!(read(&[1, 0]), Err(HeaderError::CutOff));
        assert_eq!(read(&[5, 0, 3, 1, 3, 4]), Err(HeaderError::Numbering));
        assert_eq!(read(&[5, 0, 3, 1, 3, 0]), Err(HeaderError::Numbering));
        assert_eq!(read(&[5, 0, 3, 1, 0, 0]), Err(HeaderError::Numbering));
        assert_eq!(read(&[4, 0, 2, 1, 3]), Err(HeaderError::Numbering));
        assert_eq!(read(&[4, 5, 2, 1, 3]), Err(HeaderError::NotText(5)));
    }
}
