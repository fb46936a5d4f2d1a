//! Texts as PDUs and PDUs as texts.

use std::fmt;

use axbridge_numbering::{Number, NumberRules};
use axbridge_sms::coding::Coding;
use axbridge_sms::header::{self, Place};
use axbridge_sms::receipt::{self, ID_MAX, PartState, Receipt};
use axbridge_sms::split::split_as;
use bytes::BytesMut;
use rusmpp::decode::DecodeWithLength as _;
use rusmpp::encode::{Encode as _, Length as _};
use rusmpp::pdus::{BindTransceiver, DeliverSm, SubmitSm};
use rusmpp::tlvs::{MessageSubmissionRequestTlvValue, Tlv, TlvValue};
use rusmpp::types::{COctetString, OctetString};
use rusmpp::values::{DataCoding, EsmClass, InterfaceVersion, Npi, RegisteredDelivery, Ton};
use rusmpp::{Command, CommandStatus};

use crate::config::{Joining, LinkConfig, ZeroCoding};

/// The shortest PDU: a header.
pub(crate) const PDU_MIN: usize = 16;
/// The longest PDU that is read: `message_payload` may hold 64 KiB.
pub(crate) const PDU_MAX: usize = 70_000;

/// Bits of `esm_class` (§5.2.12).
const TYPE_RECEIPT: u8 = 0x04;
const TYPE_MASK: u8 = 0x3c;
const UDHI: u8 = 0x40;

/// One part that is to be sent. `Debug` shows neither the text nor the numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Submission {
    /// X: the sender that is shown.
    pub shown: Number,
    /// Who is to read it.
    pub receiver: Number,
    /// How it is written.
    pub coding: Coding,
    /// Its octets, without header.
    pub octets: Vec<u8>,
    /// Where it stands in a long text.
    pub place: Option<Place>,
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Submission({:?}, {} octets, {:?})",
            self.coding,
            self.octets.len(),
            self.place
        )
    }
}

/// What an SMSC has brought. `Debug` shows neither the text nor the numbers.
#[derive(Clone, PartialEq, Eq)]
pub enum Came {
    /// A text, or a part of one.
    Text {
        /// Who wrote.
        sender: Number,
        /// X.
        x: Number,
        /// How it is written.
        coding: Coding,
        /// Its octets without header.
        octets: Vec<u8>,
        /// Where it stands in a long text.
        place: Option<Place>,
    },
    /// What became of a part that we have sent.
    Receipt(Receipt),
    /// An acknowledgement of a phone and the like, which concerns nobody here.
    Nothing,
}

impl fmt::Debug for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Came::Text { octets, place, .. } => {
                write!(f, "Text({} octets, {place:?})", octets.len())
            }
            Came::Receipt(receipt) => write!(f, "{receipt:?}"),
            Came::Nothing => f.write_str("Nothing"),
        }
    }
}

/// Octets of a PDU, its length first.
pub(crate) fn encode(command: &Command) -> Vec<u8> {
    let length = command.length() + 4;
    let mut octets = BytesMut::with_capacity(length);
    octets.extend_from_slice(&(length as u32).to_be_bytes());
    octets.resize(length, 0);
    command.encode(&mut octets[4..]);
    octets.to_vec()
}

/// Why a PDU is not read, and what to answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub sequence: u32,
    pub status: CommandStatus,
}

/// Reads one PDU without its length.
pub(crate) fn decode(body: &[u8]) -> Result<Command, Unreadable> {
    let sequence = match body.get(8..12) {
        Some([a, b, c, d]) => u32::from_be_bytes([*a, *b, *c, *d]),
        _ => 0,
    };
    let mut octets = BytesMut::from(body);
    match Command::decode(&mut octets, body.len()) {
        Ok((command, _)) => Ok(command),
        Err(_) => Err(Unreadable {
            sequence,
            status: CommandStatus::EsmeRinvcmdlen,
        }),
    }
}

