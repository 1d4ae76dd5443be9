//! Files that a command writes by its options, by what it unpacks and by what it finds: its operands say nothing of them.
//! Operands are in `files`.

use super::super::judge::Around;
use super::super::paths::Access;
use super::super::shell::script::{Expands, Input, Word};
use super::awk;
use super::effects::{self, Effect, base, is_interpreter};
use super::files::{self, Named, join};
use super::reach::{could_meet, names};
use super::table;

/// A name that stands for whatever lies in a folder.
pub const ANYTHING_IN_IT: &str = "phasegate-any";

/// Before a pattern that finds names beginning with a dot as well, as it would stand for the shell.
pub const DOTS_TOO: &str = "{,}";

/// Letters and long names of options that name the folder into which a program puts files.
const INTO: &[(&str, &str, &[&str])] = &[
    ("7z", "o", &[]),
    ("bsdtar", "C", &["directory", "cd"]),
    ("cpio", "D", &["directory"]),
    ("curl", "", &["output-dir"]),
    ("tar", "C", &["directory", "cd"]),
    ("gtar", "C", &["directory", "cd"]),
    ("unzip", "d", &[]),
    ("wget", "P", &["directory-prefix"]),
];

/// Options whose value is a file that is written, of programs of which the tables do not tell it.
const OUTPUT: &[(&str, &[&str])] = &[
    ("jq", &["--output"]),
    ("ltrace", &["-o", "--output"]),
    ("nmap", &["-oA", "-oG", "-oN", "-oS", "-oX"]),
    ("screen", &["-Logfile"]),
    ("script", &["-B", "-I", "-O", "--log-in", "--log-io", "--log-out"]),
    ("sops", &["--output"]),
    ("strace", &["-o", "--output"]),
    ("time", &["-o", "--output"]),
];

/// What holds agents, as `find` could come upon it.
const HELD: &[&str] =
    &[".phasegate", "phasegate.db", ".claude", "settings.json", "settings.local.json", ".mcp.json", "phasegate.yaml"];
/// It lies in every work tree, and nothing writes it without a person.
const PROTECTED: &str = ".git/hooks/pre-commit";

pub fn written(words: &[Word], input: Input, around: &Around) -> Vec<Named> {
    let Some(name) = words.first().map(|word| base(&word.text)) else { return Vec::new() };
    let writes = |path: Word| Named { path, access: Access::Write };
    let risks = effects::risks(words, input).into_iter().filter(|risk| risk.effect == Effect::Writes);
    let mut found: Vec<Named> = risks.filter_map(|risk| risk.target).map(writes).collect();
    for (_, letters, long) in INTO.iter().filter(|(known, _, _)| *known == name) {
        found.extend(folders(words, letters, long).flat_map(|folder| [writes(within(&folder)), writes(folder)]));
    }
    for (_, options) in OUTPUT.iter().filter(|(known, _)| *known == name) {
        found.extend(values_of(words, options).map(writes));
    }
    for target in effects::perhaps_targets(words).into_iter().map(writes) {
        if !found.contains(&target) {
            found.push(target);
        }
    }
    found.extend(operands(name, words).into_iter().map(writes));
    match name {
        "find" | "gfind" => found.extend(come_upon(words, around)),
        "sed" | "gsed" => {
            found.extend(words.iter().flat_map(written_by_sed).map(writes));
            let reads = |path: Word| Named { path, access: Access::Read };
            found.extend(words.iter().skip(1).flat_map(read_by_sed).map(reads));
        }
        "awk" | "gawk" | "mawk" | "nawk" => found.extend(awk::files(words)),
        "fd" | "fdfind" => found.extend(searched(words).into_iter().map(writes)),
        _ => {}
    }
    found
}

/// A file in it that no rule names.
pub fn within(folder: &Word) -> Word {
    Word { text: format!("{}/{ANYTHING_IN_IT}", folder.text), expands: folder.expands }
}

