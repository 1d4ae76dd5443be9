//! Which methods there are in which revision of the protocol. What they do is in `server`.

const IN_BOTH: &[&str] = &[
    "completion/complete",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "server/discover",
    "tools/call",
    "tools/list",
];
/// From 2026-07-28 on.
const NEWEST: &[&str] = &["subscriptions/listen", "tasks/cancel", "tasks/get", "tasks/update"];
const OLDER: &[&str] = &["initialize", "ping", "resources/subscribe", "resources/unsubscribe"];
const NAME_CHARS_MAX: usize = 80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    Newest,
    Older,
}

/// What to tell a client whose revision has no such method.
pub fn missing(method: &str, revision: Revision) -> Option<String> {
    let own = if revision == Revision::Newest { NEWEST } else { OLDER };
    if IN_BOTH.contains(&method) || own.contains(&method) {
        return None;
    }
    Some(match revision {
        Revision::Newest if OLDER.contains(&method) => {
            format!("`{method}` is not part of MCP from 2026-07-28 on; server/discover says what there is")
        }
        Revision::Older if NEWEST.contains(&method) => {
            format!("`{method}` is part of MCP from 2026-07-28 on, and this session is an older one")
        }
        Revision::Newest | Revision::Older => unknown(method),
    })
}

pub fn unknown(method: &str) -> String {
    let shown: String = method.chars().take(NAME_CHARS_MAX).collect();
    format!("there is no method `{shown}`; server/discover or initialize says what there is")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_revision_has_its_own() {
        for (method, newest, older) in [
            ("tools/call", true, true),
            ("subscriptions/listen", true, false),
            ("ping", false, true),
            ("logging/setLevel", false, false),
            ("skills/list", false, false),
        ] {
            let has = |revision| missing(method, revision).is_none();
            assert_eq!((has(Revision::Newest), has(Revision::Older)), (newest, older), "{method}");
        }
    }
}