/// Cuts a text for this SMSC.
pub(crate) fn parts(
    config: &LinkConfig,
    shown: Number,
    receiver: Number,
    text: &str,
    reference: u16,
) -> Vec<Submission> {
    let latin1 = config.zero_coding == ZeroCoding::Latin1;
    let coding = match Coding::for_text(text) {
        Coding::Gsm7 if latin1 && text.chars().any(|c| u32::from(c) > 0xff) => Coding::Ucs2,
        coding => coding,
    };
    let parts = match config.joining {
        Joining::Udh | Joining::Sar => split_as(text, coding).parts,
        Joining::Payload => vec![coding.encode(text)],
    };
    // At most 32.
    let total = parts.len() as u8;
    let submission = |(number, octets)| Submission {
        shown,
        receiver,
        coding,
        octets,
        place: Place::new(reference, total, number).filter(|_| total > 1),
    };
    (1..=total).zip(parts).map(submission).collect()
}

fn text<const MAX: usize>(text: &str) -> Option<COctetString<1, MAX>> {
    let mut octets = text.as_bytes().to_vec();
    octets.push(0);
    COctetString::from_vec(octets).ok()
}

/// The bind. None when a field does not fit, which [`LinkConfig::check`] has made sure of.
pub(crate) fn bind(config: &LinkConfig) -> Option<BindTransceiver> {
    Some(BindTransceiver {
        system_id: text(&config.system_id)?,
        password: text(config.password.reveal())?,
        system_type: text(&config.system_type)?,
        interface_version: InterfaceVersion::from(0x34),
        addr_ton: Ton::from(0),
        addr_npi: Npi::from(0),
        address_range: COctetString::empty(),
    })
}

/// A number as the SMSC wants it.
fn address(config: &LinkConfig, number: Number) -> Option<COctetString<1, 21>> {
    let digits = number.digits();
    let national = digits.strip_prefix(config.country_code.as_str());
    match (config.ton, national) {
        (2, Some(national)) => text(national),
        _ => text(&digits),
    }
}

/// A type of number says how the digits are meant; without one they are read as a trunk would read them.
fn number(config: &LinkConfig, ton: Ton, address: &[u8]) -> Option<Number> {
    let digits = address.strip_suffix(&[0]).unwrap_or(address);
    if u8::from(ton) == 1 {
        let digits = digits.strip_prefix(b"+").unwrap_or(digits);
        return Number::from_digits(digits).ok();
    }
    let rules = NumberRules {
        country_code: config.country_code.clone(),
        ..NumberRules::default()
    };
    rules.normalise(digits).ok()
}

/// The PDU of a part.
pub(crate) fn submit(config: &LinkConfig, part: &Submission) -> Option<SubmitSm> {
    let (ton, npi) = (Ton::from(config.ton), Npi::from(config.npi));
    let mut coding = part.coding.data_coding();
    let mut octets = part.octets.clone();
    if part.coding == Coding::Gsm7 && config.zero_coding == ZeroCoding::Latin1 {
        // What this SMSC calls its default is another alphabet: said outright. It makes septets of it again.
        octets = Coding::Latin1.encode(&Coding::Gsm7.decode(&octets).ok()?);
        coding = Coding::Latin1.data_coding();
    }
    let mut esm_class = 0;
    let mut tlvs: Vec<MessageSubmissionRequestTlvValue> = Vec::new();
    match (part.place, config.joining) {
        (None, _) => {}
        (Some(place), Joining::Udh | Joining::Payload) => {
            esm_class = UDHI;
            octets.splice(0..0, header::write(place));
        }
        (Some(place), Joining::Sar) => tlvs.extend([
            MessageSubmissionRequestTlvValue::SarMsgRefNum(place.reference),
            MessageSubmissionRequestTlvValue::SarTotalSegments(place.total),
            MessageSubmissionRequestTlvValue::SarSegmentSeqnum(place.number),
        ]),
    }
    let short = if octets.len() > 254 {
        let payload = rusmpp::types::AnyOctetString::from_vec(octets);
        tlvs.push(MessageSubmissionRequestTlvValue::MessagePayload(
            payload.into(),
        ));
        OctetString::empty()
    } else {
        OctetString::from_vec(octets).ok()?
    };
    let built = SubmitSm::builder()
        .source_addr_ton(ton)
        .source_addr_npi(npi)
        .source_addr(address(config, part.shown)?)
        .dest_addr_ton(ton)
        .dest_addr_npi(npi)
        .destination_addr(address(config, part.receiver)?)
        .esm_class(EsmClass::from(esm_class))
        .registered_delivery(RegisteredDelivery::from(u8::from(config.receipts)))
        .data_coding(DataCoding::from(coding))
        .short_message(short)
        .tlvs(tlvs)
        .build();
    Some(built)
}