/// The values of these options, in whichever way they are written.
fn folders<'w>(words: &'w [Word], letters: &'w str, long: &'w [&'w str]) -> impl Iterator<Item = Word> + 'w {
    words.iter().enumerate().skip(1).filter_map(move |(at, word)| {
        if let Some(option) = word.text.strip_prefix("--") {
            let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
            let known = long.contains(&name);
            let value = value.map(|text| Word { text: text.to_owned(), expands: word.expands });
            return known.then(|| value.or_else(|| words.get(at + 1).cloned()))?;
        }
        let bundle = word.text.strip_prefix('-')?;
        let (at_letter, letter) = bundle.char_indices().find(|(_, letter)| letters.contains(*letter))?;
        let rest = bundle.get(at_letter + letter.len_utf8()..).unwrap_or_default();
        match rest {
            "" => words.get(at + 1).cloned(),
            rest => Some(Word { text: rest.to_owned(), expands: word.expands }),
        }
    })
}

fn values_of<'w>(words: &'w [Word], options: &'w [&'w str]) -> impl Iterator<Item = Word> + 'w {
    words.iter().enumerate().filter_map(move |(at, word)| {
        let (name, value) =
            word.text.split_once('=').map_or((word.text.as_str(), None), |(name, value)| (name, Some(value)));
        let known = options.contains(&name);
        match value {
            Some(text) if known => Some(Word { text: text.to_owned(), expands: word.expands }),
            Some(_) => None,
            None => known.then(|| words.get(at + 1).cloned())?,
        }
    })
}

/// Operands that are written by programs whose others are not.
fn operands(name: &str, words: &[Word]) -> Vec<Word> {
    let is_option = |word: &&Word| word.text.starts_with('-') && word.text.len() > 1;
    let plain = || words.iter().skip(1).filter(|word| !is_option(word)).cloned();
    let bundle = |wanted: char| {
        let short = |word: &Word| {
            word.text.strip_prefix('-').is_some_and(|rest| !rest.starts_with('-') && rest.contains(wanted))
        };
        words.iter().skip(1).any(short)
    };
    let has = |wanted: &[&str]| words.iter().skip(1).any(|word| wanted.contains(&word.text.as_str()));
    match name {
        "split" => plain().skip(1).take(1).collect(),
        "zip" | "rename" | "prename" => plain().collect(),
        "prettier" | "eslint" | "black" | "isort" | "gofmt" | "shfmt" | "clang-format"
            if writes_in_place(name, words) =>
        {
            plain().collect()
        }
        "tar" | "gtar" | "bsdtar" if packs(words) => {
            values_of_letter(words, 'f').chain(values_of(words, &["--file"])).collect()
        }
        "git" if has(&["clone"]) => plain().skip_while(|word| word.text != "clone").skip(2).take(1).collect(),
        // Whatever is no option of `perl -pi -e CODE FILE` may be a file.
        _ if is_interpreter(name) && (name.starts_with("perl") || name.starts_with("ruby")) && bundle('i') => {
            plain().collect()
        }
        _ => Vec::new(),
    }
}

fn writes_in_place(name: &str, words: &[Word]) -> bool {
    let wanted: &[&str] = match name {
        "prettier" => &["--write", "-w"],
        "eslint" => &["--fix"],
        "gofmt" | "shfmt" => &["-w"],
        "clang-format" => &["-i"],
        _ => return !words.iter().any(|word| matches!(word.text.as_str(), "--check" | "--diff")),
    };
    words.iter().any(|word| wanted.contains(&word.text.as_str()))
}

pub fn packs(words: &[Word]) -> bool {
    bundles(words).any(|(_, letters)| letters.contains(['c', 'r', 'u', 'A']))
        || words.iter().any(|word| matches!(word.text.as_str(), "--create" | "--append" | "--update" | "--concatenate"))
}

/// Words of letters: behind one dash, or the first of all, with their places.
fn bundles(words: &[Word]) -> impl Iterator<Item = (usize, &str)> {
    words.iter().enumerate().skip(1).filter_map(|(at, word)| match word.text.strip_prefix('-') {
        Some(letters) => (!letters.starts_with('-')).then_some((at, letters)),
        None => (at == 1).then_some((at, word.text.as_str())),
    })
}

/// What stands behind the letter in a bundle, or in the next word.
fn values_of_letter(words: &[Word], letter: char) -> impl Iterator<Item = Word> + '_ {
    bundles(words).filter_map(move |(at, letters)| match letters.split_once(letter)?.1 {
        rest if rest.is_empty() || at == 1 && words.get(at)?.text == letters => words.get(at + 1).cloned(),
        rest => Some(Word { text: rest.to_owned(), expands: words.get(at)?.expands }),
    })
}

/// The files of `w` in a text for `sed`.
fn written_by_sed(word: &Word) -> Vec<Word> {
    let commands = word.text.split([';', '\n', '{', '}']);
    let file = |command: &str| {
        let (before, file) = command.split_once("w ")?;
        let ends = before.chars().next_back().is_none_or(|letter| !letter.is_ascii_alphabetic() || letter == 'g');
        (ends && !file.trim().is_empty()).then(|| Word { text: file.trim().to_owned(), expands: word.expands })
    };
    commands.filter_map(file).collect()
}

