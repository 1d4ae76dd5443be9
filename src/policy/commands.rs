//! Commands of shells that are not bash, such as PowerShell. Nothing here knows their grammar: denying and asking look for
//! the command anywhere in the text, and allowing takes the very text.

use std::cell::OnceCell;

use super::glob::Glob;
use super::judge::{Around, RuleSet};
use super::paths::{self, Access};
use super::rule::Rule;

/// Nothing is allowed of a longer text while a rule speaks of some of such commands, in bytes.
const TEXT_BYTES_MAX: usize = 24 * 1024;
/// Words of a text in which commands are looked for, each read twice.
const WORDS_MAX: usize = 1_024;

/// What PowerShell calls a command besides its own name.
const ALIASES: [(&str, &str); 45] = [
    ("ac", "add-content"),
    ("cat", "get-content"),
    ("cd", "set-location"),
    ("chdir", "set-location"),
    ("clc", "clear-content"),
    ("cli", "clear-item"),
    ("copy", "copy-item"),
    ("cp", "copy-item"),
    ("cpi", "copy-item"),
    ("curl", "invoke-webrequest"),
    ("del", "remove-item"),
    ("dir", "get-childitem"),
    ("echo", "write-output"),
    ("erase", "remove-item"),
    ("gc", "get-content"),
    ("gci", "get-childitem"),
    ("gi", "get-item"),
    ("icm", "invoke-command"),
    ("iex", "invoke-expression"),
    ("irm", "invoke-restmethod"),
    ("iwr", "invoke-webrequest"),
    ("kill", "stop-process"),
    ("ls", "get-childitem"),
    ("md", "new-item"),
    ("mi", "move-item"),
    ("mkdir", "new-item"),
    ("move", "move-item"),
    ("mv", "move-item"),
    ("ni", "new-item"),
    ("pwsh", "powershell"),
    ("rd", "remove-item"),
    ("ren", "rename-item"),
    ("ri", "remove-item"),
    ("rm", "remove-item"),
    ("rmdir", "remove-item"),
    ("rni", "rename-item"),
    ("saps", "start-process"),
    ("sc", "set-content"),
    ("si", "set-item"),
    ("sls", "select-string"),
    ("spps", "stop-process"),
    ("start", "start-process"),
    ("tee", "tee-object"),
    ("type", "get-content"),
    ("wget", "invoke-webrequest"),
];
const READS: [&str; 6] = ["get-content", "get-item", "get-childitem", "select-string", "import-csv", "resolve-path"];
const WRITES: [&str; 15] = [
    "add-content",
    "clear-content",
    "clear-item",
    "copy-item",
    "export-csv",
    "move-item",
    "new-item",
    "out-file",
    "remove-item",
    "rename-item",
    "set-acl",
    "set-content",
    "set-item",
    "set-itemproperty",
    "tee-object",
];
const STOPS: [&str; 5] = ["stop-process", "stop-service", "taskkill", "stop-job", "suspend-service"];
/// They run text that was put together elsewhere.
const RUNS_TEXT: [&str; 10] = [
    "invoke-expression",
    "invoke-command",
    "start-process",
    "start-job",
    "powershell",
    "cmd",
    "set-alias",
    "new-alias",
    "sal",
    "nal",
];

/// The text of one call, taken apart once for all rules.
pub struct Command<'c> {
    text: &'c str,
    /// The words of each part, in small letters.
    parts: Vec<Vec<String>>,
    /// From each word to the end of its part; put together when a rule asks for them.
    starts: OnceCell<Vec<String>>,
    whole: String,
    is_cut: bool,
}