/// What a `deliver_sm` brings, or the status to refuse it with.
pub(crate) fn read(config: &LinkConfig, pdu: &DeliverSm) -> Result<Came, CommandStatus> {
    let esm_class = u8::from(pdu.esm_class);
    let payload = value(pdu.tlvs(), |value| match value {
        TlvValue::MessagePayload(payload) => Some(payload.value.as_ref().to_vec()),
        _ => None,
    });
    let short = pdu.short_message().as_ref();
    let user_data = match payload {
        // §5.3.2.32: one or the other.
        Some(payload) if short.is_empty() => payload,
        _ => short.to_vec(),
    };
    match esm_class & TYPE_MASK {
        0 => {}
        TYPE_RECEIPT => return Ok(receipt_of(pdu, &user_data).map_or(Came::Nothing, Came::Receipt)),
        _ => return Ok(Came::Nothing),
    }
    let sender = number(config, pdu.source_addr_ton, pdu.source_addr.as_ref());
    let x = number(config, pdu.dest_addr_ton, pdu.destination_addr.as_ref());
    let zero_is_latin1 = config.zero_coding == ZeroCoding::Latin1;
    let coding = Coding::from_data_coding(u8::from(pdu.data_coding), zero_is_latin1);
    let (place, octets) = match esm_class & UDHI {
        0 => (sar(pdu.tlvs()), user_data.as_slice()),
        _ => header::read(&user_data).map_err(|_| CommandStatus::EsmeRxPAppn)?,
    };
    Ok(Came::Text {
        sender: sender.ok_or(CommandStatus::EsmeRinvsrcadr)?,
        x: x.ok_or(CommandStatus::EsmeRinvdstadr)?,
        coding: coding.map_err(|_| CommandStatus::EsmeRxPAppn)?,
        octets: octets.to_vec(),
        place: place.filter(|place| place.total > 1),
    })
}

fn value<T>(tlvs: &[Tlv], pick: impl Fn(&TlvValue) -> Option<T>) -> Option<T> {
    tlvs.iter().filter_map(Tlv::value).find_map(pick)
}

fn sar(tlvs: &[Tlv]) -> Option<Place> {
    let reference = value(tlvs, |value| match value {
        TlvValue::SarMsgRefNum(n) => Some(*n),
        _ => None,
    })?;
    let total = value(tlvs, |value| match value {
        TlvValue::SarTotalSegments(n) => Some(*n),
        _ => None,
    })?;
    let number = value(tlvs, |value| match value {
        TlvValue::SarSegmentSeqnum(n) => Some(*n),
        _ => None,
    })?;
    Place::new(reference, total, number)
}

/// The parameters go before the words of the text.
fn receipt_of(pdu: &DeliverSm, text: &[u8]) -> Option<Receipt> {
    let id = value(pdu.tlvs(), |value| match value {
        TlvValue::ReceiptedMessageId(id) => message_id(id.as_ref()),
        _ => None,
    });
    let state = value(pdu.tlvs(), |value| match value {
        TlvValue::MessageState(state) => Some(PartState::from_message_state(u8::from(*state))),
        _ => None,
    });
    let read = receipt::read_text(text);
    Some(Receipt {
        id: id.or_else(|| read.as_ref().map(|r| r.id.clone()))?,
        state: state.or_else(|| read.map(|r| r.state))?,
    })
}

