//! Whether a word that is expanded when it runs could name a file that a pattern is about. In doubt, yes: it is used only
//! to refuse.

use super::super::judge::Around;
use super::files::normal;

/// Longer patterns and paths are taken to meet.
const MAX_NAMES: usize = 48;
const MAX_LETTERS: usize = 200;

/// The pattern of a path rule, as names from the root; `**` first where it may begin anywhere.
pub fn names_of_rule(spec: &str, around: &Around) -> Vec<String> {
    let spec = spec.strip_prefix("./").unwrap_or(spec);
    let (start, rest) = if let Some(rest) = spec.strip_prefix("//") {
        (String::new(), rest)
    } else if let Some(rest) = spec.strip_prefix("~/") {
        (around.home.clone().unwrap_or_default(), rest)
    } else if let Some(rest) = spec.strip_prefix('/') {
        (around.root.clone(), rest)
    } else {
        ("/**".to_owned(), spec)
    };
    names(&format!("{start}/{rest}"))
}

fn names(path: &str) -> Vec<String> {
    normal(path).split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// `path` is absolute and may hold globs; `rule` comes from `names_of_rule`. A rule about a folder is about all below it.
pub fn could_meet(path: &str, rule: &[String]) -> bool {
    let path = names(path);
    if path.len() > MAX_NAMES || rule.len() > MAX_NAMES {
        return true;
    }
    // Which starts of the rule the names so far can have used up.
    let mut open = vec![false; rule.len() + 1];
    mark(&mut open, 0, rule);
    for name in &path {
        let mut next = vec![false; rule.len() + 1];
        for (at, wanted) in rule.iter().enumerate() {
            if open.get(at).copied().unwrap_or_default() {
                if wanted == "**" {
                    mark(&mut next, at, rule);
                } else if name == "**" {
                    // Any names at all, from a folder that is not known.
                    return true;
                } else if letters_meet(name, wanted) {
                    mark(&mut next, at + 1, rule);
                }
            }
        }
        if open.last().copied().unwrap_or_default() {
            return true;
        }
        open = next;
    }
    open.last().copied().unwrap_or_default()
}

fn mark(open: &mut [bool], at: usize, rule: &[String]) {
    let mut at = at;
    if let Some(place) = open.get_mut(at) {
        *place = true;
    }
    while rule.get(at).is_some_and(|name| name == "**") {
        at += 1;
        if let Some(place) = open.get_mut(at) {
            *place = true;
        }
    }
}

/// Two globs of one name each: is there a name that both fit?
fn letters_meet(shell: &str, rule: &str) -> bool {
    let braced = shell.starts_with('{');
    let shell: Vec<char> = flattened(shell);
    let rule: Vec<char> = flattened(rule);
    if shell.len() > MAX_LETTERS || rule.len() > MAX_LETTERS {
        return true;
    }
    // The shell's `*` does not reach names that begin with a dot.
    if !braced && matches!(shell.first(), Some('*' | '?')) && rule.first() == Some(&'.') {
        return false;
    }
    let mut open = vec![false; rule.len() + 1];
    spread(&mut open, 0, &rule);
    for letter in &shell {
        let mut next = vec![false; rule.len() + 1];
        for at in 0..=rule.len() {
            if !open.get(at).copied().unwrap_or_default() {
                continue;
            }
            let wanted = rule.get(at);
            if *letter == '*' {
                (at..=rule.len()).for_each(|later| spread(&mut next, later, &rule));
                continue;
            }
            match wanted {
                Some('*') => spread(&mut next, at, &rule),
                Some('?') => spread(&mut next, at + 1, &rule),
                Some(wanted) if *letter == '?' || wanted.eq_ignore_ascii_case(letter) => {
                    spread(&mut next, at + 1, &rule)
                }
                Some(_) | None => {}
            }
        }
        open = next;
    }
    open.last().copied().unwrap_or_default()
}

fn spread(open: &mut [bool], at: usize, rule: &[char]) {
    let mut at = at;
    if let Some(place) = open.get_mut(at) {
        *place = true;
    }
    while rule.get(at) == Some(&'*') {
        at += 1;
        if let Some(place) = open.get_mut(at) {
            *place = true;
        }
    }
}

/// Bracket expressions as one letter, braces as any text.
fn flattened(name: &str) -> Vec<char> {
    let mut letters = Vec::new();
    let mut rest = name.chars();
    while let Some(letter) = rest.next() {
        let (end, stands_for) = match letter {
            '[' => (']', '?'),
            '{' => ('}', '*'),
            other => {
                letters.push(other);
                continue;
            }
        };
        letters.push(stands_for);
        for inside in rest.by_ref() {
            if inside == end {
                break;
            }
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_and_patterns_that_can_meet() {
        let around = Around { cwd: "/p".into(), root: "/p".into(), home: Some("/home/d".into()), ..Around::default() };
        for (path, spec, expected) in [
            ("/p/*", ".env", false),
            ("/p/.e*", ".env", true),
            ("/p/.[de]nv", ".env", true),
            ("/p/sub/.en?", ".env", true),
            ("/p/src/*.rs", ".env", false),
            ("/p/src/*.rs", "src/**", true),
            ("/p/*/key", "secrets/**", true),
            ("/p/*.md", "secrets/**", false),
            ("/home/d/.s*/id_rsa", "~/.ssh/**", true),
            ("/home/*/.ssh/id", "~/.ssh/**", true),
            ("/etc/pass*", "//etc/passwd", true),
            ("/p/{.env,x}", ".env", true),
            ("/p/*.pem", "**/*.pem", true),
            ("/p/a", "b*", false),
            ("/**/README.md", ".env", true),
        ] {
            assert_eq!(could_meet(path, &names_of_rule(spec, &around)), expected, "{path} {spec}");
        }
    }
}
