//! What the shell's own commands do to the rest of a text: evaluate data, assign variables, change the folder.
//! Other programs are not looked into here.

use super::lexical;
use super::names::{is_identifier, is_number};
use super::place::{Outcome, Place};
use super::reader::Reader;
use super::script::{Input, Simple, Word};
use super::word::Draft;

pub(super) fn takes_assignments(name: &str) -> bool {
    matches!(name, "declare" | "typeset" | "local" | "export" | "readonly")
}

/// `. .venv/bin/activate`: what a project's own environment of Python sets up is its own, as a script of the project is.
fn is_environment(arguments: &[Draft]) -> bool {
    let [file] = arguments else { return false };
    let mut names = file.text.strip_prefix("./").unwrap_or(&file.text).split('/');
    file.is_static()
        && file.text.ends_with("/bin/activate")
        && names.all(|name| !matches!(name, "" | ".." | "~") && !name.starts_with('-'))
}

impl Reader<'_> {
    /// What running a simple command does to what follows.
    pub(super) fn run(&mut self, simple: &Simple, drafts: &[Draft]) -> Outcome {
        if let Some(name) = drafts.first() {
            self.check_name(name);
        }
        let Some((name, arguments)) = self.looked_through(drafts) else { return Outcome::same(&self.place) };
        match name {
            "exec" if arguments.is_empty() && simple.input != Input::Inherited => {
                self.doubt("`exec` changes what the commands after it read");
            }
            "eval" | "trap" => {
                self.doubt(format!("`{name}` runs a text as commands"));
                let text = arguments.iter().map(|draft| draft.text.as_str()).collect::<Vec<_>>().join(" ");
                self.found.commands.append(&mut lexical::commands(&text));
            }
            "source" | "." if !is_environment(arguments) => self.doubt(format!("`{name}` runs the commands of a file")),
            "alias" | "enable" | "bind" | "complete" | "compgen" | "compopt" | "fc" | "let" => {
                self.doubt(format!("`{name}` runs texts or changes what names mean"));
            }
            "shopt" => self.check_shopt(arguments),
            "set" => self.check_set(arguments),
            "hash" | "jobs" if !arguments.is_empty() => {
                self.doubt(format!("`{name}` with arguments changes what names mean or runs them"));
            }
            "export" => {
                self.declares(arguments);
                let given = arguments.iter().filter_map(|draft| draft.text.split_once('=')).map(|(name, _)| name);
                return given.fold(Outcome::same(&self.place), Outcome::with);
            }
            "declare" | "typeset" | "local" | "readonly" => self.declares(arguments),
            "read" => self.reads(arguments, "adinNptu"),
            "mapfile" | "readarray" => self.maps(arguments),
            "unset" => self.reads(arguments, ""),
            "getopts" => {
                self.reads(arguments.get(1..).unwrap_or_default(), "");
                self.assigned("OPTARG", false);
            }
            "wait"
                if arguments
                    .iter()
                    .any(|draft| draft.text.starts_with("-p") || !draft.is_static() && !draft.quoted) =>
            {
                self.reads(arguments, "");
            }
            "printf" => self.prints(arguments),
            "test" | "[" => self.asks(arguments),
            "cd" => return self.enters(arguments),
            "pushd" | "popd" => {
                self.moved = true;
                return Outcome::same(&self.place.clone().anywhere());
            }
            "exit" if drafts.len() <= 2 && drafts.iter().all(Draft::is_static) && simple.redirections.is_empty() => {
                return Outcome::same(&Place::nowhere());
            }
            _ => {}
        }
        Outcome::same(&self.place)
    }

    /// The builtin behind `command` and `builtin`.
    fn looked_through<'d>(&mut self, drafts: &'d [Draft]) -> Option<(&'d str, &'d [Draft])> {
        let mut rest = drafts;
        loop {
            let (name, arguments) = rest.split_first()?;
            if name.text != "command" && name.text != "builtin" {
                return Some((&name.text, arguments));
            }
            rest = arguments;
            while let Some((option, after)) = rest.split_first()
                && option.text.starts_with('-')
            {
                if option.text.contains(['v', 'V']) {
                    return None;
                }
                rest = after;
            }
            if let Some(next) = rest.first() {
                self.check_name(next);
            }
        }
    }

    fn check_shopt(&mut self, arguments: &[Draft]) {
        const HARMLESS: [&str; 8] = ["-s", "-u", "-q", "nullglob", "globstar", "dotglob", "failglob", "nocaseglob"];
        if !arguments.iter().all(|draft| draft.is_static() && HARMLESS.contains(&draft.text.as_str())) {
            self.doubt("`shopt` changes how the rest of the command is read");
        }
    }

    /// Only options that end the script earlier or show more; what stands after `--` is data.
    fn check_set(&mut self, arguments: &[Draft]) {
        const NAMES: [&str; 5] = ["pipefail", "errexit", "nounset", "xtrace", "noglob"];
        let mut named = false;
        for draft in arguments {
            if draft.is_static() && !named && draft.text == "--" {
                return;
            }
            let letters = draft.text.strip_prefix(['-', '+']).unwrap_or_default();
            let known = if named {
                NAMES.contains(&draft.text.as_str())
            } else {
                !letters.is_empty() && letters.bytes().all(|letter| b"euxofE".contains(&letter))
            };
            if !draft.is_static() || !known {
                self.doubt("`set` changes how the rest of the command is read");
                return;
            }
            named = !named && letters.ends_with('o');
            if letters.contains('o') && !letters.ends_with('o') {
                self.doubt("`set` changes how the rest of the command is read");
            }
        }
    }

    /// `NAME` and `NAME=value`; the options that make a value be evaluated are not read.
    fn declares(&mut self, arguments: &[Draft]) {
        for draft in arguments {
            let (name, value) = match draft.text.split_once('=') {
                Some((name, value)) => (name.strip_suffix('+').unwrap_or(name), Some(value)),
                None => (draft.text.as_str(), None),
            };
            if let Some(letters) = draft.text.strip_prefix(['-', '+'])
                && draft.is_static()
            {
                if letters.contains(['n', 'i']) {
                    self.doubt("a declared variable evaluates its value");
                }
                continue;
            }
            let literal = draft.literal.split('=').next().unwrap_or_default();
            let certain = draft.is_static() || value.is_some() && literal.strip_suffix('+').unwrap_or(literal) == name;
            if !certain || !is_identifier(name) {
                self.doubt("a builtin assigns a variable whose name is not plain");
            } else if let Some(value) = value {
                if ["$(", "${", "`"].iter().any(|code| draft.literal.contains(code)) {
                    self.doubt(format!("`{name}` is given a text that bash may run later"));
                }
                let name = name.to_owned();
                self.assigned(&name, draft.is_static() && is_number(value));
            } else {
                self.assigned_again(name);
            }
        }
    }

    /// Named without a value: only a matter of the names that change what the text means.
    fn assigned_again(&mut self, name: &str) {
        self.assigned(name, true);
    }

    /// Builtins whose arguments are options and names of variables; `valued`: the options that take a word.
    fn reads(&mut self, arguments: &[Draft], valued: &str) {
        let mut rest = arguments.iter();
        while let Some(draft) = rest.next() {
            let option = draft.text.strip_prefix('-').filter(|letters| !letters.is_empty() && draft.is_static());
            if let Some(letters) = option {
                let Some(at) = letters.find(|letter| valued.contains(letter)) else { continue };
                let named = letters.get(at..).is_some_and(|rest| rest.starts_with('a'));
                let attached = letters.get(at + 1..).unwrap_or_default();
                let value =
                    if attached.is_empty() { rest.next().map(|draft| draft.text.as_str()) } else { Some(attached) };
                if named {
                    self.named(value.unwrap_or_default(), true);
                }
                continue;
            }
            self.named(&draft.text, draft.is_static());
        }
    }

    fn named(&mut self, name: &str, known: bool) {
        if known && is_identifier(name) {
            self.filled(name, false);
            self.found.variables.holds_anything(name);
        } else {
            self.doubt("a builtin assigns a variable whose name is not plain");
        }
    }

    fn maps(&mut self, arguments: &[Draft]) {
        let known =
            |draft: &Draft| draft.is_static() && !(draft.text.starts_with('-') && draft.text.contains(['C', 'c']));
        if !arguments.iter().all(known) {
            self.doubt("`mapfile` runs a text for what it reads");
        }
        self.reads(arguments, "dnOsu");
    }

    /// `-v` assigns, and evaluates the place in an array.
    fn prints(&mut self, arguments: &[Draft]) {
        let Some(first) = arguments.first() else { return };
        if first.is_static() {
            if first.text == "-v" {
                let name = arguments.get(1).map(|draft| (draft.text.clone(), draft.is_static())).unwrap_or_default();
                self.named(&name.0, name.1);
            } else if first.text.starts_with("-v") {
                self.doubt("a builtin assigns a variable whose name is not plain");
            }
        } else if first.literal.is_empty() || first.literal.starts_with(['-', 'v']) {
            self.may_be_option(first);
        }
    }

    /// `-v` evaluates the place in an array; other tests compare numbers without evaluating them.
    fn asks(&mut self, arguments: &[Draft]) {
        let plain = |draft: &Draft| draft.is_static() && is_identifier(&draft.text);
        for pair in arguments.windows(2) {
            if let [option, name] = pair
                && option.is_static()
                && matches!(option.text.as_str(), "-v" | "-R")
                && !plain(name)
            {
                self.doubt("a test evaluates a name that is not plain");
            }
        }
        // Words that it falls into may be such a pair.
        for draft in arguments.iter().filter(|draft| !draft.quoted && !draft.is_static()) {
            if draft.data && !prints_one_word(&draft.text) {
                self.doubt("a test gets words that are known only when it runs, which may evaluate a name");
            }
            for name in &draft.variables {
                self.found.variables.falls_apart(name);
            }
        }
        let words = arguments.iter().filter(|draft| draft.text != "]" && draft.text != "!").take(3);
        let words: Vec<&Draft> = words.collect();
        if words.len() == 2 || words.len() == 1 && words.iter().any(|draft| !draft.quoted) {
            for draft in words.iter().take(1).filter(|draft| !draft.is_static()) {
                self.may_be_option(draft);
            }
        }
    }

    /// A word that is only a value could turn out to be an option that evaluates the next one.
    fn may_be_option(&mut self, draft: &Draft) {
        if draft.data {
            self.doubt("a word that is known only when it runs may be an option that evaluates another");
        }
        for name in &draft.variables {
            self.found.variables.evaluates(name);
        }
    }

    fn enters(&mut self, arguments: &[Draft]) -> Outcome {
        let plain = |draft: &&Draft| !(draft.is_static() && matches!(draft.text.as_str(), "--" | "-P" | "-L"));
        let folders: Vec<&Draft> = arguments.iter().filter(plain).collect();
        self.moved = true;
        match folders.as_slice() {
            [folder] if is_named(folder) => Outcome { good: self.place.entered(&folder.text), bad: self.place.clone() },
            [] => Outcome { good: self.place.entered("~"), bad: self.place.clone() },
            [folder] if let Some(below) = below_home(folder) => {
                Outcome { good: self.place.entered(&format!("~{below}")), bad: self.place.clone() }
            }
            [folder] if is_below_variable(folder) => {
                Outcome { good: self.place.entered(&folder.text), bad: self.place.clone() }
            }
            _ => Outcome::same(&self.place.clone().anywhere()),
        }
    }
}

