//! The person's own permission rules of Claude Code: what it would refuse or ask about a command that phasegate rewrites
//! before it looks. Reading the files is not here.

use std::path::{Path, PathBuf};

use serde_json::Value;

const RULES_MAX: usize = 1000;
const MANAGED: &str = "/etc/claude-code/managed-settings.json";

/// Where they may stand: the project, what is local in it, the user, the machine. `config` is the folder that stands for
/// `~/.claude`, where one is named.
pub fn files(project: &Path, home: Option<&Path>, config: Option<&Path>) -> [Option<PathBuf>; 4] {
    let user = config.map(Path::to_path_buf).or_else(|| home.map(|home| home.join(".claude")));
    let own = |name: &str| Some(project.join(".claude").join(name));
    let user = user.map(|folder| folder.join("settings.json"));
    [own("settings.json"), own("settings.local.json"), user, Some(PathBuf::from(MANAGED))]
}

/// Deny and ask rules of one settings file; none where it is not what a settings file is.
pub fn rules(text: &[u8]) -> (Vec<String>, Vec<String>) {
    let settings: Value = serde_json::from_slice(text).unwrap_or_default();
    let list = |name: &str| {
        let found = settings.get("permissions").and_then(|permissions| permissions.get(name));
        let found = found.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        found.take(RULES_MAX).map(str::to_owned).collect()
    };
    (list("deny"), list("ask"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deny_and_ask_are_read_and_the_rest_is_left() {
        let text = br#"{"permissions":{"allow":["Bash"],"deny":["Bash(rm *)",3],"ask":["WebFetch"]},"hooks":{}}"#;
        assert_eq!(rules(text), (vec!["Bash(rm *)".to_owned()], vec!["WebFetch".to_owned()]));
        for text in [&b"{"[..], b"[]", b"{\"permissions\":[]}", b"\xff"] {
            assert_eq!(rules(text), (Vec::new(), Vec::new()));
        }
    }
}
