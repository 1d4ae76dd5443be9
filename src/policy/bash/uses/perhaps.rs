//! Words that may be files which a command writes, though nobody here knows that it does: held against what no agent writes
//! and against rules that deny writing. Enough to refuse, never to allow.

use super::super::effects::{self, base, is_interpreter, only_prints};
use super::super::files::{self, exactly_known};
use super::super::guard::names_state;
use super::super::subcommands::{has_subcommands, subcommand};
use super::super::wrappers::{Inner, is_loose, look_inside};
use super::super::written::{packs, within};
use super::super::{clients, table};
use super::{
    Access, Decision, Expands, Finder, HOLDERS, Input, Rule, RuleSet, Use, Uses, View, Word, could_meet, is_free,
    names, paths, unbraced,
};

/// Words of one call that are looked at in this way.
const GUESSES_MAX: usize = 600;
/// Where rules are looked at, for each file that may be named.
const GUESSES_PER_FILE: usize = 2;

/// They only read what their words name, as far as no table says otherwise.
const READERS: &[&str] = &[
    ".",
    ":",
    "[",
    "[[",
    "ack",
    "ag",
    "alias",
    "awk",
    "b2sum",
    "base32",
    "base64",
    "basename",
    "basenc",
    "bat",
    "batcat",
    "bzcat",
    "cat",
    "cd",
    "cksum",
    "cmp",
    "code",
    "colordiff",
    "column",
    "comm",
    "command",
    "cut",
    "declare",
    "delta",
    "df",
    "diff",
    "diff3",
    "difft",
    "dirname",
    "du",
    "echo",
    "egrep",
    "exa",
    "expand",
    "export",
    "eza",
    "false",
    "fd",
    "fdfind",
    "fgrep",
    "file",
    "find",
    "fmt",
    "fold",
    "gawk",
    "grep",
    "gsed",
    "hd",
    "head",
    "hexdump",
    "iconv",
    "jq",
    "join",
    "jless",
    "less",
    "local",
    "look",
    "ls",
    "lsd",
    "lsof",
    "man",
    "mawk",
    "md5sum",
    "more",
    "nl",
    "od",
    "open",
    "paste",
    "phasegate",
    "popd",
    "pr",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readlink",
    "readonly",
    "realpath",
    "rev",
    "rg",
    "sed",
    "set",
    "sha1sum",
    "sha224sum",
    "sha256sum",
    "sha384sum",
    "sha512sum",
    "shasum",
    "source",
    "stat",
    "strings",
    "sum",
    "tac",
    "tail",
    "test",
    "tr",
    "tree",
    "true",
    "type",
    "typeset",
    "ugrep",
    "unexpand",
    "unset",
    "wc",
    "whereis",
    "which",
    "xdg-open",
    "xxd",
    "xzcat",
    "yq",
    "zcat",
    "zgrep",
    "zless",
    "zstdcat",
];

/// The same in PowerShell and on Windows, where the case of letters is no matter.
const OF_WINDOWS: &[&str] = &[
    "dir",
    "fc",
    "findstr",
    "format-hex",
    "gc",
    "gci",
    "get-childitem",
    "get-content",
    "get-filehash",
    "get-item",
    "gi",
    "resolve-path",
    "select-string",
    "sls",
    "test-path",
    "where",
];

/// They only look, unless an option has them write.
const LOOKS: &[&str] = &[
    "actionlint",
    "ajv",
    "alex",
    "biome",
    "check-jsonschema",
    "codespell",
    "cspell",
    "dotenv-linter",
    "dprint",
    "editorconfig-checker",
    "eslint",
    "flake8",
    "hadolint",
    "jsonlint",
    "markdownlint",
    "markdownlint-cli2",
    "mypy",
    "oxlint",
    "pre-commit",
    "prettier",
    "pylint",
    "pyright",
    "pytest",
    "ruff",
    "shellcheck",
    "stylelint",
    "textlint",
    "typos",
    "v8r",
    "vale",
    "yamllint",
];
const HAS_THEM_WRITE: &[&str] = &["write", "fix", "apply", "in-place", "inplace", "out"];

