//! Whether settings that are about to count would take the guard away. Reading the files is not here.

use std::path::Path;

use serde_json::Value;

/// Without the first, no call is judged; without the second, the first could go next.
const NEEDED: [&str; 2] = ["PreToolUse", "ConfigChange"];

/// Why no call would be judged any more under these files; `of_plugin`: the hooks come from a plugin, and no settings file
/// has to name them.
pub fn guard_lost(files: &[(&Path, String)], of_plugin: bool) -> Option<String> {
    let read: Vec<(&Path, Value)> =
        files.iter().map(|(path, text)| (*path, serde_json::from_str(text).unwrap_or_default())).collect();
    if let Some((path, _)) =
        read.iter().find(|(_, settings)| settings.get("disableAllHooks") == Some(&Value::Bool(true)))
    {
        return Some(format!("`disableAllHooks` in {} turns every hook off", path.display()));
    }
    if of_plugin {
        return None;
    }
    let missing = NEEDED.into_iter().find(|event| !read.iter().any(|(_, settings)| has_hook(settings, event)))?;
    Some(format!("no settings file has phasegate's `{missing}` hook for every tool any more"))
}

/// A hook that starts phasegate at this event, for every tool, and is waited for.
fn has_hook(settings: &Value, event: &str) -> bool {
    let groups = settings.get("hooks").and_then(|hooks| hooks.get(event)).and_then(Value::as_array);
    groups.into_iter().flatten().filter(|group| for_all(group)).any(|group| {
        let hooks = group.get("hooks").and_then(Value::as_array);
        hooks.into_iter().flatten().any(starts_us)
    })
}

fn for_all(group: &Value) -> bool {
    match group.get("matcher") {
        None => true,
        Some(matcher) => matches!(matcher.as_str(), Some("" | "*" | ".*")),
    }
}

fn starts_us(hook: &Value) -> bool {
    let text = |key: &str| hook.get(key).and_then(Value::as_str).unwrap_or_default();
    let words = hook.get("args").and_then(Value::as_array);
    let words = words.into_iter().flatten().filter_map(Value::as_str);
    let line = std::iter::once(text("command")).chain(words).collect::<Vec<_>>().join(" ");
    let narrowed = hook.get("if").is_some() || hook.get("async") == Some(&Value::Bool(true));
    text("type") == "command" && !narrowed && line.trim_end().ends_with("hook claude-code")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lost(settings: &[Value], of_plugin: bool) -> String {
        let files: Vec<(&Path, String)> = settings.iter().map(|one| (Path::new("s.json"), one.to_string())).collect();
        guard_lost(&files, of_plugin).unwrap_or_default()
    }

    #[test]
    fn a_guard_is_lost_when_its_hooks_go_or_are_turned_off() {
        let hook = json!({"type": "command", "command": "/opt/phasegate", "args": ["hook", "claude-code"]});
        let with = |hook: &Value, matcher: &str| {
            json!({"hooks": {
                "PreToolUse": [{"matcher": matcher, "hooks": [{"type": "command", "command": "lint"}, hook]}],
                "ConfigChange": [{"hooks": [hook]}],
            }})
        };
        let changed = |key: &str, value: Value| {
            let mut other = hook.clone();
            other[key] = value;
            with(&other, "*")
        };
        let kept = with(&hook, "*");
        let off = json!({"disableAllHooks": true});
        let cases = [
            (vec![kept.clone()], false, ""),
            (vec![kept.clone(), json!({"model": "opus"})], false, ""),
            (vec![json!({}), kept.clone()], false, ""),
            (vec![changed("args", json!([])), json!({})], false, "`PreToolUse`"),
            (vec![changed("if", json!("Write(*)"))], false, "`PreToolUse`"),
            (vec![changed("async", json!(true))], false, "`PreToolUse`"),
            (vec![with(&hook, "Write")], false, "`PreToolUse`"),
            (vec![json!({"hooks": {"PreToolUse": kept["hooks"]["PreToolUse"]}})], false, "`ConfigChange`"),
            (vec![json!({})], false, "`PreToolUse`"),
            (vec![json!({})], true, ""),
            (vec![kept, off.clone()], false, "disableAllHooks"),
            (vec![off], true, "disableAllHooks"),
            (Vec::new(), true, ""),
        ];
        for (settings, of_plugin, wanted) in cases {
            let said = lost(&settings, of_plugin);
            assert!(if wanted.is_empty() { said.is_empty() } else { said.contains(wanted) }, "{settings:?}: {said}");
        }
    }
}
