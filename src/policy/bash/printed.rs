//! What a substitution prints, where that is a number or a name: neither is an option. Which command it runs
//! is judged by itself.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Printed {
    /// Digits.
    Number,
    /// The digits of a commit.
    Commit,
    /// One word that begins with a letter or a digit: a tag, a branch, a day, a machine.
    Name,
    Anything,
}

/// All that the shell puts into this text, taken together.
pub fn printed(text: &str) -> Printed {
    let (mut worst, mut left) = (Printed::Number, text);
    while let Some(at) = left.find(['$', '`']) {
        let inside = left.get(at..).unwrap_or_default();
        let taken = sum(inside).map(|end| (Printed::Number, end)).or_else(|| substitution(inside));
        let Some((kind, end)) = taken else { return Printed::Anything };
        worst = worst.max(kind);
        left = inside.get(end..).unwrap_or_default();
    }
    worst
}

/// A number or a commit, or all from one on: no file is called so.
pub fn is_commit(text: &str) -> bool {
    let rest = sum(text).or_else(|| substitution(text).map(|(_, end)| end)).and_then(|end| text.get(end..));
    printed(text) <= Printed::Commit && matches!(rest, Some("" | "^" | "..HEAD" | "...HEAD"))
}

/// The text with `number` for each day, time and number in it, where nothing else is put in: a name made up for a new file.
pub fn stamped(text: &str, number: &str) -> Option<String> {
    let (mut made, mut left) = (String::new(), text);
    while let Some(at) = left.find(['$', '`']) {
        made.push_str(left.get(..at)?);
        let inside = left.get(at..)?;
        let of_the_shell = inside.starts_with("$$").then_some("$$".len());
        let end = of_the_shell.or_else(|| sum(inside)).or_else(|| of_a_clock(inside));
        let counted = || substitution(inside).filter(|(kind, _)| *kind == Printed::Number).map(|(_, end)| end);
        left = inside.get(end.or_else(counted)?..)?;
        made.push_str(number);
    }
    made.push_str(left);
    (made != text).then_some(made)
}

/// `$(date +FORMAT)` whose format is all numbers.
fn of_a_clock(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("$(date ")?;
    let end = rest.find(')')?;
    let format =
        rest.get(..end)?.trim_start_matches("-u ").trim_matches(['"', '\'']).strip_prefix('+')?.trim_matches('\'');
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        let fits = match letter {
            '%' => letters.next().is_some_and(|kind| "dFHIjmMNsSTuVwyY".contains(kind)),
            other => "-_:T".contains(other),
        };
        if !fits {
            return None;
        }
    }
    (!format.is_empty()).then_some("$(date ".len() + end + 1)
}

/// `$((…))`: where it ends.
fn sum(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("$((")?;
    let end = rest.find("))")?;
    let plain = !rest.get(..end)?.contains(['$', '`', '(']);
    plain.then_some(end + 5)
}

fn substitution(text: &str) -> Option<(Printed, usize)> {
    let rest = text.strip_prefix("$(")?;
    let end = rest.find(')')?;
    let words: Vec<&str> = rest.get(..end)?.split(' ').filter(|word| !word.is_empty()).collect();
    Some((prints(&words)?, end + 3))
}

fn prints(words: &[&str]) -> Option<Printed> {
    let is_revision = |word: &str| {
        let plain =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '~' | '^' | '/' | '_' | '-' | '@');
        word.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '@') && word.chars().all(plain)
    };
    let is_own = |word: &str| {
        word.strip_prefix("HEAD")
            .is_some_and(|rest| rest.chars().all(|letter| "~^".contains(letter) || letter.is_ascii_digit()))
    };
    match words {
        ["nproc"] | ["nproc", "--all"] | ["sysctl", "-n", "hw.ncpu" | "hw.logicalcpu" | "hw.physicalcpu"] => {
            Some(Printed::Number)
        }
        ["getconf", "_NPROCESSORS_ONLN"] | ["id", "-u" | "-g"] | ["date", "+%s"] => Some(Printed::Number),
        ["date", "+%F" | "+%Y-%m-%d" | "+%Y%m%d" | "+%Y%m%d%H%M%S" | "+%Y%m%d-%H%M%S"] => Some(Printed::Name),
        ["uname", "-s" | "-m" | "-r"] | ["git", "branch", "--show-current"] => Some(Printed::Name),
        ["git", "merge-base", commits @ ..] if !commits.is_empty() => {
            commits.iter().all(|word| is_revision(word)).then_some(Printed::Commit)
        }
        ["git", "rev-parse", commit] | ["git", "rev-parse", "--short" | "--verify", commit] => {
            is_own(commit).then_some(Printed::Commit)
        }
        ["git", "rev-parse", "--abbrev-ref", commit] => is_own(commit).then_some(Printed::Name),
        ["git", "describe", options @ ..] => {
            options.iter().all(|word| OF_DESCRIBE.contains(word)).then_some(Printed::Name)
        }
        ["git", "rev-list", "--max-parents=0" | "--count", commit] => is_own(commit).then_some(Printed::Commit),
        _ => None,
    }
}

const OF_DESCRIBE: &[&str] = &["--tags", "--abbrev=0", "--always", "--dirty", "--long", "HEAD"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_made_of_the_time_are_known() {
        for (text, expected) in [
            ("log-$(date +%Y%m%d-%H%M%S).txt", Some("log-0.txt")),
            ("out/$(date -u +'%F')/x-$$", Some("out/0/x-0")),
            ("a-$RANDOM.b", None),
            ("$(date +.env)", None),
            ("$(date +%D)", None),
            ("$(date)", None),
            ("x-$y", None),
            ("x", None),
        ] {
            assert_eq!(stamped(text, "0").as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn numbers_and_names_are_known_for_what_they_are() {
        for (text, expected) in [
            ("-j$(nproc)", Printed::Number),
            ("$((1 + 2))", Printed::Number),
            ("$(( $x ))", Printed::Anything),
            ("$(nproc)$x", Printed::Anything),
            ("$(git rev-parse HEAD~2)", Printed::Commit),
            ("$(git rev-parse --short HEAD)", Printed::Commit),
            ("$(git rev-parse .env)", Printed::Anything),
            ("$(git merge-base main HEAD)..HEAD", Printed::Commit),
            ("$(git merge-base --fork-point main)", Printed::Anything),
            ("$(git describe --tags --abbrev=0)..HEAD", Printed::Name),
            ("$(date +.env)", Printed::Anything),
            ("$(cat x)", Printed::Anything),
            ("$(git rev-parse HEADERS)", Printed::Anything),
            ("$(git rev-parse\nHEAD)", Printed::Anything),
            ("`nproc`", Printed::Anything),
        ] {
            assert_eq!(printed(text), expected, "{text}");
        }
    }
}
