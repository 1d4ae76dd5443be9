//! Every file that a text would read or write, with what the path rules say of it.

mod perhaps;

use std::cell::OnceCell;
use std::collections::BTreeSet;

use crate::domain::workflow::WRITERS;

use super::super::judge::{Around, Decision, RuleSet, Verdict};
use super::super::paths::{self, Access};
use super::super::rule::Rule;
use super::super::shell::script::{Expands, Folders, Input, Redirection, Way, Word};
use super::below::{gone_through, is_elsewhere};
use super::effects::base;
use super::files::{self, Named};
use super::holders::{self, HOLDERS};
use super::links::Links;
use super::obeyed;
use super::printed::{is_commit, stamped};
use super::reach::{Names, could_hold, could_meet, names, names_of_rule, place_of_rule};
use super::values::Values;
use super::views::{Seen, View};
use super::written::{ANYTHING_IN_IT, DOTS_TOO, met, within, writes_what_it_gets, written};

/// Files of one call that are judged one by one.
const MAX_FILES: usize = 400;
/// Files times path rules: each file is held against each rule, so long lists leave fewer files.
const MAX_FILE_RULES: usize = 8_000;
/// Files that are looked at however long the lists are.
const MIN_FILES: usize = 40;
/// Words that braces in one word stand for, at most.
const MAX_BRACES: usize = 64;

#[derive(Debug)]
pub struct Use {
    pub access: Access,
    pub path: String,
    pub verdict: Verdict,
    /// Named by a redirection, which only a path rule opens.
    pub redirected: bool,
    /// No rule opens it by itself.
    pub protected: bool,
    /// Only for refusing: it is not certain to be used.
    pub aside: bool,
}

#[derive(Debug, Default)]
pub struct Uses {
    pub all: Vec<Use>,
    /// A rule of deny or ask that may be about a file, and the word that it may be.
    pub possible: Vec<(Decision, String, String)>,
    /// Why it is denied whatever the rules say.
    pub guarded: Option<String>,
    /// Why no rule may allow the call.
    pub doubt: Option<String>,
    known: BTreeSet<(bool, bool, String)>,
    unclear: usize,
    expanded: BTreeSet<(bool, String)>,
    guesses: usize,
}

#[derive(Debug)]
pub struct Finder<'a> {
    pub rules: &'a RuleSet,
    pub around: &'a Around,
    pub values: &'a Values,
    links: Links,
    /// Folders that a `cd` of the text names.
    pub folders: Vec<String>,
    /// Everything is open to it: what is still refused is protected.
    pub anything: RuleSet,
    files_max: usize,
    /// Rules of deny and ask with brackets that are about files, read when the first word is not known.
    about_files: OnceCell<Vec<AboutFiles<'a>>>,
    /// What holds agents, and what is never written without a person, as patterns.
    held: OnceCell<(Vec<Names>, Vec<Names>)>,
    /// The rules of deny and ask that are about some files only.
    narrow: OnceCell<RuleSet>,
}

#[derive(Debug)]
struct AboutFiles<'a> {
    decision: Decision,
    rule: &'a Rule,
    reads: bool,
    writes: bool,
    names: Names,
    /// Where it begins, if that is one place.
    place: Option<Names>,
}