impl<'c> Command<'c> {
    pub fn of(text: &'c str) -> Self {
        let (mut parts, mut left) = (Vec::new(), WORDS_MAX);
        let mut is_cut = text.len() > TEXT_BYTES_MAX;
        // A quote may stand inside a word or around several.
        for quote in ["", " "].into_iter().filter(|_| text.len() <= TEXT_BYTES_MAX) {
            for part in plain(text, quote).split([';', '|', '&', '\n', '\r', '(', ')', '{', '}']) {
                let words: Vec<String> = part.split_whitespace().map(str::to_owned).collect();
                is_cut |= words.len() > left;
                left = left.saturating_sub(words.len());
                if !is_cut {
                    parts.push(words);
                }
            }
        }
        let whole = plain(text, "").split_whitespace().collect::<Vec<_>>().join(" ");
        Self { text, parts, starts: OnceCell::new(), whole, is_cut }
    }

    /// It is too long to be read to its end.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn starts(&self) -> &[String] {
        self.starts.get_or_init(|| {
            let all = |words: &Vec<String>| -> Vec<String> {
                (0..words.len()).map(|at| from(words.get(at..).unwrap_or_default())).collect()
            };
            self.parts.iter().flat_map(all).collect()
        })
    }

    /// The text as bash may read it: as it stands, and without what only escapes elsewhere.
    pub fn as_bash(&self) -> Vec<String> {
        let mut found = vec![self.text.to_owned()];
        if self.text.contains(['`', '^']) || self.text.to_lowercase().contains(".exe") {
            found.push(plain(self.text, "").replace(".exe", ""));
        }
        found
    }

    /// Whether a rule of deny or ask that names a command may mean this text.
    pub fn may_be(&self, spec: &str) -> bool {
        let spec = spec.trim().to_lowercase();
        let (start, open) = match spec.strip_suffix(":*").or_else(|| spec.strip_suffix(" *")) {
            Some(start) => (start.trim_end().to_owned(), true),
            None => (spec, false),
        };
        if start.is_empty() {
            return false;
        }
        let words: Vec<String> = start.split_whitespace().map(str::to_owned).collect();
        let wanted: Vec<Glob> = [start.clone(), from(&words)].iter().map(|text| Glob::read(text)).collect();
        let fits =
            |text: &String| wanted.iter().any(|glob| if open { glob.fits_a_start(text) } else { glob.fits(text) });
        fits(&self.whole) || self.starts().iter().any(fits)
    }

    /// In so many letters.
    pub fn is(&self, spec: &str) -> bool {
        !spec.contains('*') && spec.trim() == self.text.trim()
    }

    /// Why a rule about some commands may mean it and cannot be held against it.
    pub fn unread(&self) -> Option<&'static str> {
        let known = |letter: char| {
            letter.is_ascii_alphanumeric() || letter.is_ascii_whitespace() || r#"-_./\:,=;|"'<>*?~#!"#.contains(letter)
        };
        let runs = |words: &Vec<String>| {
            words.iter().any(|word| RUNS_TEXT.contains(&command_of(word).as_str()) || word.starts_with("-enc"))
        };
        let unread = self.is_cut || !self.text.chars().all(known) || self.parts.iter().any(runs);
        unread.then_some("a rule speaks of some of such commands, and this text cannot be read for certain")
    }

    /// The rule about files that denies one which the text names.
    pub fn denied_file<'r>(&self, rules: &'r RuleSet, around: &Around) -> Option<&'r Rule> {
        let files = self.files();
        if files.is_empty() {
            return None;
        }
        let denies = RuleSet { deny: rules.deny.clone(), ..RuleSet::default() };
        // All words were put into small letters.
        let around = Around { case_insensitive: true, ..around.clone() };
        let denied = files.into_iter().find_map(|(path, access)| {
            let verdict = paths::judge(&denies, access, path, &around);
            verdict.rule.filter(|_| verdict.decision == super::judge::Decision::Deny)
        })?;
        rules.deny.iter().find(|rule| rule.text == denied)
    }

    /// What the text does that is kept from every agent.
    pub fn guarded(&self, around: &Around) -> Option<String> {
        if self.is_cut && self.whole.contains("phasegate") {
            return Some("it is too long to be read, and names phasegate".to_owned());
        }
        if self.is_cut {
            let named = |word: &str| paths::guarded(word.trim_start_matches(['>', '<']), Access::Write, around);
            return self.whole.split(' ').find_map(named);
        }
        let stops = |words: &Vec<String>| {
            words.iter().any(|word| STOPS.contains(&command_of(word).as_str()))
                && words.iter().any(|word| word.contains("phasegate"))
        };
        if self.parts.iter().any(stops) {
            return Some("it would stop phasegate".to_owned());
        }
        self.files().into_iter().find_map(|(path, access)| paths::guarded(path, access, around))
    }

    /// Words behind commands that work on files.
    fn files(&self) -> Vec<(&str, Access)> {
        let writes_over = self.text.contains('>');
        let mut found = Vec::new();
        for words in &self.parts {
            let commands: Vec<String> = words.iter().map(|word| command_of(word)).collect();
            let any = |known: &[&str]| commands.iter().any(|command| known.contains(&command.as_str()));
            let access = if any(&WRITES) || writes_over { Access::Write } else { Access::Read };
            if any(&WRITES) || any(&READS) || writes_over {
                found.extend(words.iter().map(|word| (word.trim_start_matches(['>', '<']), access)));
            }
        }
        found.retain(|(word, _)| !word.is_empty() && !word.starts_with('-'));
        found
    }
}

