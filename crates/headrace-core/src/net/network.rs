//! Ranges of addresses, by which is told who may do what.

use std::{net::IpAddr, str::FromStr};

use crate::error::Error;

/// A range of addresses such as `10.0.0.0/8`; a single address is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    bits: u128,
    mask: u128,
    v6: bool,
}

fn bits(ip: IpAddr) -> (u128, u8) {
    match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    }
}

impl Network {
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv6() == self.v6 && bits(ip).0 & self.mask == self.bits
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::Engine(format!(
                "{text:?} is no network; write an IP address or a range such as 10.0.0.0/8"
            ))
        };
        let (ip, prefix) = match text.split_once('/') {
            Some((ip, prefix)) => (ip, Some(prefix)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let (value, width) = bits(ip);
        let prefix: u8 = prefix.map_or(Ok(width), str::parse).map_err(|_| wrong())?;
        let host_bits = width.checked_sub(prefix).ok_or_else(wrong)?;
        let all = u128::MAX >> (128 - width);
        let mask = all & u128::MAX.checked_shl(host_bits.into()).unwrap_or(0);
        Ok(Self {
            bits: value & mask,
            mask,
            v6: ip.is_ipv6(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(network: &str, ip: &str) -> bool {
        network.parse::<Network>().unwrap().contains(ip.parse().unwrap())
    }

    #[test]
    fn a_network_contains_its_own_addresses_only() {
        assert!(within("10.0.0.0/8", "10.255.0.1"));
        assert!(!within("10.0.0.0/8", "11.0.0.1"));
        assert!(within("0.0.0.0/0", "1.2.3.4"));
        assert!(!within("0.0.0.0/0", "::1"));
        assert!(within("::/0", "fe80::1"));
        assert!(within("127.0.0.1", "127.0.0.1"));
        assert!(!within("127.0.0.1", "127.0.0.2"));
        assert!(within("2001:db8::/32", "2001:db8:1::5"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/-1", "ten"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