pub fn is_free(path: &str) -> bool {
    matches!(path, "-" | "/dev/null" | "/dev/stdout" | "/dev/stderr" | "/dev/stdin" | "/dev/zero" | "/dev/urandom")
        || path
            .strip_prefix("/dev/fd/")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

impl<'a> Finder<'a> {
    pub fn new(rules: &'a RuleSet, around: &'a Around, values: &'a Values, seen: &[Seen<'_>]) -> Self {
        let allow = ["Edit", "Read"].iter().filter_map(|text| Rule::parse(text).ok()).collect();
        let anything = RuleSet { allow, ..RuleSet::default() };
        let mut folders: Vec<String> = Vec::new();
        for view in seen.iter().flat_map(|one| &one.views) {
            let words = view.words();
            if words.first().is_some_and(|word| matches!(word.text.as_str(), "cd" | "pushd")) {
                folders.extend(words.iter().skip(1).filter(|word| !word.expands.value).map(|word| word.text.clone()));
            }
        }
        folders.truncate(8);
        let about_paths = rules.deny.iter().chain(&rules.ask).chain(&rules.allow).filter(|rule| rule.path.is_some());
        let files_max = (MAX_FILE_RULES / about_paths.count().max(1)).clamp(MIN_FILES, MAX_FILES);
        let (about_files, held, narrow) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        let links = Links::of(seen, &folders, around);
        Self { rules, around, values, links, folders, anything, files_max, about_files, held, narrow }
    }

    fn about_files(&self) -> &[AboutFiles<'a>] {
        self.about_files.get_or_init(|| {
            let of = |rules: &'a [Rule], decision| rules.iter().map(move |rule| (rule, decision));
            let all = of(&self.rules.deny, Decision::Deny).chain(of(&self.rules.ask, Decision::Ask));
            all.filter_map(|(rule, decision)| {
                let spec = rule.spec.as_deref()?;
                let (reads, writes) = (is_about_files(rule, Access::Read), is_about_files(rule, Access::Write));
                let names = (reads || writes).then(|| names_of_rule(spec, self.around))?;
                let place = place_of_rule(spec, self.around);
                Some(AboutFiles { decision, rule, reads, writes, names, place })
            })
            .collect()
        })
    }

    pub fn uses(&self, text: &str, seen: &[Seen<'_>]) -> Uses {
        let mut uses = Uses::default();
        for one in seen {
            for redirection in &one.simple.redirections {
                self.redirection(redirection, &one.simple.folders, &mut uses);
            }
            for (redirection, folders) in &one.redirections {
                self.redirection(redirection, folders, &mut uses);
            }
            let handed = || one.views.iter().find_map(|view| obeyed::handed(view.words()));
            let obeyed = obeyed::assigned(&one.simple.assignments).or_else(handed);
            if let Some(name) = obeyed.filter(|_| super::is_scoped(self.rules)) {
                doubt(&mut uses, &format!("what `{name}` holds is run, and a rule of deny or ask may be about it"));
            }
            for view in &one.views {
                let words = view.words();
                for Named { path, access } in
                    files::named(words).into_iter().chain(written(words, view.input, self.around))
                {
                    self.word(&path, access, &view.folders, false, &mut uses);
                }
                for Named { path, access } in gone_through(words) {
                    self.through(&path, access, &view.folders, &mut uses);
                }
                self.entered(words, &mut uses);
                if view.sure {
                    self.perhaps_written(view, &mut uses);
                }
            }
        }
        self.names_handed_on(seen, &mut uses);
        self.named_in_texts(text, seen, &mut uses);
        uses
    }

    /// A here-document may be a patch, or a list of names.
    fn named_in_texts(&self, text: &str, seen: &[Seen<'_>], uses: &mut Uses) {
        let views = || seen.iter().flat_map(|one| &one.views);
        let kept = |one: &&Seen<'_>| one.simple.redirections.iter().any(|known| known.way != Way::Descriptor);
        let prints = |view: &View| view.words().first().is_some_and(|word| matches!(base(&word.text), "cat" | "tee"));
        let mut printed = seen.iter().filter(|one| !kept(one)).flat_map(|one| &one.views);
        let piped = printed.any(|view| view.input == Input::Text && prints(view));
        let gets = |view: &&View| view.input == Input::Text || piped && view.input == Input::Pipe;
        if let Some(view) = views().filter(gets).find(|view| is_patch(view.words())) {
            for head in text.lines().filter_map(|line| line.strip_prefix("+++ ").or(line.strip_prefix("--- "))) {
                let path = head.split('\t').next().unwrap_or(head).trim();
                let inside = path.split_once('/').map_or(path, |(_, inside)| inside);
                for path in [inside, path] {
                    self.paths(path, Access::Write, &view.folders, true, uses);
                }
            }
        }
        if let Some(view) = views().filter(gets).find(|view| takes_names(view.words())) {
            for path in text.split_whitespace() {
                self.paths(path.trim_matches(['\'', '"']), Access::Read, &view.folders, true, uses);
            }
        }
    }

    fn redirection(&self, redirection: &Redirection, folders: &Folders, uses: &mut Uses) {
        let access = match redirection.way {
            Way::Descriptor => return,
            Way::Read => Access::Read,
            Way::Write | Way::Append | Way::ReadWrite => Access::Write,
        };
        let written = &redirection.target;
        if !written.expands.nothing() {
            let shown = super::shown(&written.text);
            doubt(uses, &format!("the file `{shown}` of a redirection is not known before it runs"));
        }
        for target in self.values.words(written).unwrap_or_else(|| vec![written.clone()]) {
            self.redirected(&target, access, folders, uses);
        }
    }

    fn redirected(&self, target: &Word, access: Access, folders: &Folders, uses: &mut Uses) {
        if target.expands.nothing() && is_free(&target.text) {
            return;
        }
        if target.text.starts_with("/dev/tcp/") || target.text.starts_with("/dev/udp/") {
            doubt(uses, "a redirection opens a connection");
            let port = target.text.rsplit('/').next().and_then(|port| port.parse().ok());
            if port.is_some_and(|port| self.around.guard.ports.contains(&port)) {
                uses.guarded.get_or_insert("it would speak to phasegate itself".to_owned());
            }
        }
        self.word(target, access, folders, true, uses);
    }

    /// What `echo`, `find` and the like print may be what `xargs` hands to a program that opens it.
    fn names_handed_on(&self, seen: &[Seen<'_>], uses: &mut Uses) {
        let views = || seen.iter().flat_map(|one| &one.views);
        let gets = |view: &View| takes_names(view.words());
        let hands_on = views().any(gets);
        let writes = seen.iter().filter(|one| one.views.iter().any(gets)).flat_map(|one| &one.views);
        let writes = writes.skip(1).any(|view| writes_what_it_gets(view.words()));
        let known = |view: &&View| {
            view.words()
                .first()
                .is_some_and(|word| matches!(base(&word.text), "echo" | "printf" | "find" | "ls" | "fd"))
        };
        if !hands_on {
            return;
        }
        for view in views().filter(known) {
            self.listed(view, uses);
            for word in view.words().iter().skip(1) {
                if writes && word.expands.glob {
                    self.word(word, Access::Write, &view.folders, false, uses);
                }
                if !word.expands.nothing() {
                    continue;
                }
                for path in word.text.split(['\n', ' ']).filter(|path| !path.is_empty() && !path.starts_with('-')) {
                    let path = path.trim_end_matches("\\n").trim_end_matches("\\0");
                    self.paths(path, Access::Read, &view.folders, true, uses);
                    if writes {
                        self.paths(path, Access::Write, &view.folders, false, uses);
                    }
                }
            }
        }
    }

    /// What lies in the folders that a command lists.
    fn listed(&self, view: &View, uses: &mut Uses) {
        let words = view.words();
        if !words.first().is_some_and(|word| matches!(base(&word.text), "find" | "ls" | "fd")) {
            return;
        }
        if words.first().is_some_and(|word| base(&word.text) == "find") {
            for found in met(words, false, self.around) {
                self.word(&found, Access::Read, &view.folders, false, uses);
            }
        }
        let is_operand = |word: &&Word| !word.text.starts_with('-') && !word.expands.value && !word.expands.glob;
        let mut folders: Vec<Word> = words.iter().skip(1).take_while(is_operand).cloned().collect();
        if folders.is_empty() {
            folders.push(Word { text: ".".to_owned(), ..Word::default() });
        }
        for folder in folders {
            self.word(&within(&folder), Access::Read, &view.folders, false, uses);
            self.through(&folder, Access::Read, &view.folders, uses);
        }
    }

    fn paths(&self, path: &str, access: Access, folders: &Folders, aside: bool, uses: &mut Uses) {
        let word = Word { text: path.to_owned(), ..Word::default() };
        let (places, _) = files::places(&word, folders, &self.folders, self.around);
        for place in places {
            self.one(place, access, false, aside, uses);
        }
    }

    fn word(&self, word: &Word, access: Access, folders: &Folders, redirected: bool, uses: &mut Uses) {
        if uses.known.len() > self.files_max || uses.unclear > self.files_max {
            doubt(uses, "it names more files than are looked at");
            return;
        }
        // What a wrapper appends is looked at where it comes from, and what a substitution runs is looked at by itself.
        let appended = word.text == "$@" && !self.values.positional;
        let substituted = word.text.starts_with("<(") || word.text.starts_with(">(");
        if (appended || substituted) && word.expands.value && !redirected {
            return;
        }
        if word.text.starts_with("file:") && word.text.contains(['%', '{', '[']) {
            doubt(uses, "an address of a file is written in a form that stands for others");
        }
        if let Some(why) = holders::behind_an_expansion(word, access, self.around) {
            uses.guarded.get_or_insert(why);
        }
        if word.expands.value && !redirected && is_commit(&word.text) {
            return;
        }
        if word.expands.value && !redirected {
            let made: Vec<String> = ["0", ""].into_iter().filter_map(|number| stamped(&word.text, number)).collect();
            for text in &made {
                let expands = Expands { value: false, splits: false, ..word.expands };
                self.word(&Word { text: text.clone(), expands }, access, folders, redirected, uses);
            }
            if !made.is_empty() {
                return;
            }
        }
        // The same expansion again, in a folder that is known, adds nothing.
        let here = *folders == Folders::default() && !redirected;
        if here && word.expands.value && !uses.expanded.insert((access == Access::Write, word.text.clone())) {
            return;
        }
        let variants = self.values.words(word).unwrap_or_else(|| vec![word.clone()]);
        for variant in variants.into_iter().flat_map(unbraced) {
            let variant = self.settled(variant);
            if !redirected && variant.expands.nothing() && is_free(&variant.text) {
                continue;
            }
            let (places, open) = files::places(&variant, folders, &self.folders, self.around);
            let open = open || (self.values.gives("HOME") && is_below_home(folders));
            let certain = !(variant.expands.value || variant.expands.glob || variant.expands.brace);
            if certain {
                for place in &places {
                    self.one(place.clone(), access, redirected, false, uses);
                }
            }
            if open && redirected {
                doubt(uses, "the folder that a redirection is relative to is not known before it runs");
            }
            if variant.expands.glob && !variant.expands.value && !open {
                self.whole_folder(&places, access, uses);
            }
            if !certain || open {
                uses.unclear += 1;
                self.perhaps(&variant, &places, open, access, uses);
            }
        }
    }

    fn one(&self, path: String, access: Access, redirected: bool, aside: bool, uses: &mut Uses) {
        if !uses.known.insert((access == Access::Write, redirected, path.clone())) {
            return;
        }
        if uses.known.len() > self.files_max {
            doubt(uses, "it names more files than are looked at");
            return;
        }
        if let Some(real) = self.links.behind(&path) {
            self.one(real, access, redirected, aside, uses);
        }
        let verdict = paths::judge(self.rules, access, &path, self.around);
        let protected = access == Access::Write
            && paths::judge(&self.anything, Access::Write, &path, self.around).decision != Decision::Allow;
        // It may be a folder, of which something is refused that is not refused of itself.
        if !redirected && verdict.decision != Decision::Deny {
            let within = format!("{path}/{ANYTHING_IN_IT}");
            let mut verdict = paths::judge(self.rules, access, &within, self.around);
            if matches!(verdict.decision, Decision::Deny | Decision::Ask) {
                verdict.reason = verdict.reason.replace(&within, &format!("{path}/…"));
                uses.all.push(Use { access, path: path.clone(), verdict, redirected, protected, aside });
            }
        }
        uses.all.push(Use { access, path, verdict, redirected, protected, aside });
    }

    /// Of a folder that is denied whole, so is whatever a pattern finds in it.
    fn whole_folder(&self, places: &[String], access: Access, uses: &mut Uses) {
        for place in places {
            let fixed = place.split(['*', '?', '[']).next().unwrap_or_default();
            let Some((folder, _)) = fixed.rsplit_once('/').filter(|(folder, _)| !folder.is_empty()) else { continue };
            let within = format!("{folder}/{ANYTHING_IN_IT}");
            let verdict = paths::judge(self.rules, access, &within, self.around);
            if verdict.decision == Decision::Deny {
                uses.all.push(Use { access, path: within, verdict, redirected: false, protected: false, aside: false });
            }
        }
    }

    /// The home of somebody else is not known.
    fn settled(&self, mut word: Word) -> Word {
        if word.expands.tilde && (files::is_in_anothers_home(&word.text) || self.values.gives("HOME")) {
            word.expands.value = true;
            return word;
        }
        if !word.expands.value {
            return word;
        }
        if !word.text.contains(['$', '`', '<', '>']) {
            word.expands.value = false;
        }
        word
    }

    /// Rules of deny and ask about what lies below a folder.
    fn through(&self, folder: &Word, access: Access, folders: &Folders, uses: &mut Uses) {
        for variant in self.values.words(folder).unwrap_or_else(|| vec![folder.clone()]) {
            let variant = self.settled(variant);
            let (places, _) = files::places(&variant, folders, &self.folders, self.around);
            let places = places.iter().filter(|place| access == Access::Write || is_elsewhere(place, self.around));
            let places: Vec<Names> = places.map(|place| names(place)).collect();
            let holds = |known: &&AboutFiles<'_>| {
                let is_about = if access == Access::Read { known.reads } else { known.writes };
                is_about && known.place.as_ref().is_some_and(|below| places.iter().any(|at| could_hold(at, below)))
            };
            let found = self.about_files().iter().filter(holds);
            uses.possible
                .extend(found.map(|known| (known.decision, known.rule.text.clone(), format!("{}/*", variant.text))));
        }
    }

    /// Rules of deny and ask that could be about it.
    fn perhaps(&self, word: &Word, places: &[String], open: bool, access: Access, uses: &mut Uses) {
        let any = word.expands.value || (word.expands.brace && word.text.contains('/'));
        let any = any || (word.expands.glob && self.values.finds_dots);
        // Without the option `globstar` two stars are one.
        let read =
            |place: &String| names(&if self.values.goes_down { place.clone() } else { place.replace("**", "*") });
        let places: Vec<Names> = places.iter().map(read).collect();
        // Where it starts is not known, so neither is what `..` leaves.
        let anywhere = open.then(|| names(&format!("/**{}", files::normal(&format!("/{}", word.text)))));
        for decision in [Decision::Deny, Decision::Ask] {
            let about = |known: &&AboutFiles<'_>| {
                known.decision == decision
                    && match access {
                        Access::Read => known.reads,
                        Access::Write => known.writes,
                    }
            };
            let meets = |known: &&AboutFiles<'_>| {
                any || places.iter().chain(&anywhere).any(|place| could_meet(place, &known.names))
            };
            let found = self.about_files().iter().filter(about).find(meets);
            let shown = word.text.replace(DOTS_TOO, "");
            uses.possible.extend(found.map(|known| (decision, known.rule.text.clone(), shown.clone())));
        }
        if word.expands.glob && !any {
            self.found_by_pattern(word, &places, access, uses);
        }
    }

    fn held(&self) -> &(Vec<Names>, Vec<Names>) {
        let read =
            |names: &[&str]| -> Vec<Names> { names.iter().map(|name| names_of_rule(name, self.around)).collect() };
        self.held.get_or_init(|| {
            let mut holders = read(&[".phasegate", ".claude/settings.json"]);
            holders.extend(self.around.guard.paths.iter().map(|path| names(path)));
            (holders, read(PROTECTED))
        })
    }

    /// The shell would find by the pattern what holds agents, or what is never written without a person.
    fn found_by_pattern(&self, word: &Word, places: &[Names], access: Access, uses: &mut Uses) {
        let meets = |held: &[Names]| held.iter().any(|held| places.iter().any(|place| could_meet(place, held)));
        let (holders, protected) = self.held();
        let named = access == Access::Write || word.text.contains("phas");
        let root = names(&self.around.root);
        // `/srv/*` is the work tree and what lies beside it.
        let above = access == Access::Write
            && self.around.root.len() > 1
            && places.iter().any(|place| could_meet(&root, place));
        if above || named && (meets(holders) || (access == Access::Write && may_be_holder(word))) {
            let why = format!("`{}` may be what holds agents to their phase", super::shown(&word.text));
            uses.guarded.get_or_insert(why);
        } else if access == Access::Write && meets(protected) {
            doubt(
                uses,
                &format!("`{}` may be a file that is never written without a person", super::shown(&word.text)),
            );
        }
    }

    /// In a folder found by a pattern, the names that follow are not those that are written.
    fn entered(&self, words: &[Word], uses: &mut Uses) {
        let Some(name) = words.first().map(|word| base(&word.text)) else { return };
        let enters = matches!(name, "cd" | "pushd");
        for word in words.iter().skip(1).filter(|word| word.expands.glob && !word.expands.value) {
            let ours = |word: &Word| word.text.contains(".ph") && could_be(word, ".phasegate");
            if ours(word) || (enters && (may_be_holder(word) || could_be(word, ".phasegate"))) {
                let why = format!("`{}` may be what holds agents to their phase", super::shown(&word.text));
                uses.guarded.get_or_insert(why);
            }
        }
    }
}