/// Subcommands of git that write none of the files they are given, or of which that is known elsewhere.
const OF_GIT: &[&str] = &[
    "add",
    "am",
    "annotate",
    "apply",
    "archive",
    "bisect",
    "blame",
    "branch",
    "cat-file",
    "check-attr",
    "check-ignore",
    "checkout",
    "checkout-index",
    "cherry",
    "cherry-pick",
    "clean",
    "commit",
    "count-objects",
    "describe",
    "diff",
    "diff-files",
    "diff-index",
    "diff-tree",
    "difftool",
    "fetch",
    "for-each-ref",
    "format-patch",
    "fsck",
    "gc",
    "grep",
    "hash-object",
    "help",
    "log",
    "ls-files",
    "ls-remote",
    "ls-tree",
    "merge",
    "merge-base",
    "mv",
    "name-rev",
    "notes",
    "pull",
    "push",
    "range-diff",
    "rebase",
    "reflog",
    "remote",
    "reset",
    "restore",
    "rev-list",
    "rev-parse",
    "revert",
    "rm",
    "send-email",
    "shortlog",
    "show",
    "show-branch",
    "show-ref",
    "stash",
    "status",
    "switch",
    "tag",
    "update-index",
    "var",
    "version",
    "whatchanged",
];

/// Subcommands of `gh` that put files somewhere.
const OF_GH: &[&str] = &["checkout", "clone", "download", "fork"];

/// Known programs of which a word may be what they write.
const ALSO_WRITE: &[&str] =
    &["7z", "ar", "cpio", "csplit", "ctags", "etags", "objcopy", "ranlib", "sqlite3", "strip", "tarfile", "zipfile"];
/// The last of their words is where the others go.
const COPY: &[&str] = &["aws", "gcloud", "gsutil", "rclone"];
/// Their words are texts in which files are named.
const TEXTS: &[&str] = &["duckdb", "lftp", "mysql", "psql", "redis-cli", "sftp", "sqlite3"];

/// Against what the words of a command are held.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Nothing,
    /// Only what holds agents: of its other files more is known.
    Holders,
    /// Rules that deny writing as well.
    Rules,
}

impl Finder<'_> {
    pub(super) fn perhaps_written(&self, view: &View, uses: &mut Uses) {
        for (word, extent) in guesses(view.words(), view.input) {
            // Each is held against each rule, as files that are named for certain.
            let most = if extent == Extent::Rules { self.files_max * GUESSES_PER_FILE } else { GUESSES_MAX };
            if uses.guesses > most {
                super::doubt(uses, "it names more files than are looked at");
                return;
            }
            let behind = word.text.rsplit([')', '}', '`']).next().unwrap_or_default();
            if word.expands.value && (clients::names_settings(behind) || names_state(behind, self.around)) {
                let why = format!("`{}` may be what holds agents to their phase", super::super::shown(&word.text));
                uses.guarded.get_or_insert(why);
            }
            for variant in self.values.words(&word).unwrap_or_else(|| vec![word.clone()]).into_iter().flat_map(unbraced)
            {
                let variant = self.settled(variant);
                if variant.expands.value || is_free(&variant.text) {
                    continue;
                }
                uses.guesses += 1;
                let (places, _) = files::places(&variant, &view.folders, &self.folders, self.around);
                for place in places {
                    if variant.expands.glob {
                        self.perhaps_found(&variant, &place, uses);
                    }
                    if let Some(real) = self.links.behind(&place) {
                        self.perhaps_one(&real, extent, uses);
                    }
                    self.perhaps_one(&place, extent, uses);
                }
            }
        }
    }

    /// A pattern that finds what holds agents.
    fn perhaps_found(&self, word: &Word, place: &str, uses: &mut Uses) {
        let found = names(&place.replace("**", "*"));
        let (holders, _) = self.held();
        if holders.iter().any(|holder| could_meet(&found, holder)) {
            let why = format!("`{}` may be what holds agents to their phase", super::super::shown(&word.text));
            uses.guarded.get_or_insert(why);
        }
    }

    fn perhaps_one(&self, path: &str, extent: Extent, uses: &mut Uses) {
        let last = path.rsplit('/').next().unwrap_or_default();
        let why = if HOLDERS.contains(&last) {
            Some("the settings that hold an agent to its phase lie there".to_owned())
        } else {
            paths::guarded(path, Access::Write, self.around)
        };
        if let Some(why) = why {
            uses.guarded.get_or_insert(format!("it may write `{}`: {why}", super::super::shown(path)));
        }
        if extent != Extent::Rules {
            return;
        }
        let rules = self.narrow.get_or_init(|| narrow(self.rules));
        if rules.deny.is_empty() && rules.ask.is_empty() {
            return;
        }
        let inside = within(&Word { text: path.to_owned(), ..Word::default() }).text;
        let verdicts = [path, inside.as_str()].map(|path| paths::judge(rules, Access::Write, path, self.around));
        let refuses = |decision| matches!(decision, Decision::Deny | Decision::Ask);
        if let Some(verdict) = verdicts.into_iter().find(|verdict| refuses(verdict.decision)) {
            let path = path.to_owned();
            uses.all.push(Use {
                access: Access::Write,
                path,
                verdict,
                redirected: false,
                protected: false,
                aside: true,
            });
        }
    }
}

