//! Which files a command names, whether it reads or writes them, and where they lie. What is allowed there is not here.

mod given;
mod unknown;

use std::borrow::Cow;

use super::super::judge::Around;
use super::super::paths::Access;
use super::super::shell::script::{Expands, Folders, Word};
use super::effects::{base, is_interpreter, only_prints};
use super::options::{Part, Style, Valued, readings};
use super::subcommands;
use given::given;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub path: Word,
    pub access: Access,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Reads,
    /// The first operand is a pattern or a program text.
    ReadsAfterFirst,
    Writes,
    /// The last operand, or the value of `-t`, is written and the others are read.
    Copies,
    /// The same, and the others go away.
    Moves,
    /// `if=` and `of=`.
    Pairs,
}

/// Letters of options whose value is the next word.
const COMMANDS: &[(&str, Way, &str)] = &[
    (".", Way::Reads, ""),
    ("ack", Way::ReadsAfterFirst, "ABCm"),
    ("ag", Way::ReadsAfterFirst, "ABCm"),
    ("awk", Way::ReadsAfterFirst, "Fv"),
    ("b2sum", Way::Reads, ""),
    ("base32", Way::Reads, "w"),
    ("base64", Way::Reads, "w"),
    ("bash", Way::Reads, "o"),
    ("7z", Way::ReadsAfterFirst, ""),
    ("basenc", Way::Reads, "w"),
    ("bat", Way::Reads, "lHr"),
    ("batcat", Way::Reads, "lHr"),
    ("bzcat", Way::Reads, ""),
    ("bzip2", Way::Moves, ""),
    ("cat", Way::Reads, ""),
    ("chattr", Way::Writes, ""),
    ("chgrp", Way::Writes, ""),
    ("chmod", Way::Writes, ""),
    ("chown", Way::Writes, ""),
    ("cksum", Way::Reads, ""),
    ("cmp", Way::Reads, "nis"),
    ("code", Way::Reads, ""),
    ("colordiff", Way::Reads, "UCxXWLI"),
    ("column", Way::Reads, "tsco"),
    ("comm", Way::Reads, ""),
    ("cp", Way::Copies, "tS"),
    ("csplit", Way::Reads, "fbn"),
    ("curl", Way::Reads, "HXAeumbx"),
    ("cut", Way::Reads, "dfbc"),
    ("dash", Way::Reads, "o"),
    ("dd", Way::Pairs, ""),
    ("diff", Way::Reads, "UCxXWLI"),
    ("ed", Way::Moves, "p"),
    ("diff3", Way::Reads, ""),
    ("egrep", Way::ReadsAfterFirst, "ABCmdD"),
    ("ex", Way::Moves, "cSuU"),
    ("expand", Way::Reads, "t"),
    ("fgrep", Way::ReadsAfterFirst, "ABCmdD"),
    ("file", Way::Reads, "F"),
    ("fmt", Way::Reads, "w"),
    ("fold", Way::Reads, "w"),
    ("gawk", Way::ReadsAfterFirst, "Fv"),
    ("git", Way::Reads, ""),
    ("gpg", Way::Reads, "ru"),
    ("grep", Way::ReadsAfterFirst, "ABCmdD"),
    ("gzip", Way::Moves, "S"),
    ("gsed", Way::ReadsAfterFirst, "l"),
    ("gunzip", Way::Moves, "S"),
    ("hd", Way::Reads, "sn"),
    ("head", Way::Reads, "nc"),
    ("hexdump", Way::Reads, "sne"),
    ("iconv", Way::Reads, "ft"),
    ("install", Way::Copies, "tmogS"),
    ("join", Way::Reads, "12jtoe"),
    ("jq", Way::ReadsAfterFirst, "L"),
    ("less", Way::Reads, "pjPx"),
    ("link", Way::Copies, ""),
    ("ln", Way::Copies, "tS"),
    ("look", Way::Reads, ""),
    ("man", Way::Reads, "PSMm"),
    ("mawk", Way::ReadsAfterFirst, "Fv"),
    ("md5sum", Way::Reads, ""),
    ("mkdir", Way::Writes, "m"),
    ("mkfifo", Way::Writes, "m"),
    ("mknod", Way::Writes, "m"),
    ("more", Way::Reads, "n"),
    ("mv", Way::Moves, "tS"),
    ("nano", Way::Moves, ""),
    ("nl", Way::Reads, "bdfhilnsvw"),
    ("nvim", Way::Moves, ""),
    ("od", Way::Reads, "AjNStw"),
    ("openssl", Way::Reads, ""),
    ("original-awk", Way::ReadsAfterFirst, "Fv"),
    ("pandoc", Way::Reads, "oftr"),
    ("paste", Way::Reads, "d"),
    ("patch", Way::Writes, "p"),
    ("pg", Way::Reads, ""),
    ("pr", Way::Reads, ""),
    ("prettier", Way::Reads, ""),
    ("ptx", Way::Reads, ""),
    ("readarray", Way::Reads, ""),
    ("rev", Way::Reads, ""),
    ("rg", Way::ReadsAfterFirst, "ABCgmtTjMr"),
    ("rm", Way::Writes, ""),
    ("rmdir", Way::Writes, ""),
    ("rsync", Way::Copies, "e"),
    ("scp", Way::Copies, "PiloF"),
    ("sdiff", Way::Reads, "ow"),
    ("sed", Way::ReadsAfterFirst, "l"),
    ("sh", Way::Reads, "o"),
    ("sha1sum", Way::Reads, ""),
    ("sha224sum", Way::Reads, ""),
    ("sha256sum", Way::Reads, ""),
    ("sha384sum", Way::Reads, ""),
    ("sha512sum", Way::Reads, ""),
    ("shasum", Way::Reads, "a"),
    ("shred", Way::Writes, "ns"),
    ("shuf", Way::Reads, "nio"),
    ("sort", Way::Reads, "kStT"),
    ("source", Way::Reads, ""),
    ("split", Way::Reads, "abClnt"),
    ("sqlite3", Way::Moves, ""),
    ("srm", Way::Writes, ""),
    ("strings", Way::Reads, "nte"),
    ("sum", Way::Reads, ""),
    ("tac", Way::Reads, "s"),
    ("tail", Way::Reads, "nc"),
    ("tar", Way::Reads, "bHV"),
    ("tee", Way::Writes, ""),
    ("touch", Way::Writes, "dt"),
    ("truncate", Way::Writes, "s"),
    ("tsort", Way::Reads, ""),
    ("unexpand", Way::Reads, "t"),
    ("uniq", Way::Reads, "fsw"),
    ("unlink", Way::Writes, ""),
    ("uuencode", Way::Reads, ""),
    ("vi", Way::Moves, ""),
    ("view", Way::Reads, ""),
    ("vim", Way::Moves, ""),
    ("vimdiff", Way::Moves, ""),
    ("wc", Way::Reads, ""),
    ("wget", Way::Reads, "UtTQ"),
    ("xmllint", Way::Reads, ""),
    ("xxd", Way::Reads, "cglos"),
    ("xz", Way::Moves, ""),
    ("xzcat", Way::Reads, ""),
    ("yq", Way::ReadsAfterFirst, ""),
    ("zcat", Way::Reads, ""),
    ("zip", Way::Reads, "bn"),
    ("zless", Way::Reads, ""),
    ("zgrep", Way::ReadsAfterFirst, "ABCm"),
    ("zsh", Way::Reads, "o"),
    ("zstd", Way::Moves, ""),
    ("zstdcat", Way::Reads, ""),
    ("script", Way::Writes, "cEmoT"),
    ("logsave", Way::Writes, ""),
    ("rustfmt", Way::Moves, ""),
    ("setfacl", Way::Writes, "m"),
    ("tailf", Way::Reads, "n"),
    ("fallocate", Way::Writes, "lo"),
    ("sponge", Way::Writes, ""),
    ("dos2unix", Way::Writes, ""),
    ("unix2dos", Way::Writes, ""),
];

