//! Which addresses a partner may have: not those of our own network (server-side request forgery).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde::Deserialize;
use url::{Host, Url};

use crate::config::ConfigError;

/// What a target may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkPolicy {
    /// Without TLS, too.
    pub allow_http: bool,
    /// In private, link-local and loopback networks, too.
    pub allow_private: bool,
}

/// Networks of the special-purpose registries (IANA, RFC 6890) that are not the public internet.
const PRIVATE_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::BROADCAST, 32),
];

/// Public unicast addresses of IPv6; what carries an address of IPv4 inside is looked into.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// In it, and not public: documentation, benchmarking, Teredo, ORCHID.
const PRIVATE_V6: [(Ipv6Addr, u32); 3] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

fn in_v4(address: Ipv4Addr, (network, bits): (Ipv4Addr, u32)) -> bool {
    (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits
}

fn in_v6(address: Ipv6Addr, (network, bits): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits
}

/// Whether an address is on the public internet.
fn is_public(address: IpAddr) -> bool {
    let public_v4 = |address| !PRIVATE_V4.iter().any(|network| in_v4(address, *network));
    match address {
        IpAddr::V4(address) => public_v4(address),
        IpAddr::V6(address) => {
            let [.., a, b] = address.segments();
            let inner = Ipv4Addr::from((u32::from(a) << 16) | u32::from(b));
            match address.segments() {
                // IPv4-mapped, and NAT64's well-known prefix.
                [0, 0, 0, 0, 0, 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => {
                    public_v4(inner)
                }
                // 6to4 carries the address in front.
                [0x2002, a, b, ..] => {
                    public_v4(Ipv4Addr::from((u32::from(a) << 16) | u32::from(b)))
                }
                _ => {
                    in_v6(address, GLOBAL_V6)
                        && !PRIVATE_V6.iter().any(|network| in_v6(address, *network))
                }
            }
        }
    }
}

impl NetworkPolicy {
    /// Whether the address may be called.
    pub(super) fn allows(self, address: IpAddr) -> bool {
        self.allow_private || is_public(address)
    }

    /// Checks a target's URL as far as that goes without asking for its addresses.
    ///
    /// # Errors
    /// [`ConfigError`] naming the setting.
    pub fn check(self, setting: &str, url: &Url) -> Result<(), ConfigError> {
        let wrong = |why: &str| Err(ConfigError::invalid(setting, &why));
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            "http" => return wrong("must be an https URL (network.allow_http = true allows http)"),
            _ => return wrong("must be an http or https URL"),
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return wrong("must name a host"),
        };
        if address.is_some_and(|address| !self.allows(address)) {
            return wrong(
                "must not be a private, link-local or loopback address (network.allow_private = true allows them)",
            );
        }
        Ok(())
    }
}

/// None of the addresses of a name may be called.
#[derive(Debug, thiserror::Error)]
#[error("{0} has only private, link-local or loopback addresses")]
struct Refused(String);

/// Finds a name's addresses and leaves out those that may not be called. Whatever the name stood for when the settings
/// were checked, what is connected to is what was looked at.
pub(super) struct Guard(pub(super) NetworkPolicy);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0;
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = found.filter(|address| policy.allows(address.ip()));
            let allowed: Vec<SocketAddr> = allowed.collect();
            if allowed.is_empty() {
                return Err(Refused(name).into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        for (address, public) in [
            ("8.8.8.8", true),
            ("172.15.255.255", true),
            ("172.16.0.1", false),
            ("172.32.0.1", true),
            ("10.1.2.3", false),
            ("192.168.1.1", false),
            ("127.0.0.1", false),
            ("0.0.0.0", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2606:4700:4700::1111", true),
            ("::1", false),
            ("::", false),
            ("fe80::1", false),
            ("fd00:ec2::254", false),
            ("ff02::1", false),
            ("2001:db8::1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("::10.0.0.1", false),
            ("64:ff9b::169.254.169.254", false),
            ("64:ff9b::8.8.8.8", true),
            ("2002:7f00:1::1", false),
            ("2001:0:7f00:1::1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    #[test]
    fn a_target_is_checked_before_it_is_called() {
        let strict = NetworkPolicy::default();
        let open = NetworkPolicy {
            allow_http: true,
            allow_private: true,
        };
        for (url, strict_ok, open_ok) in [
            ("https://partner.example", true, true),
            ("http://partner.example", false, true),
            ("https://10.0.0.1/x", false, true),
            ("https://[::1]/x", false, true),
            ("https://2130706433/", false, true),
            ("ftp://partner.example", false, false),
        ] {
            let url = url.parse().unwrap();
            assert_eq!(strict.check("t.url", &url).is_ok(), strict_ok, "{url}");
            assert_eq!(open.check("t.url", &url).is_ok(), open_ok, "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_of_a_private_address_is_refused_after_it_was_resolved() {
        let resolve = |policy| Guard(policy).resolve("localhost".parse().unwrap());

        let Err(refused) = resolve(NetworkPolicy::default()).await else {
            panic!("localhost was allowed");
        };
        assert!(refused.to_string().contains("localhost"), "{refused}");
        let open = NetworkPolicy {
            allow_private: true,
            ..NetworkPolicy::default()
        };
        assert!(resolve(open).await.is_ok());
    }
}