fn is_patch(words: &[Word]) -> bool {
    let Some(name) = words.first().map(|word| base(&word.text)) else { return false };
    name == "patch" || name == "git" && words.iter().any(|word| matches!(word.text.as_str(), "am" | "apply"))
}

/// Whether the names of the files that it works on come on its input.
fn takes_names(words: &[Word]) -> bool {
    let Some(name) = words.first().map(|word| base(&word.text)) else { return false };
    let asked = |word: &Word| {
        matches!(word.text.as_str(), "--files0-from=-" | "--files-from=-" | "--from-file=-" | "-@" | "-T-" | "--batch")
    };
    let lists = words.windows(2).any(|pair| {
        matches!(pair, [option, from] if from.text == "-" && matches!(option.text.as_str(), "-T" | "--files-from" | "--files0-from"))
    });
    matches!(name, "cpio" | "parallel" | "pax" | "xargs") || lists || words.iter().any(asked)
}

/// Never written without a person, as far as a pattern may find it.
const PROTECTED: &[&str] = &[
    ".git/hooks",
    ".git/config",
    ".husky",
    ".vscode",
    ".idea",
    ".mcp.json",
    "~/.bashrc",
    "~/.bash_profile",
    "~/.profile",
    "~/.zshrc",
    "~/.zshenv",
    "~/.zprofile",
    "~/.gitconfig",
    "~/.ssh",
];

