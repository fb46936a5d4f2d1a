//! Addresses: whose request it is behind proxies, and which ones webhooks may go to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axbridge_call::Network;
use http::HeaderMap;

/// The client's address: the peer's, unless the peer is a configured proxy; then the last hop of `Forwarded` (or, in
/// its absence, `X-Forwarded-For`) that is not itself a configured proxy. Reading stops at the first hop that is not
/// an address: what lies before it could have been written by anyone.
#[must_use]
pub fn client_address(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let trusted = |a: IpAddr| proxies.iter().any(|n| n.contains(a));
    let mut client = peer.to_canonical();
    if !trusted(client) {
        return client;
    }
    let forwarded: Vec<&str> = lines(headers, "forwarded");
    let hops: Vec<Option<IpAddr>> = if forwarded.is_empty() {
        lines(headers, "x-forwarded-for")
            .iter()
            .flat_map(|l| l.split(','))
            .map(hop_address)
            .collect()
    } else {
        forwarded
            .iter()
            .flat_map(|l| l.split(','))
            .map(forwarded_for)
            .collect()
    };
    for hop in hops.into_iter().rev() {
        let Some(hop) = hop else { break };
        client = hop;
        if !trusted(client) {
            break;
        }
    }
    client
}

fn lines<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .collect()
}

/// The `for=` of one element of `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then(|| hop_address(value.trim().trim_matches('"')))?
    })
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`.
fn hop_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('[') {
        return rest
            .split_once(']')?
            .0
            .parse::<Ipv6Addr>()
            .ok()
            .map(|a| IpAddr::V6(a).to_canonical());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    text.rsplit_once(':')?
        .0
        .parse::<Ipv4Addr>()
        .ok()
        .map(IpAddr::V4)
}

/// Whether an address is one of the public Internet: not loopback, link-local, private, shared, multicast, reserved
/// for documentation or tests, nor an IPv4 address of that kind inside an IPv6 transition form.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(a) => is_public_v4(a),
        IpAddr::V6(a) => is_public_v6(a),
    }
}

fn is_public_v4(a: Ipv4Addr) -> bool {
    let [o0, o1, o2, _] = a.octets();
    let special = a.is_loopback()
        || a.is_private()
        || a.is_link_local()
        || a.is_multicast()
        || a.is_documentation()
        || o0 == 0
        || o0 >= 240
        || (o0 == 100 && (64..128).contains(&o1))
        || (o0 == 192 && o1 == 0 && o2 == 0)
        || (o0 == 192 && o1 == 88 && o2 == 99)
        || (o0 == 198 && (o1 == 18 || o1 == 19));
    !special
}

fn is_public_v6(a: Ipv6Addr) -> bool {
    let s = a.segments();
    let embedded = |hi: u16, lo: u16| Ipv4Addr::from_bits((u32::from(hi) << 16) | u32::from(lo));
    // NAT64 and 6to4 lead to the IPv4 address inside.
    if s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return is_public_v4(embedded(s[6], s[7]));
    }
    if s[0] == 0x2002 {
        return is_public_v4(embedded(s[1], s[2]));
    }
    // Only 2000::/3 is assigned for global unicast; inside it 2001::/23 holds Teredo and other special uses, 2001:db8::
    // and 3fff::/20 are for documentation.
    (s[0] & 0xe000) == 0x2000
        && !(s[0] == 0x2001 && s[1] < 0x200)
        && !(s[0] == 0x2001 && s[1] == 0xdb8)
        && !(s[0] == 0x3fff && s[1] < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for v in values {
            map.append(name, http::HeaderValue::from_static(v));
        }
        map
    }

    #[test]
    fn forwarded_headers_count_only_from_a_configured_proxy() {
        let proxies = ["10.0.0.0/8".parse().unwrap()];
        let xff = headers("x-forwarded-for", &["6.6.6.6, 198.51.100.7", "10.9.9.9"]);
        assert_eq!(
            client_address(ip("192.0.2.1"), &xff, &proxies),
            ip("192.0.2.1")
        );
        assert_eq!(
            client_address(ip("10.0.0.1"), &xff, &proxies),
            ip("198.51.100.7")
        );
        let fwd = headers(
            "forwarded",
            &["for=6.6.6.6;proto=https, For=\"[2001:db8::7]:4711\";by=x"],
        );
        assert_eq!(
            client_address(ip("10.0.0.1"), &fwd, &proxies),
            ip("2001:db8::7")
        );
        let rubbish = headers("x-forwarded-for", &["6.6.6.6, unknown"]);
        assert_eq!(
            client_address(ip("10.0.0.1"), &rubbish, &proxies),
            ip("10.0.0.1")
        );
    }

    #[test]
    fn special_addresses_are_not_public() {
        for a in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "::7f00:1",
        ] {
            assert!(!is_public(ip(a)), "{a}");
        }
        for a in [
            "8.8.8.8",
            "2606:4700::1111",
            "64:ff9b::808:808",
            "100.128.0.1",
            "172.32.0.1",
        ] {
            assert!(is_public(ip(a)), "{a}");
        }
    }
}