/// Without what only escapes or quotes; quotes as `quote`.
fn plain(text: &str, quote: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '`' | '^' => {}
            '"' | '\'' => plain.push_str(quote),
            other => plain.extend(other.to_lowercase()),
        }
    }
    plain
}

/// The words as one text, the first by its own name.
fn from(words: &[String]) -> String {
    let Some((first, rest)) = words.split_first() else { return String::new() };
    let mut text = command_of(first);
    for word in rest {
        text.push(' ');
        text.push_str(word);
    }
    text
}

/// The name of a command, without folder, module or ending.
fn command_of(word: &str) -> String {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    let name = name.strip_suffix(".exe").unwrap_or(name);
    let known = ALIASES.iter().find(|(alias, _)| *alias == name);
    known.map_or(name, |(_, command)| command).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_wherever_it_stands() {
        for (spec, text, expected) in [
            ("Remove-Item *", "Remove-Item x", true),
            ("Remove-Item *", "remove-ITEM x", true),
            ("Remove-Item:*", "cd a; Remove-Item x", true),
            ("Remove-Item *", "rm x", true),
            ("rm *", "Remove-Item x", true),
            ("Remove-Item *", "if ($a) { Rem`ove-Item x }", true),
            ("Remove-Item *", "Get-Item x | del", true),
            ("Remove-Item *", "& 'Remove-Item' x", true),
            ("Remove-Item *", "powershell -c \"Remove-Item x\"", true),
            ("Remove-Item *", "Microsoft.PowerShell.Management\\Remove-Item x", true),
            ("git push", "cd a\ngit push\nls", true),
            ("git push *", "C:\\bin\\git.exe push -f", true),
            ("*--force*", "git push --force", true),
            ("Remove-Item *", "Remove-ItemProperty x", false),
            ("Remove-Item *", "Get-ChildItem x", false),
            ("git push", "git pull", false),
        ] {
            assert_eq!(Command::of(text).may_be(spec), expected, "{spec} {text}");
        }
    }

    #[test]
    fn what_is_put_together_as_it_runs_cannot_be_read() {
        for (text, expected) in [
            ("Get-ChildItem -Path src", false),
            ("Get-Date | Out-File x.txt", false),
            ("& ('Remove' + '-Item') x", true),
            ("$a x", true),
            ("iex x", true),
            ("pwsh -enc AAAA", true),
        ] {
            assert_eq!(Command::of(text).unread().is_some(), expected, "{text}");
        }
        assert!(Command::of(&"a ".repeat(20_000)).unread().is_some());
    }
}