/// What stands behind their `-e` is looked for, and names no file.
const PATTERNS_BY_E: &[&str] = &["ag", "egrep", "fgrep", "grep", "rg", "ugrep", "zgrep"];

/// Reading subcommands of git, and those that change files of the work tree.
const GIT_READS: &[&str] = &[
    "add",
    "am",
    "annotate",
    "archive",
    "blame",
    "bundle",
    "cat-file",
    "diff",
    "grep",
    "hash-object",
    "log",
    "send-email",
    "show",
];
const GIT_WRITES: &[&str] =
    &["apply", "checkout", "checkout-index", "clean", "mv", "restore", "rm", "stash", "update-index"];

pub fn is_known(name: &str) -> bool {
    COMMANDS.iter().any(|(known, _, _)| *known == name)
}

/// Which of its operands a program reads and which it writes is known of each.
pub fn exactly_known(name: &str) -> bool {
    COMMANDS.iter().any(|(known, way, _)| *known == name && !matches!(way, Way::Reads | Way::ReadsAfterFirst))
}

/// The files among the words of one command, as far as the program is one that is known to open what it names.
pub fn named(words: &[Word]) -> Vec<Named> {
    let Some(name) = words.first().map(|word| base(&word.text)) else { return Vec::new() };
    if name == "phasegate" {
        return contexts(words);
    }
    let mut found = operands(name, words);
    found.extend(copied_by_manager(name, words));
    found.extend(given(name, words).into_iter().map(|path| Named { path, access: Access::Read }));
    found
}

