//! The folders that a command goes to by an option, before it opens anything: `git -C sub`. What `cd` does is the shell's.

use super::super::shell::script::{Folders, Word};
use super::effects::base;
use super::subcommands::{subcommand, takes_a_value};

/// Programs, the letter and the long name of their option. Those that start another program are in it too.
const MOVING: &[(&str, &str, &str)] = &[
    ("bun", "", "--cwd"),
    ("bwrap", "", "--chdir"),
    ("cargo", "C", ""),
    ("conda", "", "--cwd"),
    ("env", "C", "--chdir"),
    ("git", "C", ""),
    ("gmake", "C", "--directory"),
    ("go", "C", ""),
    ("hg", "", "--cwd"),
    ("just", "d", "--working-directory"),
    ("make", "C", "--directory"),
    ("meson", "C", ""),
    ("mise", "C", "--cd"),
    ("ninja", "C", ""),
    ("npm", "C", "--prefix"),
    ("nsenter", "w", "--wd"),
    ("parallel", "", "--workdir"),
    ("pnpm", "C", "--dir"),
    ("poetry", "C", "--directory"),
    ("start-stop-daemon", "d", "--chdir"),
    ("sudo", "D", "--chdir"),
    ("systemd-run", "", "--working-directory"),
    ("task", "d", "--dir"),
    ("terraform", "", "-chdir"),
    ("tofu", "", "-chdir"),
    ("unshare", "w", "--wd"),
    ("uv", "", "--directory"),
    ("uvx", "", "--directory"),
    ("yarn", "", "--cwd"),
];

/// Where the command may be once it has read its options, from where it starts.
pub fn moved(words: &[Word]) -> Folders {
    let stays = Folders::default();
    let Some(name) = words.first().map(|word| base(&word.text)) else { return stays };
    let Some((_, letter, long)) = MOVING.iter().find(|(known, _, _)| *known == name) else { return stays };
    // Behind its subcommand the same letter means something else: `git commit -C HEAD`.
    let git = name == "git";
    // A file of a commit (`HEAD:file`) is named from the top of the repository.
    let exact = git && !words.iter().any(|word| word.text.contains(':'));
    let end = subcommand(name, words).map_or(words.len(), |(at, _)| if git { at } else { words.len() });
    let mut ways = vec![Vec::new()];
    for (at, word) in words.iter().enumerate().take(end).skip(1) {
        let before = words.get(at - 1).map_or("", |before| before.text.as_str());
        if git && before != "-C" && takes_a_value("git", before) {
            continue;
        }
        let Some(attached) = value(&word.text, letter, long) else { continue };
        let given = match attached {
            "" => words.get(at + 1).map(|next| (next.text.as_str(), next)),
            text => Some((text, word)),
        };
        let Some((folder, from)) = given else { continue };
        if matches!(folder, "$PWD" | "${PWD}") {
            continue;
        }
        if from.expands.value || from.expands.glob || from.expands.brace {
            return Folders::Unknown;
        }
        let further: Vec<Vec<String>> =
            ways.iter().map(|steps: &Vec<String>| [steps.as_slice(), &[folder.to_owned()]].concat()).collect();
        // Elsewhere it may belong to a program that this one starts, which goes there by itself.
        ways = if exact { further } else { [ways, further].concat() };
        if ways.len() > 8 {
            return Folders::Unknown;
        }
    }
    Folders::Known(ways)
}

/// What is written in the same word, or nothing where the next word is the folder.
fn value<'a>(text: &'a str, letter: &str, long: &str) -> Option<&'a str> {
    let (name, attached) = text.split_once('=').unwrap_or((text, ""));
    // Long names may be cut short.
    if name.len() > 2 && long.starts_with(name) {
        return Some(attached);
    }
    let bundle = text.strip_prefix('-').filter(|rest| !letter.is_empty() && !rest.starts_with('-'))?;
    let (before, after) = bundle.split_once(letter)?;
    before.chars().all(|other| other.is_ascii_alphabetic()).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Folders {
        let words: Vec<Word> = text
            .split(' ')
            .map(|text| {
                let mut word = Word { text: text.to_owned(), ..Word::default() };
                word.expands.value = text.contains('$');
                word
            })
            .collect();
        moved(&words)
    }

    fn known(ways: &[&[&str]]) -> Folders {
        Folders::Known(ways.iter().map(|steps| steps.iter().map(|step| (*step).to_owned()).collect()).collect())
    }

    #[test]
    fn options_move_a_command() {
        for (text, ways) in [
            ("cat -C sub", &[&[][..]][..]),
            ("git diff x", &[&[]]),
            ("git -C sub diff", &[&["sub"]]),
            ("git -C a -C b diff -C x", &[&["a", "b"]]),
            ("git commit -C HEAD", &[&[]]),
            ("git --namespace -C diff x", &[&[]]),
            ("git -C sub show HEAD:x", &[&[], &["sub"]]),
            ("/usr/bin/git -C sub log", &[&["sub"]]),
            ("env -C sub cat x", &[&[], &["sub"]]),
            ("env -iC sub cat x", &[&[], &["sub"]]),
            ("env -Csub cat x", &[&[], &["sub"]]),
            ("env --chd=sub cat x", &[&[], &["sub"]]),
            ("sudo -u bob -D sub cat x", &[&[], &["sub"]]),
            ("terraform -chdir=sub plan", &[&[], &["sub"]]),
        ] {
            assert_eq!(of(text), known(ways), "{text}");
        }
        assert_eq!(of("git -C $x diff"), Folders::Unknown);
        assert_eq!(of("env -C 1 -C 2 -C 3 -C 4 true"), Folders::Unknown);
    }
}