/// A `message_id` without its final zero.
pub(crate) fn message_id(octets: &[u8]) -> Option<String> {
    let octets = octets.strip_suffix(&[0]).unwrap_or(octets);
    let id = String::from_utf8(octets.to_vec()).ok()?;
    (!id.is_empty() && id.len() <= ID_MAX).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> LinkConfig {
        LinkConfig::new("smsc", "192.0.2.1", 2775, "axbridge")
    }

    fn part() -> Submission {
        Submission {
            shown: Number::parse_global("+8617000000001").expect("number"),
            receiver: Number::parse_global("+8613900000002").expect("number"),
            coding: Coding::Gsm7,
            octets: b"hi".to_vec(),
            place: Place::new(0x1234, 2, 1),
        }
    }

    fn round(command: &Command) -> Command {
        let octets = encode(command);
        assert_eq!(
            octets.len(),
            u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]]) as usize
        );
        decode(&octets[4..]).expect("ours")
    }

    #[test]
    fn a_part_on_the_wire() {
        let pdu = submit(&config(), &part()).expect("written");
        let octets = encode(&Command::new(CommandStatus::EsmeRok, 7, pdu));
        let expected = [
            &[0, 0, 0, 76, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 7, 0, 1, 1][..],
            b"8617000000001\0",
            &[1, 1],
            b"8613900000002\0",
            &[0x40, 0, 0, 0, 0, 1, 0, 0, 0, 8, 5, 0, 3, 0x34, 2, 1],
            b"hi",
        ]
        .concat();
        let expected = [&(expected.len() as u32).to_be_bytes()[..], &expected[4..]].concat();
        assert_eq!(octets, expected);
    }

    #[test]
    fn other_ways_of_joining_and_writing() {
        let mut config = config();
        config.joining = Joining::Sar;
        config.ton = 2;
        let pdu = submit(&config, &part()).expect("written");
        assert_eq!(pdu.destination_addr.as_ref(), b"13900000002\0");
        assert_eq!(
            (pdu.short_message().as_ref(), sar(pdu.tlvs())),
            (&b"hi"[..], Place::new(0x1234, 2, 1))
        );
        config.zero_coding = ZeroCoding::Latin1;
        let mut written = part();
        written.octets = Coding::Gsm7.encode("ä");
        let pdu = submit(&config, &written).expect("written");
        assert_eq!(
            (u8::from(pdu.data_coding), pdu.short_message().as_ref()),
            (3, &[0xe4][..])
        );
        let codings = |text: &str| {
            let parts = parts(&config, written.shown, written.receiver, text, 7);
            parts.iter().map(|part| part.coding).collect::<Vec<_>>()
        };
        assert_eq!(codings("ä"), [Coding::Gsm7]);
        assert_eq!(codings("Δ"), [Coding::Ucs2]);
        written.octets = vec![b'a'; 300];
        written.place = None;
        let pdu = submit(&config, &written).expect("written");
        assert!(pdu.short_message().as_ref().is_empty() && pdu.tlvs().len() == 1);
    }

    fn delivered(build: impl FnOnce(&mut DeliverSm)) -> Result<Came, CommandStatus> {
        let mut pdu = DeliverSm::builder()
            .esm_class(EsmClass::from(0))
            .source_addr_ton(Ton::from(1))
            .source_addr(COctetString::from_slice(b"8613900000001\0").expect("fits"))
            .dest_addr_ton(Ton::from(0))
            .destination_addr(COctetString::from_slice(b"17000000001\0").expect("fits"))
            .short_message(OctetString::from_slice(b"hi").expect("fits"))
            .build();
        build(&mut pdu);
        let command = round(&Command::new(CommandStatus::EsmeRok, 1, pdu));
        let Some(rusmpp::Pdu::DeliverSm(pdu)) = command.pdu() else {
            panic!("deliver_sm")
        };
        read(&config(), pdu)
    }

    #[test]
    fn a_text_that_came() {
        let Ok(Came::Text {
            sender,
            x,
            coding,
            octets,
            place,
        }) = delivered(|_| {})
        else {
            panic!("text")
        };
        assert_eq!(sender.to_global(), "+8613900000001");
        assert_eq!(x.to_global(), "+8617000000001");
        assert_eq!(
            (coding, octets.as_slice(), place),
            (Coding::Gsm7, &b"hi"[..], None)
        );
        let payload = delivered(|pdu| {
            pdu.set_short_message(OctetString::empty());
            let payload = rusmpp::types::AnyOctetString::from_vec(vec![b'x'; 1_000]);
            pdu.push_tlv(
                rusmpp::tlvs::MessageDeliveryRequestTlvValue::MessagePayload(payload.into()),
            );
        });
        assert!(matches!(payload, Ok(Came::Text { octets, .. }) if octets.len() == 1_000));
    }

    #[test]
    fn parts_and_refusals() {
        let udh = delivered(|pdu| {
            pdu.esm_class = EsmClass::from(UDHI);
            pdu.set_short_message(
                OctetString::from_slice(&[5, 0, 3, 9, 2, 1, b'h']).expect("fits"),
            );
        });
        assert!(
            matches!(udh, Ok(Came::Text { place, octets, .. }) if place == Place::new(9, 2, 1) && octets == b"h")
        );
        let cut_off = delivered(|pdu| {
            pdu.esm_class = EsmClass::from(UDHI);
            pdu.set_short_message(OctetString::from_slice(&[9, 0]).expect("fits"));
        });
        assert_eq!(cut_off, Err(CommandStatus::EsmeRxPAppn));
        let binary = delivered(|pdu| pdu.data_coding = DataCoding::from(4));
        assert_eq!(binary, Err(CommandStatus::EsmeRxPAppn));
        let name =
            delivered(|pdu| pdu.source_addr = COctetString::from_slice(b"BANK\0").expect("fits"));
        assert_eq!(name, Err(CommandStatus::EsmeRinvsrcadr));
    }

    #[test]
    fn receipts_by_parameter_and_by_text() {
        let by_text = delivered(|pdu| {
            pdu.esm_class = EsmClass::from(TYPE_RECEIPT);
            pdu.set_short_message(OctetString::from_slice(b"id:77 stat:DELIVRD").expect("fits"));
        });
        let expected = |id: &str, state| {
            Ok(Came::Receipt(Receipt {
                id: id.into(),
                state,
            }))
        };
        assert_eq!(by_text, expected("77", PartState::Delivered));
        let by_parameter = delivered(|pdu| {
            use rusmpp::tlvs::MessageDeliveryRequestTlvValue as Value;
            pdu.esm_class = EsmClass::from(TYPE_RECEIPT);
            pdu.set_short_message(OctetString::from_slice(b"id:77 stat:DELIVRD").expect("fits"));
            pdu.push_tlv(Value::ReceiptedMessageId(
                COctetString::from_slice(b"4d\0").expect("fits"),
            ));
            pdu.push_tlv(Value::MessageState(rusmpp::values::MessageState::from(5)));
        });
        assert_eq!(by_parameter, expected("4d", PartState::Failed));
        let of_nothing = delivered(|pdu| pdu.esm_class = EsmClass::from(TYPE_RECEIPT));
        assert_eq!(of_nothing, Ok(Came::Nothing));
    }

    #[test]
    fn octets_from_outside_are_an_answer_and_no_panic() {
        assert_eq!(decode(&[]).expect_err("nothing").sequence, 0);
        let cut = [0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1];
        assert_eq!(decode(&cut).expect_err("cut off").sequence, 9);
        let mut random = 1_u32;
        for length in 0..400 {
            let octets: Vec<u8> = (0..length)
                .map(|_| {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (random >> 24) as u8
                })
                .collect();
            let mut deliver = vec![0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1];
            deliver.extend(&octets);
            for body in [&octets, &deliver] {
                if let Ok(command) = decode(body)
                    && let Some(rusmpp::Pdu::DeliverSm(pdu)) = command.pdu()
                {
                    let _ = read(&config(), pdu);
                }
            }
        }
    }
}
