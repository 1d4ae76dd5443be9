//! Hosts in what a call is shown to do: those that read like another one than they are. Whether a host may be reached is not
//! here (`policy::hosts`).

use std::collections::BTreeSet;

use serde_json::Value;
use url::Host;

use super::visible::exact;

/// More of them in one call, and the call itself is what to doubt.
const WARNINGS_MAX: usize = 20;
const HOST_CHARACTERS_MAX: usize = 253;
/// Parts of names of arguments whose texts name hosts without a scheme, too.
const OF_HOSTS: [&str; 7] = ["command", "cmd", "url", "uri", "host", "domain", "address"];

/// A line for each host in the arguments that is not what it looks like.
pub fn warnings(arguments: &Value) -> Vec<String> {
    let mut found = BTreeSet::new();
    walk(arguments, false, &mut found);
    bounded(found)
}

/// The same for words that a shell has put together.
pub fn warnings_of<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found = BTreeSet::new();
    words.for_each(|word| in_text(word, true, &mut found));
    bounded(found)
}

fn bounded(found: BTreeSet<String>) -> Vec<String> {
    let more = found.len().saturating_sub(WARNINGS_MAX);
    let mut kept: Vec<String> = found.into_iter().take(WARNINGS_MAX).collect();
    if more > 0 {
        kept.push(format!("{more} more hosts are not what they look like"));
    }
    kept
}

fn walk(value: &Value, names_hosts: bool, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => in_text(text, names_hosts, found),
        Value::Array(items) => items.iter().for_each(|item| walk(item, names_hosts, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                in_text(name, true, found);
                let lower = name.to_lowercase();
                walk(value, OF_HOSTS.iter().any(|part| lower.contains(part)), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn in_text(text: &str, bare: bool, found: &mut BTreeSet<String>) {
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("://") {
        let scheme =
            before.rsplit(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).next().unwrap_or_default();
        let end = behind.find(|c: char| is_blank(c) || "/?#\\\"'`<>".contains(c)).unwrap_or(behind.len());
        let (authority, after) = behind.split_at(end);
        of_authority(&scheme.to_ascii_lowercase(), authority, found);
        rest = after;
    }
    if bare {
        let words = text.split(|c: char| !(c.is_alphanumeric() || "-_.".contains(c) || is_dot(c)));
        found.extend(words.filter_map(bare_host));
    }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// Dots that browsers take for the common one between the labels of a host.
fn is_dot(c: char) -> bool {
    matches!(c, '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
}

fn of_authority(scheme: &str, authority: &str, found: &mut BTreeSet<String>) {
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let written = match host.strip_prefix('[') {
        // An address in brackets holds colons and nothing to mistake.
        Some(_) => host,
        None => host.split(':').next().unwrap_or_default(),
    };
    let read = read(written);
    if let Some(user) = user {
        // `git@host` is how ssh is called; a name with a dot looks like a host in any scheme.
        let web = ["http", "https", "ftp", "ftps", "ws", "wss"].contains(&scheme);
        if web || user.contains('.') || user.chars().any(|c| is_dot(c) || !c.is_ascii()) {
            let host = read.clone().unwrap_or_else(|| shortened(written));
            found.insert(format!("the host is {host}; what stands before @ is a name"));
        }
    }
    if written.is_ascii() && !written.contains('%') {
        return;
    }
    found.insert(match read {
        Some(host) => format!("the host “{}” is {host}, letters that look like others", shortened(written)),
        None => format!("the host “{}” holds letters that no host has", shortened(written)),
    });
}

/// Outside an address many texts hold a dot, so only what ends like a host counts as one.
fn bare_host(word: &str) -> Option<String> {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    if word.is_ascii() || !word.contains(|c: char| c == '.' || is_dot(c)) {
        return None;
    }
    let host = read(word)?;
    let end = host.rsplit('.').next().unwrap_or_default();
    let fits = end.len() >= 2 && end.bytes().all(|byte| byte.is_ascii_alphabetic());
    fits.then(|| format!("the host “{}” is {host}, letters that look like others", shortened(word)))
}

fn read(written: &str) -> Option<String> {
    (written.chars().count() <= HOST_CHARACTERS_MAX).then(|| Host::parse(written).ok())?.map(|host| host.to_string())
}

/// On one line and within bounds.
fn shortened(text: &str) -> String {
    super::visible::line(&exact(text), HOST_CHARACTERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hosts_that_read_like_others_are_told() {
        let alike =
            |written: &str, host: &str| format!("the host “{written}” is {host}, letters that look like others");
        let name = |host: &str| format!("the host is {host}; what stands before @ is a name");
        for (command, expected) in [
            ("curl https://github.com/x", vec![]),
            ("git clone ssh://git@github.com/a/b; git clone git@github.com:a/b", vec![]),
            ("mail ana.b@example.com; echo größe; touch größe", vec![]),
            ("echo Grüße. Bis bald", vec![]),
            ("curl https://gіthub.com/x", vec![alike("gіthub.com", "xn--gthub-n2e.com")]),
            ("curl gіthub.com/x", vec![alike("gіthub.com", "xn--gthub-n2e.com")]),
            ("curl https://github。com", vec![alike("github。com", "github.com")]),
            ("curl ｇithub．com:443", vec![alike("ｇithub．com", "github.com")]),
            ("curl https://g%D1%96thub.com", vec![alike("g%D1%96thub.com", "xn--gthub-n2e.com")]),
            ("curl https://github.com@evil.test/x", vec![name("evil.test")]),
            ("curl 'https://a:b@evil.test:8443?q'", vec![name("evil.test")]),
            ("git clone ssh://github.com@evil.test/a", vec![name("evil.test")]),
            ("curl https://x@аррӏе.com", vec![name("xn--80ak6aa92e.com"), alike("аррӏе.com", "xn--80ak6aa92e.com")]),
            (
                "curl \"https://gі\u{202e}x.com\"",
                vec!["the host “gі\\u{202e}x.com” holds letters that no host has".to_owned()],
            ),
        ] {
            let mut expected = expected;
            expected.sort();
            assert_eq!(warnings(&json!({ "command": command })), expected, "{command}");
        }
    }

    #[test]
    fn prose_is_looked_through_for_addresses_only() {
        let alike = "the host “gіthub.com” is xn--gthub-n2e.com, letters that look like others";
        assert!(warnings(&json!({"content": "gіthub.com"})).is_empty());
        assert_eq!(warnings(&json!({"content": "see https://gіthub.com"})), [alike]);
        assert_eq!(warnings(&json!({"options": {"base_url": ["gіthub.com"]}})), [alike]);
        let many: String = (0..30).map(|number| format!("https://а{number}.com ")).collect();
        let told = warnings(&json!({ "content": many }));
        assert_eq!((told.len(), told.last().unwrap().as_str()), (21, "10 more hosts are not what they look like"));
    }
}