/// `docker cp web:/a b`: what has no colon lies here.
fn copied_by_manager(name: &str, words: &[Word]) -> Vec<Named> {
    if !matches!(name, "docker" | "docker-compose" | "kubectl" | "nerdctl" | "oc" | "podman") {
        return Vec::new();
    }
    let Some(at) = words.iter().position(|word| word.text == "cp") else { return Vec::new() };
    let operands: Vec<&Word> = words.iter().skip(at + 1).filter(|word| !word.text.starts_with('-')).collect();
    let is_here = |word: &Word| !word.text.contains(':') || word.text.starts_with(['.', '/']);
    let here = operands.iter().enumerate().filter(|(_, word)| is_here(word));
    // The last may be the value of an option.
    let access = |index| if index > 0 { Access::Write } else { Access::Read };
    here.map(|(index, word)| Named { path: (*word).clone(), access: access(index) }).collect()
}

/// Those that the table knows to be opened.
fn operands(name: &str, words: &[Word]) -> Vec<Named> {
    let known = COMMANDS.iter().find(|(known, _, _)| *known == name);
    // A program text is read, and printed where it is none.
    let program = is_interpreter(name).then_some(&("", Way::Reads, "cemrpWX"));
    let Some((_, way, letters)) = known.or(program) else { return unknown::opened(name, words) };
    if name == "git" {
        return git(words);
    }
    let (mut operands, mut found) = (Vec::new(), Vec::new());
    let (mut pattern_given, mut in_place, mut symbolic) = (false, false, false);
    let letters =
        if PATTERNS_BY_E.contains(&name) { Cow::Owned(format!("{letters}e")) } else { Cow::Borrowed(*letters) };
    let valued = Valued { letters: &letters, names: &["target-directory", "regexp", "exclude"] };
    let mut ways = readings(name, words, 1, Style::Getopt, valued).into_iter();
    let listed = ways.next().unwrap_or_default();
    let options = ways.flatten().filter(|part| matches!(part, Part::Option { .. }));
    for part in listed.into_iter().chain(options) {
        match part {
            Part::Operand { at } | Part::Unknown { at } => operands.extend(words.get(at)),
            Part::Option { name: option, long, value, attached, at } => {
                pattern_given |= matches!(option, "e" | "f" | "regexp" | "file" | "expression" | "from-file");
                let expands = words.get(at).map(|word| word.expands).unwrap_or_default();
                symbolic |= name == "ln" && matches!(option, "s" | "symbolic");
                in_place |= match name {
                    "sed" | "gsed" | "yq" => option == "i" || option.starts_with("in"),
                    "jq" => matches!(option, "i" | "in-place"),
                    _ => false,
                };
                // The rest of a bundle of letters is no value, unless it looks like a path.
                let attached = attached
                    .filter(|text| long || option == "f" || letters.contains(option) || text.contains(['.', '/']));
                let value = value.cloned().or_else(|| attached.map(|text| Word { text: text.to_owned(), expands }));
                let is_pattern = match option {
                    "e" => PATTERNS_BY_E.contains(&name),
                    "regexp" | "exclude" | "exclude-dir" => true,
                    _ => false,
                };
                if let Some(path) = value.filter(|_| !is_pattern) {
                    let written = matches!(option, "t" | "target-directory") && matches!(way, Way::Copies | Way::Moves);
                    found.push(Named { path, access: if written { Access::Write } else { Access::Read } });
                }
            }
        }
    }
    if *way == Way::ReadsAfterFirst && !pattern_given && !operands.is_empty() {
        operands.remove(0);
    }
    let written = found.iter().any(|named| named.access == Access::Write);
    let last = operands.len().saturating_sub(1);
    for (place, word) in operands.into_iter().enumerate() {
        let mut add = |access| found.push(Named { path: word.clone(), access });
        match way {
            Way::ReadsAfterFirst if in_place => add(Access::Write),
            Way::Reads | Way::ReadsAfterFirst => add(Access::Read),
            Way::Writes => add(Access::Write),
            Way::Copies | Way::Moves => {
                if (place == last && !written) || *way == Way::Moves {
                    add(Access::Write);
                }
                if place != last || written || *way == Way::Moves {
                    add(Access::Read);
                }
            }
            Way::Pairs => {
                for (prefix, access) in [("if=", Access::Read), ("of=", Access::Write)] {
                    if let Some(path) = word.text.strip_prefix(prefix) {
                        found.push(Named { path: Word { text: path.to_owned(), expands: word.expands }, access });
                    }
                }
            }
        }
    }
    if matches!(name, "curl" | "wget" | "scp" | "rsync" | "zip" | "jq") {
        uploads(words, &mut found);
    }
    if symbolic {
        found.extend(linked(&found));
    }
    found
}

