//! Our addresses as the world sees them: signalling and media, behind NAT or not, of both families.

use std::net::{IpAddr, SocketAddr};

use super::Config;

impl Config {
    /// The address that stands in Via and Contact for one that we listen on.
    pub fn advertised(&self, listen: SocketAddr) -> Option<SocketAddr> {
        let seen = self
            .sip
            .advertise
            .filter(|ip| same_family(*ip, listen.ip()));
        seen.map(|ip| SocketAddr::new(ip, listen.port()))
    }

    /// Media addresses of ours that the world sees as another: (ours, the world's).
    pub fn media_advertised(&self) -> Vec<(IpAddr, IpAddr)> {
        let ours = self.media.ips.iter().copied();
        let seen = ours.filter_map(|ip| Some((ip, self.world_of_media(ip)?)));
        seen.filter(|(own, world)| own != world).collect()
    }

    /// What a trunk may ask for as its media address.
    pub fn media_addresses(&self) -> Vec<IpAddr> {
        let ours = self.media.ips.iter().copied();
        ours.chain(self.media.advertise_ip).collect()
    }

    fn world_of_media(&self, ip: IpAddr) -> Option<IpAddr> {
        let seen = self.media.advertise_ip;
        seen.filter(|world| same_family(*world, ip))
    }

    /// A key of `[sip]` or `[media]` with which no call could be heard, and what to do about it.
    pub(super) fn check_addresses(&self) -> Result<(), (&'static str, &'static str, String)> {
        for listen in &self.sip.listen {
            let ip = listen.address.ip();
            let world = self.advertised(listen.address).map_or(ip, |a| a.ip());
            if world.is_unspecified() {
                let what = "listening on all addresses needs the address that carriers see, of the same family";
                return Err(("sip", "advertise", what.into()));
            }
            let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
            let mut ours = self.media.ips.iter().filter(|m| same_family(**m, ip));
            let Some(media) = ours.next() else {
                let what =
                    format!("SIP listens on {ip}, and no {family} address is given for media");
                return Err(("media", "ips", what));
            };
            let heard_at = self.world_of_media(*media).unwrap_or(*media);
            if heard_at.is_loopback() && !world.is_loopback() {
                let what = format!(
                    "carriers are told to send SIP to {world} and audio to {heard_at}, which is this machine only: \
                     give an address that they reach, or set advertise_ip"
                );
                return Err(("media", "ips", what));
            }
        }
        if let Some(ip) = self.sip.advertise
            && !self
                .sip
                .listen
                .iter()
                .any(|l| same_family(l.address.ip(), ip))
        {
            let what = format!("nothing in listen has an address of the family of {ip}");
            return Err(("sip", "advertise", what));
        }
        if let Some(ip) = self.media.advertise_ip
            && !self.media.ips.iter().any(|m| same_family(*m, ip))
        {
            let what = format!("nothing in ips has an address of the family of {ip}");
            return Err(("media", "advertise_ip", what));
        }
        let open = self.media.ips.iter().find(|ip| ip.is_unspecified());
        if open.is_some_and(|ip| self.world_of_media(*ip).is_none()) {
            let what = "media on all addresses needs the one that carriers see";
            return Err(("media", "advertise_ip", what.into()));
        }
        Ok(())
    }
}

fn same_family(a: IpAddr, b: IpAddr) -> bool {
    a.is_ipv4() == b.is_ipv4()
}
