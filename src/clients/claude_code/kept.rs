//! A hook of phasegate's in settings, in whatever words a person wrote it. What `init` writes is in `settings`.

use serde_json::Value;

use crate::clients::setup::merge::is_ours;

/// A hook that starts phasegate at this event, for every tool, and is waited for.
pub fn has_hook(settings: &Value, event: &str) -> bool {
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
    let narrowed = hook.get("if").is_some() || hook.get("async") == Some(&Value::Bool(true));
    text("type") == "command" && !narrowed && is_ours(hook)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hook_judges_where_it_is_started_for_every_tool_and_waited_for() {
        let hook = json!({"type": "command", "command": "/opt/phasegate", "args": ["hook", "claude-code"]});
        let with = |hook: &Value, matcher: &str| json!({"hooks": { "PreToolUse": [{"matcher": matcher, "hooks": [{"type": "command", "command": "lint"}, hook]}] }});
        let changed = |key: &str, value: Value| {
            let mut other = hook.clone();
            other[key] = value;
            with(&other, "*")
        };
        for (settings, wanted) in [
            (with(&hook, "*"), true),
            (with(&hook, ""), true),
            (changed("timeout", json!(60)), true),
            (with(&json!({"type": "command", "command": "phasegate hook claude-code"}), "*"), true),
            (json!({}), false),
            (changed("args", json!([])), false),
            (changed("command", json!("true")), false),
            (changed("if", json!("Write(*)")), false),
            (changed("async", json!(true)), false),
            (with(&hook, "Write"), false),
        ] {
            assert_eq!(has_hook(&settings, "PreToolUse"), wanted, "{settings}");
        }
    }
}
