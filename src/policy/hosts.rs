//! May this address be fetched? Hosts are read as browsers do (WHATWG), so that every spelling of one comes to the same.
//! Names are not resolved: what a name leads to is not known here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;
use url::{Host, Url};

use super::judge::{Around, Parts, RuleSet, Verdict, order};
use super::names;
use super::parameters::Fields;
use super::paths::shown;
use super::rule::{Rule, RuleList, glob_matches};

const TOOL: &str = "WebFetch";
/// Longer addresses than browsers take, in bytes.
const URL_BYTES_MAX: usize = 8192;

/// What stands behind `domain:`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// Began with `*.`: any number of labels before the rest.
    deep: bool,
    labels: Vec<String>,
    /// Written as `*` alone.
    every: bool,
}

/// Ends of names that lead to this machine or to the network it stands in.
const NEAR: [&str; 23] = [
    "svc",
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "home.arpa",
    "colasloth.com",
    "devd.io",
    "fuf.me",
    "lacolhost.com",
    "lcl.host",
    "local.gd",
    "localho.st",
    "localhost.direct",
    "localtest.me",
    "lvh.me",
    "spoofed.burpcollaborator.net",
    "vcap.me",
];
/// Services whose names lead to the address that they spell.
const SPELLED: [&str; 4] = ["nip.io", "sslip.io", "xip.io", "traefik.me"];

impl Pattern {
    /// Nothing where the text is no host: one with a port, a path or a blank.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "*" {
            return Some(Self { deep: false, labels: vec!["*".to_owned()], every: true });
        }
        let (deep, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        let rest = rest.strip_suffix('.').unwrap_or(rest);
        if rest.ends_with('.') {
            return None;
        }
        let rest = if rest.contains('*') {
            let plain = |character: char| character.is_ascii_alphanumeric() || "-_.*".contains(character);
            rest.chars().all(plain).then(|| rest.to_lowercase())?
        } else {
            host_text(&Host::parse(rest).ok()?)
        };
        let labels: Vec<String> = labels(&rest);
        (!labels.is_empty() && labels.iter().all(|label| !label.is_empty())).then_some(Self {
            deep,
            labels,
            every: false,
        })
    }

    /// `host` as its labels.
    fn covers(&self, host: &[String]) -> bool {
        let fits = |labels: &[String]| labels.iter().zip(&self.labels).all(|(label, glob)| glob_matches(glob, label));
        if !self.deep {
            return host.len() == self.labels.len() && fits(host);
        }
        let Some(skipped) = host.len().checked_sub(self.labels.len()).filter(|skipped| *skipped > 0) else {
            return false;
        };
        host.get(skipped..).is_some_and(fits)
    }

    fn is_literal(&self) -> bool {
        !self.deep && !self.labels.iter().any(|label| label.contains('*'))
    }
}

/// Labels from left to right; an address in brackets or of numbers is one.
fn labels(host: &str) -> Vec<String> {
    let address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
    if address { vec![host.to_owned()] } else { host.split('.').map(str::to_owned).collect() }
}