fn is_named(folder: &Draft) -> bool {
    folder.is_static() && !folder.text.is_empty() && !folder.text.starts_with(['-', '$'])
}

/// `$NAME` with a plain path behind it, or without.
fn is_below_variable(folder: &Draft) -> bool {
    let Some(name) = folder.variables.first() else { return false };
    let starts = [format!("${name}"), format!("${{{name}}}")];
    let Some(below) = starts.iter().find_map(|start| folder.text.strip_prefix(start.as_str())) else { return false };
    let is_one = folder.variables.len() == 1 && !folder.data;
    let expands = folder.expands;
    is_one
        && expands.value
        && !(expands.glob || expands.brace || expands.tilde)
        && (below.is_empty() || below.starts_with('/'))
        && !below.contains(['$', '`', '*', '?', '[', '{', '\\'])
}

/// What follows `~`, `$HOME` or `${HOME}`, where nothing else is expanded.
fn below_home(folder: &Draft) -> Option<&str> {
    let starts = if folder.expands.value { ["$HOME", "${HOME}"] } else { ["~", "~"] };
    let below = starts.iter().find_map(|start| folder.text.strip_prefix(start))?;
    let plain = !below.contains(['$', '`', '~']) && (below.is_empty() || below.starts_with('/'));
    let else_expands = folder.expands.glob || folder.expands.brace;
    (plain && !else_expands && (folder.expands.value || folder.expands.tilde)).then_some(below)
}