/// What a symbolic link means is read from the folder where the link is.
fn linked(named: &[Named]) -> Vec<Named> {
    let mut found = Vec::new();
    for link in named.iter().filter(|named| named.access == Access::Write) {
        let parent = link.path.text.trim_end_matches('/').rsplit_once('/').map(|(parent, _)| parent);
        for folder in [Some(link.path.text.as_str()), parent].into_iter().flatten() {
            let targets = named.iter().filter(|named| named.access == Access::Read);
            found.extend(targets.filter(|target| !target.path.text.starts_with(['/', '~'])).map(|target| {
                let text = format!("{folder}/{}", target.path.text);
                Named { path: Word { text, expands: target.path.expands.and(link.path.expands) }, access: Access::Read }
            }));
        }
    }
    found
}

/// Options of `phasegate context` whose value is the next word and no file.
const CONTEXT_VALUES: &[&str] = &["--query", "--keep", "--tokens", "--parts"];

/// `phasegate context` prints what is in the files it is given.
fn contexts(words: &[Word]) -> Vec<Named> {
    let Some(at) = words.iter().position(|word| word.text == "context") else { return Vec::new() };
    let values = words.iter().skip(at + 1).map(|before| CONTEXT_VALUES.contains(&before.text.as_str()));
    let operands = words.iter().skip(at + 2).zip(values).filter(|(word, value)| !value && !word.text.starts_with('-'));
    operands.map(|(word, _)| Named { path: word.clone(), access: Access::Read }).collect()
}

/// `-d @file`, `-F name=@file`, `host:file`.
fn uploads(words: &[Word], found: &mut Vec<Named>) {
    for word in words.iter().skip(1) {
        let path = word.text.split_once(['@', '<']).and_then(|(_, path)| path.split(';').next());
        if let Some(path) = path.filter(|path| !path.is_empty()) {
            found.push(Named { path: Word { text: path.to_owned(), expands: word.expands }, access: Access::Read });
        }
    }
}

fn git(words: &[Word]) -> Vec<Named> {
    subcommands::subcommands("git", words).into_iter().flat_map(|(at, sub)| of_git(words, at, sub)).collect()
}

fn of_git(words: &[Word], at: usize, sub: &str) -> Vec<Named> {
    if sub == "config" && !only_prints("git", words) {
        let home = words.iter().any(|word| matches!(word.text.as_str(), "--global" | "--system"));
        let (text, tilde) = if home { ("~/.gitconfig", true) } else { (".git/config", false) };
        let path = Word { text: text.to_owned(), expands: Expands { tilde, ..Expands::default() } };
        return vec![Named { path, access: Access::Write }];
    }
    let access = if GIT_READS.contains(&sub) {
        Access::Read
    } else if GIT_WRITES.contains(&sub) {
        Access::Write
    } else {
        return Vec::new();
    };
    // `git clean -e file` leaves it.
    let is_kept = |before: &Word| sub == "clean" && matches!(before.text.as_str(), "-e" | "--exclude");
    let named = |text: &str, expands: Expands| Named { path: Word { text: text.to_owned(), expands }, access };
    words
        .iter()
        .skip(at + 1)
        .zip(words.iter().skip(at))
        .filter(|(word, before)| !word.text.starts_with('-') && !is_kept(before))
        .map(|(word, _)| word)
        .flat_map(|word| {
            let inside = word.text.split_once(':').map(|(_, path)| named(path, word.expands));
            [Some(named(&word.text, word.expands)), inside].into_iter().flatten()
        })
        .collect()
}

