//! Whether a word that is expanded when it runs could name a file that a pattern is about. In doubt, yes: it is used only
//! to refuse.

use super::super::judge::Around;
use super::files::normal;

/// Longer patterns and paths are taken to meet.
const MAX_NAMES: usize = 48;
const MAX_LETTERS: usize = 200;

/// One name of a pattern or of a path that may hold globs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    /// `**`
    Deep,
    Letters(Vec<char>),
    /// It begins with a brace, which reaches names that begin with a dot.
    Braced(Vec<char>),
}

/// Names from the root; `**` first where it may begin anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Vec<Name>);

/// The pattern of a path rule.
pub fn names_of_rule(spec: &str, around: &Around) -> Names {
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

/// Where what the rule is about begins for certain: not where it may be in any folder.
pub fn place_of_rule(spec: &str, around: &Around) -> Option<Names> {
    let spec = spec.strip_prefix("./").unwrap_or(spec);
    let Names(mut all) = if spec.starts_with(['/', '~']) {
        names_of_rule(spec, around)
    } else {
        spec.trim_end_matches('/').contains('/').then(|| names(&format!("{}/{spec}", around.cwd)))?
    };
    all.truncate(all.iter().position(|name| *name == Name::Deep).unwrap_or(all.len()));
    Some(Names(all))
}

/// Whether the place lies below the path.
pub fn could_hold(Names(path): &Names, Names(place): &Names) -> bool {
    let fits = |(shell, wanted): (&Name, &Name)| match (shell, wanted) {
        (Name::Letters(shell), Name::Letters(letters) | Name::Braced(letters)) => letters_meet(shell, false, letters),
        (Name::Braced(shell), Name::Letters(letters) | Name::Braced(letters)) => letters_meet(shell, true, letters),
        (Name::Deep, _) | (_, Name::Deep) => true,
    };
    path.len() < place.len() && path.iter().zip(place).all(fits)
}

/// Of an absolute path, or of one that holds globs.
pub fn names(path: &str) -> Names {
    let name = |name: &str| match name {
        "**" => Name::Deep,
        name if name.starts_with('{') => Name::Braced(flattened(name)),
        name => Name::Letters(flattened(name)),
    };
    Names(normal(path).split('/').filter(|name| !name.is_empty()).map(name).collect())
}

/// A rule about a folder is about all below it.
pub fn could_meet(Names(path): &Names, Names(rule): &Names) -> bool {
    if path.len() > MAX_NAMES || rule.len() > MAX_NAMES {
        return true;
    }
    // Which starts of the rule the names so far can have used up.
    let mut open = vec![false; rule.len() + 1];
    mark(&mut open, 0, rule);
    for name in path {
        let mut next = vec![false; rule.len() + 1];
        for (at, wanted) in rule.iter().enumerate() {
            if !open.get(at).copied().unwrap_or_default() {
                continue;
            }
            match (name, wanted) {
                (_, Name::Deep) => mark(&mut next, at, rule),
                // Any names at all, from a folder that is not known.
                (Name::Deep, _) => return true,
                (Name::Letters(shell) | Name::Braced(shell), Name::Letters(letters) | Name::Braced(letters)) => {
                    if letters_meet(shell, matches!(name, Name::Braced(_)), letters) {
                        mark(&mut next, at + 1, rule);
                    }
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

fn mark(open: &mut [bool], at: usize, rule: &[Name]) {
    let mut at = at;
    if let Some(place) = open.get_mut(at) {
        *place = true;
    }
    while rule.get(at) == Some(&Name::Deep) {
        at += 1;
        if let Some(place) = open.get_mut(at) {
            *place = true;
        }
    }
}

/// Two globs of one name each: is there a name that both fit?
fn letters_meet(shell: &[char], braced: bool, rule: &[char]) -> bool {
    if shell.len() > MAX_LETTERS || rule.len() > MAX_LETTERS {
        return true;
    }
    // The shell's `*` does not reach names that begin with a dot.
    if !braced && matches!(shell.first(), Some('*' | '?')) && rule.first() == Some(&'.') {
        return false;
    }
    // Most names differ in their first letter.
    if let (Some(first), Some(wanted)) = (shell.first(), rule.first())
        && ![first, wanted].into_iter().any(|letter| matches!(letter, '*' | '?'))
        && !first.eq_ignore_ascii_case(wanted)
    {
        return false;
    }
    let mut open = vec![false; rule.len() + 1];
    spread(&mut open, 0, rule);
    for letter in shell {
        let mut next = vec![false; rule.len() + 1];
        for at in 0..=rule.len() {
            if !open.get(at).copied().unwrap_or_default() {
                continue;
            }
            let wanted = rule.get(at);
            if *letter == '*' {
                (at..=rule.len()).for_each(|later| spread(&mut next, later, rule));
                continue;
            }
            match wanted {
                Some('*') => spread(&mut next, at, rule),
                Some('?') => spread(&mut next, at + 1, rule),
                Some(wanted) if *letter == '?' || wanted.eq_ignore_ascii_case(letter) => {
                    spread(&mut next, at + 1, rule)
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
            assert_eq!(could_meet(&names(path), &names_of_rule(spec, &around)), expected, "{path} {spec}");
        }
    }
}