/// Whether the last name of the word can be that of a folder with settings that hold agents.
fn may_be_holder(word: &Word) -> bool {
    HOLDERS.iter().any(|holder| could_be(word, holder))
}

fn could_be(word: &Word, name: &str) -> bool {
    let last = word.text.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    last.contains(['*', '?', '[', '{']) && could_meet(&names(&format!("/{last}")), &names(&format!("/{name}")))
}

/// The words that the braces of a word stand for, where they are plain lists; else the word.
fn unbraced(word: Word) -> Vec<Word> {
    if !word.expands.brace {
        return vec![word];
    }
    let mut texts = vec![word.text.clone()];
    while let Some(at) = texts.iter().position(|text| list(text).is_some()) {
        let text = texts.swap_remove(at);
        let Some((before, inner, after)) = list(&text) else { break };
        texts.extend(inner.split(',').map(|one| format!("{before}{one}{after}")));
        if texts.len() > MAX_BRACES {
            return vec![word];
        }
    }
    if texts.iter().any(|text| text.contains(['{', '}'])) {
        return vec![word];
    }
    let expands = Expands { brace: false, ..word.expands };
    texts.into_iter().map(|text| Word { text, expands }).collect()
}

/// The innermost list of a text, with what stands before and after it.
fn list(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(end) = text.get(from..)?.find('}').map(|at| from + at) {
        if let Some((before, inner)) = text.get(..end)?.rsplit_once('{')
            && inner.contains(',')
            && !before.ends_with('$')
        {
            return Some((before, inner, text.get(end + 1..)?));
        }
        from = end + 1;
    }
    None
}

fn is_below_home(folders: &Folders) -> bool {
    matches!(folders, Folders::Known(all) if all.iter().flatten().any(|step| step.starts_with('~')))
}

fn is_about_files(rule: &Rule, access: Access) -> bool {
    let keeps = |tools: &[&str]| tools.iter().any(|tool| rule.tool.matches(tool));
    keeps(&["Read"]) || access == Access::Write && keeps(&WRITERS)
}

fn doubt(uses: &mut Uses, why: &str) {
    uses.doubt.get_or_insert_with(|| why.to_owned());
}