fn host_text<S: AsRef<str>>(host: &Host<S>) -> String {
    match host {
        // One dot ends a full name; a second one is an empty label, and no resolver knows such a name.
        Host::Domain(name) => name.as_ref().strip_suffix('.').unwrap_or(name.as_ref()).to_lowercase(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => match inner(*address) {
            Some(inner) if address.to_ipv4_mapped().is_some() => inner.to_string(),
            _ => format!("[{address}]"),
        },
    }
}

pub fn judge(rules: &RuleSet, input: &Value, around: &Around) -> Verdict {
    let fields = Fields::of(input);
    let written = input.get("url").and_then(Value::as_str);
    let what = written.map_or_else(|| format!("`{TOOL}`"), |url| format!("fetching `{}`", shown(url)));
    let url = written.filter(|url| url.len() <= URL_BYTES_MAX).and_then(|url| Url::parse(url).ok());
    let host = url.as_ref().and_then(|url| url.host().map(|host| host_text(&host)));
    let parts = host.as_deref().map(labels);
    let without_dots = host.as_deref().map(|host| labels(host.trim_end_matches('.')));
    let near = url.as_ref().and_then(|url| url.host()).and_then(|host| near(&host));
    let refuses = |rule: &Rule, list: RuleList| {
        names::covers(rule, list, TOOL)
            || fields.hold(rule, list, TOOL)
            || names::pattern_covers(&rule.tool, list, TOOL)
                && rule.host.as_ref().is_some_and(|pattern| {
                    pattern.every || without_dots.as_ref().is_some_and(|parts| pattern.covers(parts))
                })
    };
    let own_port =
        url.as_ref().and_then(Url::port_or_known_default).is_some_and(|port| around.guard.ports.contains(&port));
    let guard = (own_port && near.is_some()).then(|| "phasegate listens there".to_owned());
    let unsure = fields.unsure(rules, TOOL);
    let doubt = doubt(written, url.as_ref(), host.as_deref()).or_else(|| {
        unsure.map(|rule| format!("the rule `{}` looks at a field that holds more than one value", rule.text))
    });
    let allows = || {
        let parts = parts.as_ref()?;
        let covers = |rule: &&Rule| match (&rule.host, near) {
            (None, None) => names::covers(rule, RuleList::Allow, TOOL),
            (None, Some(_)) => false,
            (Some(pattern), near) => {
                names::pattern_covers(&rule.tool, RuleList::Allow, TOOL)
                    && (pattern.every || pattern.covers(parts))
                    && (near.is_none() || pattern.is_literal())
            }
        };
        let rule = rules.allow.iter().find(covers)?;
        Some((rule, format!("the rule `{}` allows {what}", rule.text)))
    };
    let verdict = order(Parts { rules, what: what.clone(), refuses, guard, doubt, allows });
    match near {
        Some(why) if verdict.rule.is_none() && verdict.decision == super::judge::Decision::None => Verdict::none(
            format!("{what} is not allowed without a person: {why}, which only a rule with this very host opens"),
        ),
        _ => verdict,
    }
}

/// Why no rule allows this address by itself.
fn doubt(written: Option<&str>, url: Option<&Url>, host: Option<&str>) -> Option<String> {
    let why = match (written, url, host) {
        (None, _, _) => "it names no address in `url`",
        (Some(text), _, _) if text.len() > URL_BYTES_MAX => "its address is too long",
        (Some(text), _, _) if text.chars().any(|character| character.is_control() || character == ' ') => {
            "its address holds a blank or a control character"
        }
        (Some(_), None, _) => "its address cannot be read",
        (Some(_), Some(url), _) if !["http", "https"].contains(&url.scheme()) => "only http and https are fetched",
        (Some(_), Some(url), _) if !url.username().is_empty() || url.password().is_some() => {
            "its address holds a name or a password before the host"
        }
        (Some(_), Some(_), None) => "its address names no host",
        (Some(_), Some(_), Some(host)) if labels(host).iter().any(String::is_empty) => "its host has an empty part",
        (Some(_), Some(_), Some(_)) => return None,
    };
    Some(why.to_owned())
}

/// Why this host is of this machine or of the network around it.
fn near(host: &Host<&str>) -> Option<&'static str> {
    match host {
        Host::Ipv4(address) => near_v4(*address),
        Host::Ipv6(address) => near_v6(*address),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_lowercase();
            let under = |end: &&str| name == **end || name.strip_suffix(*end).is_some_and(|rest| rest.ends_with('.'));
            if !name.contains('.') || NEAR.iter().any(&under) {
                return Some("this is a name of this machine or its network");
            }
            SPELLED.iter().any(under).then_some("this name leads to whatever address it spells")
        }
    }
}

fn near_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    if address.is_loopback() || a == 0 {
        return Some("this is an address of this machine");
    }
    if address.is_link_local() {
        return Some("this is a link-local address, where machines of a cloud keep their credentials");
    }
    let shared = a == 100 && (64..128).contains(&b);
    let special = (a, b, c) == (192, 0, 0) || (a, b, c) == (192, 88, 99) || a == 198 && (b == 18 || b == 19);
    let apart = address.is_private() || shared || special || address.is_documentation() || a >= 224;
    // The metadata address of one cloud lies among public ones.
    (apart || address.octets() == [168, 63, 129, 16]).then_some("this is an address of a private or reserved range")
}

fn near_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(inner) = inner(address) {
        // Such an address goes through a translator that is not known here.
        return near_v4(inner).or(Some("this address holds another one"));
    }
    if address.is_loopback() || address.is_unspecified() {
        return Some("this is an address of this machine");
    }
    let [first, second, ..] = address.segments();
    // Of what else is global by its first bits: for protocols, for documents (twice), and given back.
    let reserved = first == 0x2001 && second < 0x200 || first == 0x3fff && second < 0x1000 || first == 0x3ffe;
    let local = address.is_unique_local() || address.is_unicast_link_local() || first & 0xffc0 == 0xfec0;
    let special = address.is_multicast() || reserved || first & 0xe000 != 0x2000 || (first, second) == (0x2001, 0xdb8);
    (local || special).then_some("this is an address of a private or reserved range")
}

/// The IPv4 address in an IPv6 one: mapped, compatible, NAT64, 6to4, Teredo.
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let from = |high: u16, low: u16| {
        let [one, two] = high.to_be_bytes();
        let [three, four] = low.to_be_bytes();
        Some(Ipv4Addr::new(one, two, three, four))
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, ..) | (0, 0, 0, 0, 0xffff, 0) => from(g, h),
        (0, 0, 0, 0, 0, 0) if g != 0 || h > 1 => from(g, h),
        (0x2002, ..) => from(b, c),
        (0x2001, 0, ..) => from(!g, !h),
        _ => None,
    }
}

/// Whether this address, as a rule or a URL writes it, is of this machine or a private range.
pub fn is_near(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => near_v4(address).is_some(),
        Ok(IpAddr::V6(address)) => near_v6(address).is_some(),
        Err(_) => near(&Host::Domain(host)).is_some(),
    }
}