/// The files of `r` and `R`, wherever one may stand.
fn read_by_sed(word: &Word) -> Vec<Word> {
    let commands = word.text.split([';', '\n', '{', '}']);
    let files = |command: &'_ str| -> Vec<Word> {
        let starts = command.char_indices().filter(|(_, letter)| matches!(letter, 'r' | 'R'));
        let files = starts.filter_map(|(at, _)| {
            let (before, file) = (command.get(..at)?, command.get(at + 1..)?.trim());
            let stands = before.chars().next_back().is_none_or(|letter| !letter.is_ascii_alphabetic());
            (stands && !file.is_empty()).then(|| Word { text: file.to_owned(), expands: word.expands })
        });
        files.collect()
    };
    commands.flat_map(files).collect()
}

/// Tests of `find` that leave nothing out of what lies below a folder.
const LEAVES_ALL: &[&str] =
    &["-type", "-depth", "-d", "-mindepth", "-maxdepth", "-delete", "-print", "-print0", "-mount", "-xdev", "-L", "-H"];

/// What `find` removes, or hands to a program that writes or reads.
fn come_upon(words: &[Word], around: &Around) -> Vec<Named> {
    let writes = words.iter().any(|word| word.text == "-delete") || hands_on(words);
    let access = if writes { Access::Write } else { Access::Read };
    if !writes && !words.iter().any(|word| matches!(word.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir")) {
        return Vec::new();
    }
    met(words, writes, around).into_iter().map(|path| Named { path, access }).collect()
}

/// What `find` comes upon.
pub fn met(words: &[Word], writes: bool, around: &Around) -> Vec<Word> {
    let is_test = |word: &&Word| word.text.starts_with('-') || matches!(word.text.as_str(), "(" | "!" | ")");
    let mut starts: Vec<Word> = words.iter().skip(1).take_while(|word| !is_test(word)).cloned().collect();
    if starts.is_empty() {
        starts.push(Word { text: ".".to_owned(), ..Word::default() });
    }
    let (mut found, mut narrowed) = (Vec::new(), false);
    for (at, word) in words.iter().enumerate().skip(1) {
        let Some(pattern) = words.get(at + 1) else { break };
        let negated =
            at.checked_sub(1).and_then(|at| words.get(at)).is_some_and(|not| matches!(not.text.as_str(), "!" | "-not"));
        match word.text.as_str() {
            _ if negated => {}
            "-name" | "-iname" => {
                narrowed = true;
                let named = starts.iter().flat_map(|start| named_in(start, pattern, around));
                // Whatever the case of its letters.
                let any_case = word.text == "-iname";
                found.extend(named.map(|mut found| {
                    found.expands.glob |= any_case;
                    found
                }));
            }
            "-samefile" => {
                narrowed = true;
                found.push(pattern.clone());
            }
            "-regex" | "-iregex" => {
                narrowed = true;
                found.extend(starts.iter().map(|start| globbed(&format!("{}/{DOTS_TOO}*", start.text))));
            }
            "-path" | "-wholename" | "-ipath" if words.get(at + 2).is_none_or(|next| next.text != "-prune") => {
                narrowed = true;
                let text = pattern.text.trim_end_matches(['*', '/']);
                let text = text.strip_prefix("*/").unwrap_or(text);
                found.push(globbed(text));
            }
            _ => {}
        }
    }
    if narrowed {
        return found;
    }
    // A rule about the whole folder is about what is read of it; names in it are not looked for.
    if !writes {
        return starts.iter().map(within).collect();
    }
    let ended = words.iter().position(|word| matches!(word.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir"));
    let tests = words.get(1..ended.unwrap_or(words.len())).unwrap_or_default().iter().filter(is_test);
    let all = tests.clone().all(|test| LEAVES_ALL.contains(&test.text.as_str()));
    for start in starts {
        let whole = holds_root(&start, around);
        // Of the work tree itself some tests leave what holds agents alone, such as `-empty`.
        if whole && all {
            found.push(globbed(&format!("{}/{PROTECTED}", start.text)));
        } else if !whole {
            found.push(within(&start));
            found.push(start);
        }
    }
    found
}

/// Files of this name below the folder.
fn named_in(start: &Word, pattern: &Word, around: &Around) -> Vec<Word> {
    // Names that begin with a dot are found as well, which the shell's own `*` does not do.
    let dots = if pattern.text.starts_with(['*', '?']) { DOTS_TOO } else { "" };
    let mut found = vec![globbed(&format!("{}/{dots}{}", start.text, pattern.text))];
    let wanted = names(&format!("/{dots}{}", pattern.text));
    if holds_root(start, around) && HELD.iter().any(|held| could_meet(&wanted, &names(&format!("/{held}")))) {
        let place = match pattern.text.as_str() {
            "settings.json" => ".claude/settings.json",
            text if text.contains("phas") => ".phasegate",
            _ => PROTECTED,
        };
        found.push(Word { text: format!("{}/{place}", around.root), ..Word::default() });
    }
    found
}

fn globbed(text: &str) -> Word {
    let glob = text.contains(['*', '?', '[']);
    Word { text: text.to_owned(), expands: Expands { glob, ..Expands::default() } }
}

fn holds_root(start: &Word, around: &Around) -> bool {
    let place = join(&around.cwd, &start.text);
    let root = files::normal(&around.root);
    place == "/" || root == place || root.strip_prefix(&place).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a program that writes gets what was found.
fn hands_on(words: &[Word]) -> bool {
    let starts = words.iter().enumerate().filter(|(_, word)| {
        matches!(word.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "-X" | "--exec" | "--exec-batch")
    });
    starts.filter_map(|(at, _)| words.get(at + 1..)).any(writes_what_it_gets)
}

/// Whether these words are a program that writes the files it is given.
pub fn writes_what_it_gets(words: &[Word]) -> bool {
    let Some(name) = words.first().map(|word| base(&word.text)) else { return false };
    table::SHELLS.contains(&name)
        || is_interpreter(name)
        || files::named(words).iter().any(|named| named.access == Access::Write)
        || matches!(name, "rm" | "unlink" | "shred" | "mv" | "truncate")
}

/// What `fd` hands on: its pattern is a part of the name.
fn searched(words: &[Word]) -> Vec<Word> {
    if !hands_on(words) {
        return Vec::new();
    }
    let pattern = words.iter().skip(1).find(|word| !word.text.starts_with('-'));
    let pattern = pattern.map(|word| word.text.trim_matches(['^', '$']).replace('\\', "")).unwrap_or_default();
    let meets = |held: &&&str| pattern.len() > 2 && held.contains(pattern.as_str());
    HELD.iter().filter(meets).map(|_| globbed(".phasegate")).take(1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_without_being_an_operand() {
        let around = Around { cwd: "/p".into(), root: "/p".into(), home: Some("/home/d".into()), ..Around::default() };
        for (command, expected) in [
            ("curl -so a/b URL", "a/b"),
            ("curl --output a/b URL", "a/b"),
            ("curl --output-dir a -O URL", "a a/phasegate-any a URL"),
            ("wget -Oa/b URL", "a/b"),
            ("wget -P a URL", "a a/phasegate-any a"),
            ("tar xf x.tar -C a", "a/phasegate-any a"),
            ("tar -xf x.tar --directory=a", "a/phasegate-any a"),
            ("unzip x.zip -d a", "a a/phasegate-any a"),
            ("7z x x.7z -oa", "a a/phasegate-any a"),
            ("find a -delete", "a/phasegate-any a"),
            ("find . -name *.pyc -delete", "./{,}*.pyc"),
            ("find . -name .env -exec rm {} ;", "./.env"),
            ("find . -name phasegate.db -delete", "./phasegate.db /p/.phasegate"),
            ("find . -name *.json -delete", "./{,}*.json /p/.git/hooks/pre-commit"),
            ("find src -name *.json -delete", "src/{,}*.json"),
            ("find . -path ./.claude/* -delete", "./.claude"),
            ("find . -name *.log -not -path ./.git/* -delete", "./{,}*.log"),
            ("find . -type f -exec grep x {} ;", "./phasegate-any"),
            ("find . -name .env -exec cat {} +", "./.env"),
            ("perl -pi -e s/a/b/ f", "s/a/b/ f"),
            ("split a b", "b* b"),
            ("tar -czf a.tgz b", "a.tgz"),
            ("tar xzf a.tgz", ""),
            ("tar --gzip -cf a.tgz b", "a.tgz"),
            ("tar -c -fa b", "a"),
            ("tar -c --file=a.tgz b", "a.tgz"),
            ("curl --stderr a h", "a"),
            ("dot -oa x", "a"),
            ("go build -o a/b", "a/b"),
            ("git clone URL a", "a"),
            ("find . -type d -empty -delete", ""),
            ("find . -delete", "./.git/hooks/pre-commit"),
            ("fd phasegate -x rm", ".phasegate"),
            ("fd pyc -x rm", ""),
        ] {
            let word = |text: &str| Word { text: text.to_owned(), ..Word::default() };
            let words: Vec<Word> = command.split(' ').map(word).collect();
            let found = written(&words, Input::Inherited, &around);
            let found: Vec<&str> = found.iter().map(|named| named.path.text.as_str()).collect();
            assert_eq!(found.join(" "), expected, "{command}");
        }
    }
}