/// The rules of deny and ask that are about some files: of those about all, nothing follows for a word that may be none.
fn narrow(rules: &RuleSet) -> RuleSet {
    let about_some = |rule: &&Rule| {
        let names_some = |spec: &str| spec.contains(|letter: char| !"*/.~".contains(letter));
        rule.path.is_some() && rule.spec.as_deref().is_some_and(names_some)
    };
    let of = |list: &[Rule]| list.iter().filter(about_some).cloned().collect();
    RuleSet { deny: of(&rules.deny), ask: of(&rules.ask), ..RuleSet::default() }
}

/// Words and parts of words that may be such files.
fn guesses(words: &[Word], input: Input) -> Vec<(Word, Extent)> {
    let mut found: Vec<(Word, Extent)> = Vec::new();
    // `npx prettier`, `python3 -m json.tool`: what the launcher starts says what becomes of the rest.
    let start = effects::started(words);
    let own = words.get(start..).unwrap_or_default();
    let Some(name) = own.first().map(|word| base(&word.text)) else { return found };
    let extent = extent(name, own, start > 0);
    let end = end(own, input);
    let taken: Vec<&Word> = match name {
        _ if extent == Extent::Nothing => Vec::new(),
        "git" => own.iter().skip(subcommand("git", own).map_or(1, |(at, _)| at + 1)).collect(),
        "tar" | "gtar" | "bsdtar" if packs(own) || lists(own) => of_options(own),
        _ if COPY.contains(&name) => own.iter().skip(1).rfind(|word| !word.text.starts_with('-')).into_iter().collect(),
        _ => own.iter().take(end).skip(1).collect(),
    };
    let before = words.iter().take(start).skip(1).map(|word| (word, Extent::Holders));
    let behind = own.windows(2).filter(|pair| pair.first().is_some_and(|option| says_that_it_writes(&option.text)));
    let behind: Vec<&Word> = behind.filter_map(<[Word]>::last).collect();
    let said = |word: &Word| says_that_it_writes(&word.text) || behind.iter().any(|value| std::ptr::eq(*value, word));
    let of = |word: &Word| if extent == Extent::Holders && said(word) { Extent::Rules } else { extent };
    for (word, extent) in taken.into_iter().map(|word| (word, of(word))).chain(before) {
        let texts = parts(&word.text, TEXTS.contains(&name), is_loose(name));
        let expands =
            |text: &str| if text == word.text { word.expands } else { Expands { tilde: false, ..word.expands } };
        found.extend(texts.into_iter().map(|text| (Word { text: text.to_owned(), expands: expands(text) }, extent)));
    }
    found.retain(|(word, _)| !word.text.is_empty());
    found
}

