//! Header names that axbridge knows, with their compact forms.

use std::fmt;

macro_rules! names {
    ($($variant:ident = $text:literal $(/ $compact:literal)?),+ $(,)?) => {
        /// A header name. Names are compared without case (RFC 3261 §7.3.1).
        #[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        #[allow(missing_docs)]
        pub enum Name { $($variant),+ }

        impl Name {
            /// Every name known.
            pub const ALL: &'static [Name] = &[$(Name::$variant),+];

            /// The full form, spelled as the RFCs do.
            pub const fn as_str(self) -> &'static str {
                match self { $(Name::$variant => $text),+ }
            }

            /// The one-letter form, if there is one.
            pub const fn compact(self) -> Option<u8> {
                match self { $($(Name::$variant => Some($compact),)?)+ _ => None }
            }
        }
    };
}

names! {
    Via = "Via" / b'v',
    From = "From" / b'f',
    To = "To" / b't',
    CallId = "Call-ID" / b'i',
    CSeq = "CSeq",
    MaxForwards = "Max-Forwards",
    Contact = "Contact" / b'm',
    Route = "Route",
    RecordRoute = "Record-Route",
    ContentType = "Content-Type" / b'c',
    ContentLength = "Content-Length" / b'l',
    ContentEncoding = "Content-Encoding" / b'e',
    ContentDisposition = "Content-Disposition",
    ContentLanguage = "Content-Language",
    MimeVersion = "MIME-Version",
    Accept = "Accept",
    AcceptEncoding = "Accept-Encoding",
    AcceptLanguage = "Accept-Language",
    Allow = "Allow",
    AllowEvents = "Allow-Events" / b'u',
    Supported = "Supported" / b'k',
    Require = "Require",
    ProxyRequire = "Proxy-Require",
    Unsupported = "Unsupported",
    RSeq = "RSeq",
    RAck = "RAck",
    SessionExpires = "Session-Expires" / b'x',
    MinSe = "Min-SE",
    Expires = "Expires",
    MinExpires = "Min-Expires",
    RetryAfter = "Retry-After",
    Reason = "Reason",
    Warning = "Warning",
    UserAgent = "User-Agent",
    Server = "Server",
    Subject = "Subject" / b's',
    Date = "Date",
    Timestamp = "Timestamp",
    Organization = "Organization",
    Priority = "Priority",
    CallInfo = "Call-Info",
    AlertInfo = "Alert-Info",
    ErrorInfo = "Error-Info",
    InReplyTo = "In-Reply-To",
    ReplyTo = "Reply-To",
    Authorization = "Authorization",
    WwwAuthenticate = "WWW-Authenticate",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    AuthenticationInfo = "Authentication-Info",
    PAssertedIdentity = "P-Asserted-Identity",
    PPreferredIdentity = "P-Preferred-Identity",
    PEarlyMedia = "P-Early-Media",
    PAccessNetworkInfo = "P-Access-Network-Info",
    PChargingVector = "P-Charging-Vector",
    PCalledPartyId = "P-Called-Party-ID",
    RemotePartyId = "Remote-Party-ID",
    Privacy = "Privacy",
    Diversion = "Diversion",
    HistoryInfo = "History-Info",
    Identity = "Identity" / b'y',
    ReferTo = "Refer-To" / b'r',
    ReferredBy = "Referred-By" / b'b',
    Replaces = "Replaces",
    Event = "Event" / b'o',
    SubscriptionState = "Subscription-State",
    RequestDisposition = "Request-Disposition" / b'd',
    AcceptContact = "Accept-Contact" / b'a',
    RejectContact = "Reject-Contact" / b'j',
    Path = "Path",
    ServiceRoute = "Service-Route",
    UserToUser = "User-to-User",
    AnswerMode = "Answer-Mode",
    InfoPackage = "Info-Package",
    RecvInfo = "Recv-Info",
    SipEtag = "SIP-ETag",
    SipIfMatch = "SIP-If-Match",
}

/// Names by (length, first letter in lower case): few enough in a cell that a lookup compares about one name.
const SLOTS: usize = 1024;
const EMPTY: u8 = u8::MAX;

const fn slot(len: usize, first: u8) -> usize {
    (len.wrapping_mul(32) ^ (first | 0x20) as usize & 31) & (SLOTS - 1)
}

/// Head of the chain of each slot, and the next name of the chain for each name.
static TABLE: ([u8; SLOTS], [u8; 256]) = {
    let mut heads = [EMPTY; SLOTS];
    let mut next = [EMPTY; 256];
    let mut i = Name::ALL.len();
    while i > 0 {
        i -= 1;
        let text = TEXTS[i].as_bytes();
        let s = slot(text.len(), text[0]);
        next[i] = heads[s];
        heads[s] = i as u8;
    }
    (heads, next)
};

/// `Name::as_str` of each name, in `Name::ALL` order, for the table above.
static TEXTS: [&str; Name::ALL.len()] = {
    let mut texts = [""; Name::ALL.len()];
    let mut i = 0;
    while i < texts.len() {
        texts[i] = Name::ALL[i].as_str();
        i += 1;
    }
    texts
};

/// Name of each compact form.
static COMPACT: [u8; 256] = {
    let mut table = [EMPTY; 256];
    let mut i = 0;
    while i < Name::ALL.len() {
        if let Some(letter) = Name::ALL[i].compact() {
            table[letter as usize] = i as u8;
            table[letter.to_ascii_uppercase() as usize] = i as u8;
        }
        i += 1;
    }
    table
};

impl Name {
    /// Finds a name from its full or compact form in any case.
    pub fn from_bytes(text: &[u8]) -> Option<Name> {
        let (&first, rest) = text.split_first()?;
        if rest.is_empty() {
            return Name::ALL
                .get(usize::from(COMPACT[usize::from(first)]))
                .copied();
        }
        let mut at = TABLE.0[slot(text.len(), first)];
        while let Some(&name) = Name::ALL.get(usize::from(at)) {
            let known = TEXTS[usize::from(at)].as_bytes();
            // Nearly everyone writes names as the RFCs do, and plain equality is cheaper.
            if known == text || known.eq_ignore_ascii_case(text) {
                return Some(name);
            }
            at = TABLE.1[usize::from(at)];
        }
        None
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_in_compact_form() {
        for &name in Name::ALL {
            let text = name.as_str();
            assert_eq!(Name::from_bytes(text.as_bytes()), Some(name), "{text}");
            assert_eq!(
                Name::from_bytes(text.to_uppercase().as_bytes()),
                Some(name),
                "{text}"
            );
            assert_eq!(
                Name::from_bytes(text.to_lowercase().as_bytes()),
                Some(name),
                "{text}"
            );
            if let Some(letter) = name.compact() {
                assert_eq!(Name::from_bytes(&[letter]), Some(name));
                assert_eq!(Name::from_bytes(&[letter.to_ascii_uppercase()]), Some(name));
            }
        }
    }

    #[test]
    fn unknown_names_are_not_found() {
        for text in [
            &b""[..],
            b"X-Foo",
            b"Fro",
            b"Fromm",
            b"q",
            b"\xff",
            b"Frod",
            b"\xc6rom",
        ] {
            assert_eq!(Name::from_bytes(text), None, "{text:?}");
        }
    }
}
