//! Rules that open more than they look. What to do about them is not here.

use super::rule::{Rule, ToolPattern};

/// Programs that run whatever text they are given, so that a wildcard after them allows everything.
const INTERPRETERS: [&str; 42] = [
    "sh",
    "bash",
    "zsh",
    "fish",
    "dash",
    "ksh",
    "python",
    "python3",
    "node",
    "deno",
    "bun",
    "ruby",
    "perl",
    "php",
    "lua",
    "awk",
    "env",
    "eval",
    "exec",
    "xargs",
    "sudo",
    "doas",
    "su",
    "ssh",
    "npx",
    "bunx",
    "uvx",
    "pipx",
    "docker",
    "podman",
    "find",
    "osascript",
    "parallel",
    "watch",
    "setsid",
    "script",
    "strace",
    "unshare",
    "busybox",
    "tmux",
    "screen",
    "crontab",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wide {
    pub message: String,
    pub instead: &'static str,
}

/// Why an allow rule with brackets is wider than it looks.
pub fn wide(rule: &Rule) -> Option<Wide> {
    let (ToolPattern::Name(name), Some(spec), text) = (&rule.tool, rule.spec.as_deref(), &rule.text) else {
        return None;
    };
    let found = |message: String, instead| Some(Wide { message, instead });
    match name.as_str() {
        "Bash" => {
            if spec.trim_start().starts_with('*') && !is_everything(spec) {
                return found(
                    format!("`{text}` begins with `*`, so any program at all fits it"),
                    "name the program, such as `Bash(node --version)`",
                );
            }
            let program = interpreter(spec)?;
            found(
                format!("`{text}` is as wide as `Bash`, because `{program}` runs any program text it is given"),
                "name the script, such as `Bash(python3 scripts/check.py)`",
            )
        }
        "Edit" | "Read" if ["//**", "//*", "//", "/**/..", "~/**", "~/*", "~", "~/"].contains(&spec.trim()) => found(
            format!("`{text}` reaches the whole system or the whole home folder"),
            "name the folder that is needed, such as `Edit(src/**)`",
        ),
        "WebFetch" => {
            let host = spec.strip_prefix("domain:")?.trim();
            let rest = host.strip_prefix("*.")?;
            let ending = !rest.contains('.');
            ending.then(|| Wide {
                message: format!("`{text}` covers every host that ends with `.{rest}`, and anybody can have one"),
                instead: "name the host, such as `WebFetch(domain:docs.example.com)`",
            })
        }
        _ => None,
    }
}

fn is_everything(spec: &str) -> bool {
    spec.trim().trim_start_matches([':', '*']).is_empty()
}

/// The interpreter that a wildcard rule would feed.
fn interpreter(spec: &str) -> Option<&str> {
    let before = spec.strip_suffix(":*").or_else(|| spec.strip_suffix('*'))?;
    let mut words = before.split_whitespace();
    let program = words.next()?;
    let name = program.rsplit('/').next()?.trim_end_matches('*');
    // Anything static behind the program, apart from options, is taken as the script that is meant.
    let open = words.all(|word| word.starts_with('-'));
    (open && INTERPRETERS.contains(&name)).then_some(name)
}

/// Whether the first rule covers all that the second does, by their letters.
pub fn includes(wider: &Rule, narrower: &Rule) -> bool {
    if wider.text == narrower.text {
        return true;
    }
    let same_tool = wider.tool == narrower.tool;
    let stem = |spec: &str| {
        let stem = spec.strip_suffix(":*").or_else(|| spec.strip_suffix(" *")).map(str::to_owned);
        stem.filter(|stem| !stem.contains('*'))
    };
    match (&wider.spec, &narrower.spec, &wider.tool) {
        (None, _, _) if same_tool => true,
        (None, None, ToolPattern::Server(_) | ToolPattern::Glob(_)) => wider.tool.matches(narrower.tool.text()),
        (Some(wide), Some(narrow), ToolPattern::Name(name)) if same_tool && name == "Bash" => {
            stem(wide).is_some_and(|stem| narrow.strip_prefix(&stem).is_some_and(|rest| rest.starts_with([' ', ':'])))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_rules_are_known_by_what_they_open() {
        for (text, expected) in [
            ("Bash(python3 *)", true),
            ("Bash(npx *)", true),
            ("Bash(sudo *)", true),
            ("Bash(env *)", true),
            ("Bash(/usr/bin/env:*)", true),
            ("Bash(* --version)", true),
            ("Bash(*)", false),
            ("Bash(python3 scripts/check.py *)", false),
            ("Bash(git log *)", false),
            ("Edit(//**)", true),
            ("Edit(~/**)", true),
            ("Edit(src/**)", false),
            ("WebFetch(domain:*.com)", true),
            ("WebFetch(domain:*.example.com)", false),
            ("Agent(Explore)", false),
        ] {
            assert_eq!(wide(&Rule::parse(text).unwrap()).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn a_rule_includes_what_it_covers() {
        for (wider, narrower, expected) in [
            ("Read", "Read(src/**)", true),
            ("Bash(git *)", "Bash(git log *)", true),
            ("Bash(git:*)", "Bash(git status)", true),
            ("Bash(git *)", "Bash(github *)", false),
            ("mcp__github", "mcp__github__get_issue", true),
            ("mcp__github__*", "mcp__gitlab__get_issue", false),
            ("Read(src/**)", "Read", false),
        ] {
            let read = |text| Rule::parse(text).unwrap();
            assert_eq!(includes(&read(wider), &read(narrower)), expected, "{wider} {narrower}");
        }
    }
}