fn reads_only(name: &str) -> bool {
    READERS.contains(&name) || OF_WINDOWS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn extent(name: &str, words: &[Word], launched: bool) -> Extent {
    let is_number = |word: &Word| word.text.parse::<u32>().is_ok();
    let operands = || words.iter().skip(1).filter(|word| !word.text.starts_with('-') && !is_number(word)).count();
    let writes = |word: &Word| {
        let text = word.text.as_str();
        matches!(text, "-i" | "-w" | "-o")
            || (text.starts_with("--") && HAS_THEM_WRITE.iter().any(|part| text.contains(part)))
    };
    match name {
        "git" => match subcommand("git", words) {
            None => Extent::Nothing,
            Some((_, sub)) if OF_GIT.contains(&sub) || only_prints("git", words) => Extent::Nothing,
            Some(_) => Extent::Rules,
        },
        "gh" if words.iter().skip(1).take(4).any(|word| OF_GH.contains(&word.text.as_str())) => Extent::Rules,
        "gh" => Extent::Nothing,
        "hg" | "npm" | "pnpm" | "svn" | "yarn" if puts_files(name, words) => Extent::Rules,
        "json.tool" if launched && operands() < 2 => Extent::Nothing,
        _ if reads_only(name) => Extent::Nothing,
        _ if LOOKS.contains(&name) && !words.iter().skip(1).any(writes) => Extent::Nothing,
        _ if ALSO_WRITE.contains(&name) || COPY.contains(&name) => Extent::Rules,
        _ if exactly_known(name) => Extent::Nothing,
        _ => {
            let known = table::is_known(name)
                || files::is_known(name)
                || has_subcommands(name)
                || is_loose(name)
                || is_interpreter(name)
                || table::SHELLS.contains(&name);
            if known { Extent::Holders } else { Extent::Rules }
        }
    }
}

/// Subcommands that fill a folder which they are given.
fn puts_files(name: &str, words: &[Word]) -> bool {
    let puts: &[&str] = match name {
        "hg" | "svn" => &["archive", "checkout", "clone", "co", "export", "update"],
        _ => &["add", "ci", "i", "install", "link", "update"],
    };
    subcommand(name, words).is_some_and(|(_, sub)| puts.contains(&sub))
}

/// Where the program begins that a wrapper starts, which is looked at by itself.
fn end(words: &[Word], input: Input) -> usize {
    let inner = look_inside(words, input).inner;
    let certain = inner.iter().filter_map(|inner| match inner {
        Inner::From(at) | Inner::Filled { at, .. } => Some(*at),
        Inner::Text(_) => Some(1),
        _ => None,
    });
    let perhaps = inner.iter().any(|inner| matches!(inner, Inner::Perhaps(_)));
    let reader = words.iter().skip(1).position(|word| perhaps && reads_only(base(&word.text)));
    certain.chain(reader.map(|at| at + 1)).min().unwrap_or(words.len())
}

/// An option by whose name it writes: `-writerand`, `-Wl,-Map=file`, `--logfile`.
fn says_that_it_writes(text: &str) -> bool {
    const NAMES: &[&str] = &["dump", "log", "map", "out", "save", "warnings", "write"];
    let name = text.split_once('=').map_or(text, |(name, _)| name).to_ascii_lowercase();
    let is_word = name.len() > 3 && !["timeout", "without"].iter().any(|part| name.contains(part));
    name.starts_with('-') && is_word && NAMES.iter().any(|part| name.contains(part))
}

/// `tar tf archive name`
fn lists(words: &[Word]) -> bool {
    let first = words.get(1).map_or("", |word| word.text.as_str());
    words.iter().any(|word| word.text == "--list")
        || (!first.starts_with("--") && first.contains('t') && !first.contains('x'))
}

fn of_options(words: &[Word]) -> Vec<&Word> {
    let is_option = |word: &Word| word.text.starts_with('-');
    let behind = words.windows(2).filter_map(|pair| match pair {
        [option, value] if is_option(option) => Some(value),
        _ => None,
    });
    behind.chain(words.iter().skip(1).filter(|word| is_option(word))).collect()
}

/// `-ofile`, `--out=file`, `-Wl,-Map=file`, `xml:file`; and what stands between the blanks of a text.
fn parts(text: &str, is_text: bool, of_containers: bool) -> Vec<&str> {
    let mut found = Vec::new();
    // What lies elsewhere is no file here.
    if text.contains("://") {
        return found;
    }
    if !text.starts_with('-') {
        found.push(text);
    }
    if is_text {
        found.extend(text.split(|letter: char| letter.is_whitespace() || "'\"();".contains(letter)));
    }
    let bundled = text.strip_prefix('-').filter(|rest| !rest.starts_with('-')).and_then(|rest| rest.get(1..));
    found.extend(bundled);
    if text.contains(char::is_whitespace) {
        return found;
    }
    for part in text.split(',') {
        found.push(part);
        found.extend(part.split_once('=').map(|(_, value)| value));
        found.extend(part.rsplit_once('=').map(|(_, value)| value));
        found.extend(part.split_once(':').filter(|_| !of_containers).map(|(_, value)| value));
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests;