/// Every absolute path that a word may mean, and whether more are possible than are listed.
pub fn places(word: &Word, folders: &Folders, cds: &[String], around: &Around) -> (Vec<String>, bool) {
    let home = around.home.as_deref();
    let text = if word.expands.tilde { expand_home(&word.text, home) } else { word.text.clone() };
    if text.starts_with('/') {
        let behind = through_a_process(&text, &around.cwd);
        return (behind.into_iter().chain([normal(&text)]).collect(), false);
    }
    let mut starts: Vec<String> = Vec::new();
    let open = match folders {
        Folders::Known(all) if all.iter().flatten().all(|step| !step.starts_with('$')) => {
            for steps in all {
                starts.push(steps.iter().fold(around.cwd.clone(), |from, step| {
                    let step = expand_home(step, home);
                    through_a_process(&step, &around.cwd).unwrap_or_else(|| join(&from, &step))
                }));
            }
            all.iter().flatten().any(|step| is_in_anothers_home(step) || (step.starts_with('~') && home.is_none()))
        }
        Folders::Known(_) | Folders::Unknown => {
            starts.push(around.cwd.clone());
            starts.extend(cds.iter().map(|folder| join(&around.cwd, &expand_home(folder, home))));
            true
        }
    };
    (starts.iter().map(|start| join(start, &text)).collect(), open)
}

/// `/proc/self/cwd/x`, `/dev/fd/../root/x`: links of the system to where a process is.
fn through_a_process(text: &str, cwd: &str) -> Option<String> {
    let rest = ["/proc/", "/dev/fd"].iter().find_map(|start| text.strip_prefix(start))?;
    let behind = |name: &str| {
        rest.split_once(name).map(|(_, below)| below).filter(|below| below.is_empty() || below.starts_with('/'))
    };
    behind("/cwd")
        .map(|below| normal(&format!("{cwd}/{below}")))
        .or_else(|| behind("/root").map(|below| normal(&format!("/{below}"))))
}

fn expand_home(text: &str, home: Option<&str>) -> String {
    match (text.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
        (_, _) => text.to_owned(),
    }
}

/// `~root` and the like, and the shell's own `~+` and `~-`: where it lies is not known before it runs.
pub fn is_in_anothers_home(text: &str) -> bool {
    text.strip_prefix('~').is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

pub fn join(folder: &str, path: &str) -> String {
    if path.starts_with('/') { normal(path) } else { normal(&format!("{folder}/{path}")) }
}

/// Absolute, without `.`, `..` and repeated slashes; the file system is not asked.
pub fn normal(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        text.split(' ').map(|text| Word { text: text.to_owned(), ..Word::default() }).collect()
    }

    #[test]
    fn files_that_are_read_and_written() {
        for (text, expected) in [
            ("cat a b", "r:a r:b"),
            ("head -n 5 a", "r:5 r:a"),
            ("grep -r KEY .env", "r:.env"),
            ("grep -e KEY .env", "r:.env"),
            ("grep -fx .env", "r:x r:.env"),
            ("cp a b", "r:a w:b"),
            ("cp -t d a b", "w:d r:a r:b"),
            ("mv a b", "w:a r:a w:b r:b"),
            ("ln -s a b", "r:a w:b r:b/a"),
            ("tee -a log", "w:log"),
            ("dd if=a of=b", "r:a w:b"),
            ("rm -rf x", "w:x"),
            ("git show HEAD:.env", "r:HEAD:.env r:.env"),
            ("git push origin", ""),
            ("curl -d @.env h", "r:@.env r:h r:.env"),
            ("echo .env", ""),
            ("phasegate --json context reduce --query why .env --keep 0.5", "r:.env"),
            ("phasegate board --once", ""),
            ("node .env", "r:.env"),
            ("python3.12 -m pytest tests", "r:pytest r:tests"),
        ] {
            let mut found: Vec<String> = named(&words(text))
                .iter()
                .map(|named| format!("{}:{}", if named.access == Access::Read { "r" } else { "w" }, named.path.text))
                .collect();
            found.dedup();
            if text.starts_with("curl") {
                assert!(found.contains(&"r:.env".to_owned()), "{found:?}");
                continue;
            }
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn where_a_word_leads() {
        let around = Around { cwd: "/p".into(), home: Some("/home/d".into()), ..Around::default() };
        let tilde = Expands { tilde: true, ..Expands::default() };
        for (text, expands, steps, expected) in [
            ("a/../b", Expands::default(), vec![], "/p/b"),
            ("../../x", Expands::default(), vec![], "/x"),
            ("~/x", tilde, vec![], "/home/d/x"),
            ("~/x", Expands::default(), vec![], "/p/~/x"),
            ("x", Expands::default(), vec!["~/s".to_owned(), "t".to_owned()], "/home/d/s/t/x"),
            ("/x//y/.", Expands::default(), vec!["z".to_owned()], "/x/y"),
        ] {
            let word = Word { text: text.to_owned(), expands };
            let (found, open) = places(&word, &Folders::Known(vec![steps]), &[], &around);
            assert_eq!((found, open), (vec![expected.to_owned()], false), "{text}");
        }
    }
}