/// Programs that print numbers or names, where their words are right: a function of that name could print anything.
pub(super) const COUNTING: [&str; 10] =
    ["nproc", "seq", "wc", "date", "id", "grep", "git", "getconf", "sysctl", "uname"];

/// What these print holds no blank.
fn prints_one_word(text: &str) -> bool {
    let plain = !text.contains([';', '&', '|', '\n', '<', '`', '*']);
    let known = ["uname", "id", "whoami", "hostname", "nproc", "date +%", "git rev-parse", "git branch --show-current"];
    plain && text.strip_prefix("$(").is_some_and(|inner| known.iter().any(|program| inner.starts_with(program)))
}

/// Whether a substitution surely prints numbers: one of a few programs with words that cannot change that.
pub(super) fn prints_number(source: &str, commands: &[Simple]) -> bool {
    if source.contains([';', '&', '\n', '(', '{', '`']) || source.contains("||") {
        return false;
    }
    let Some(last) = commands.last() else { return false };
    let known = last.words.iter().all(|word| word.expands.nothing());
    let words: Vec<&str> = last.words.iter().map(|word: &Word| word.text.as_str()).collect();
    let Some((program, arguments)) = words.split_first() else { return false };
    match *program {
        "nproc" => arguments.is_empty(),
        "seq" => known && arguments.iter().all(|word| is_number(word)),
        "wc" => known && matches!(arguments, ["-l" | "-c" | "-w" | "-m"]),
        "date" => known && matches!(arguments, ["+%s" | "+%Y" | "+%s%N" | "+%u"]),
        "grep" => known && is_count(arguments),
        "id" => known && matches!(arguments, ["-u" | "-g"]),
        _ => false,
    }
}

/// `-c` with a pattern and at most one file: with more, names stand before the numbers.
fn is_count(arguments: &[&str]) -> bool {
    let Some((option, rest)) = arguments.split_first() else { return false };
    *option == "-c" && matches!(rest.len(), 1 | 2) && rest.iter().all(|word| !word.starts_with('-'))
}
