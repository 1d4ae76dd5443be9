//! May this shell command run? What it would start is read by `shell`; here the rules are held against each of it.
//! Deny and ask need one match anywhere, allow needs all of it.

mod assignments;
mod awk;
mod below;
mod clients;
mod cover;
mod effects;
mod files;
mod guard;
mod handed;
mod holders;
mod links;
mod long;
mod moves;
mod obeyed;
mod options;
mod pattern;
mod printed;
mod reach;
mod scripts;
mod subcommands;
mod table;
mod together;
mod uses;
mod values;
mod views;
mod wrappers;
mod written;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::domain::workflow::WRITERS;

use super::glob::Pairs;
use super::judge::{Around, Decision, RuleSet, Verdict};
use super::paths::shown;
use super::rule::{Rule, RuleList};
use super::shell;
use super::shell::script::{Expands, Script, Word};

use cover::{Cover, Spec, specs};
use effects::base;
use files::Named;
use uses::{Finder, Uses};
use values::Values;
use views::{Seen, View, Walk};

/// Nothing allows a longer command, whatever it is.
const MAX_BYTES: usize = 24 * 1024;
/// Paths that are looked up for one call.
const MAX_PATHS: usize = 400;

pub fn judge(rules: &RuleSet, command: &str, around: &Around) -> Verdict {
    if command.len() > MAX_BYTES {
        return long::judge(rules, command, around);
    }
    let (script, values) = read(command);
    let mut walk = Walk::new(around.case_insensitive);
    let seen: Vec<Seen<'_>> = script.commands.iter().map(|simple| walk.see(simple)).collect();
    let finder = Finder::new(rules, around, &values, &seen);
    let uses = finder.uses(command, &seen);
    let (deny, ask, allow) =
        (specs(&rules.deny, RuleList::Deny), specs(&rules.ask, RuleList::Ask), specs(&rules.allow, RuleList::Allow));
    let opaque = script.opaque.is_some();
    let verdict = |decision, rule: Option<&str>, reason: String| Verdict {
        decision,
        rule: rule.map(str::to_owned),
        reason,
        opaque,
    };

    let denied = refused(&deny, command, &seen, &values);
    if let Some((rule, part)) = &denied.certain {
        return verdict(Decision::Deny, Some(&rule.text), format!("the rule `{}` denies `{}`", rule.text, shown(part)));
    }
    if let Some(one) = uses.all.iter().find(|one| one.verdict.decision == Decision::Deny) {
        return Verdict { opaque, ..one.verdict.clone() };
    }
    if let Some(why) =
        guard::verdict(&seen, &script, command, around).or_else(|| holders::files(&uses, &seen, command, around))
    {
        return verdict(Decision::Deny, None, format!("{why}; no agent may do that, whatever the rules allow"));
    }
    let asked = refused(&ask, command, &seen, &values);
    if let Some((rule, part)) = &asked.certain {
        return verdict(
            Decision::Ask,
            Some(&rule.text),
            format!("the rule `{}` leaves `{}` to a person", rule.text, shown(part)),
        );
    }
    if let Some(one) = uses.all.iter().find(|one| one.verdict.decision == Decision::Ask) {
        return Verdict { opaque, ..one.verdict.clone() };
    }

    let scoped = is_scoped(rules);
    let cover = Cover { rules, around, script: &script, values: &values, allow: &allow, scoped };
    let covered = cover.all(command, &seen, &uses);
    let exact = matches!(&covered, Ok((rule, _)) if is_exactly(rule, command));
    if !exact && let Some((decision, rule, part)) = possible(&denied, &asked, &uses) {
        let reason =
            format!("`{}` is not known before it runs and may be what the rule `{rule}` is about", shown(&part));
        return verdict(decision, Some(&rule), reason);
    }
    match covered {
        Ok((rule, reason)) => verdict(Decision::Allow, Some(&rule.text), reason),
        Err(why) => verdict(Decision::None, None, why),
    }
}

fn read(command: &str) -> (Script, Values) {
    let mut script = shell::read(command);
    let values = Values::of(command, &script);
    values.settle(&mut script);
    (script, values)
}

/// The absolute paths whose real place the verdict may depend on.
pub fn paths(command: &str, around: &Around) -> Vec<String> {
    if command.len() > MAX_BYTES {
        return Vec::new();
    }
    let (script, values) = read(command);
    let mut walk = Walk::new(around.case_insensitive);
    let seen: Vec<Seen<'_>> = script.commands.iter().take(cover::MAX_COMMANDS).map(|simple| walk.see(simple)).collect();
    let rules = RuleSet::default();
    let finder = Finder::new(&rules, around, &values, &seen);
    let mut found: BTreeSet<String> = finder.folders.iter().map(|folder| files::join(&around.cwd, folder)).collect();
    let mut add = |word: &Word, folders| {
        for word in values.words(word).unwrap_or_default() {
            let (places, _) = files::places(&word, folders, &finder.folders, around);
            found.extend(places.into_iter().filter(|path| !uses::is_free(path)));
        }
    };
    for one in &seen {
        for redirection in &one.simple.redirections {
            add(&redirection.target, &one.simple.folders);
        }
        for (redirection, folders) in &one.redirections {
            add(&redirection.target, folders);
        }
        for view in &one.views {
            for Named { path, .. } in files::named(view.words()) {
                add(&path, &view.folders);
            }
            for risk in effects::risks(view.words(), view.input) {
                if let Some(target) = &risk.target {
                    add(target, &view.folders);
                }
            }
        }
    }
    found.into_iter().take(MAX_PATHS).collect()
}

/// A rule of deny or ask that says which commands or files it is about.
fn is_scoped(rules: &RuleSet) -> bool {
    let about = |rule: &Rule| ["Bash", "Read"].iter().chain(&WRITERS).any(|tool| rule.tool.matches(tool));
    rules.deny.iter().chain(&rules.ask).any(|rule| rule.spec.is_some() && about(rule))
}

fn is_exactly(rule: &Rule, command: &str) -> bool {
    rule.spec.as_deref().is_some_and(|spec| {
        !spec.contains('*') && spec.trim_matches([' ', '\t']) == command.trim_matches([' ', '\t', '\n'])
    })
}

#[derive(Default)]
struct Refused<'r> {
    certain: Option<(&'r Rule, String)>,
    possible: Option<(&'r Rule, String)>,
}

/// One match anywhere is enough.
fn refused<'r>(specs: &[Spec<'r>], command: &str, seen: &[Seen<'_>], values: &Values) -> Refused<'r> {
    let mut found = Refused::default();
    let written = command.trim_matches([' ', '\t', '\n']);
    for spec in specs {
        let fits = spec.pattern.as_ref().is_none_or(|pattern| pattern.matches(written));
        if fits {
            found.certain = Some((spec.rule, written.to_owned()));
            return found;
        }
    }
    if specs.is_empty() {
        return found;
    }
    let (mut pairs, mut hopeless) = (Pairs::default(), Hopeless::default());
    for view in seen.iter().flat_map(|one| &one.views) {
        let words = view.words();
        let without = hopeless.in_list_of(view, specs);
        for text in spellings(words, values) {
            pairs.now_of(&text.text);
            let mut left = specs.iter().enumerate().filter(|(at, _)| !(text.is_an_end && without.contains(at)));
            let fits = |spec: &Spec<'_>| spec.pattern.as_ref().is_none_or(|one| one.means(&text.text, &pairs));
            if let Some((_, spec)) = left.find(|(_, spec)| fits(spec)) {
                found.certain = Some((spec.rule, text.text));
                return found;
            }
        }
        if found.possible.is_none()
            && let Some(known) = pattern::known_start(&named_by_home(words))
        {
            let could = |spec: &&Spec<'_>| spec.pattern.as_ref().is_none_or(|pattern| pattern.could_match(&known));
            found.possible = specs.iter().find(could).map(|spec| (spec.rule, pattern::joined(words)));
        }
    }
    found
}

/// A program below the home goes by its name, as one by its whole path does.
fn named_by_home(words: &[Word]) -> Cow<'_, [Word]> {
    let is_ours = |word: &Word| word.text.starts_with("~/") && Expands { tilde: false, ..word.expands }.nothing();
    match words.split_first() {
        Some((first, rest)) if is_ours(first) => {
            let name = Word { text: base(&first.text).to_owned(), ..Word::default() };
            [name].into_iter().chain(rest.iter().cloned()).collect()
        }
        _ => Cow::Borrowed(words),
    }
}

/// Rules that no end of a list of words can fit, by the place of the list. Wrappers within wrappers are ends of one list,
/// and each of them would be searched anew.
#[derive(Default)]
struct Hopeless {
    lists: BTreeMap<usize, BTreeSet<usize>>,
    none: BTreeSet<usize>,
}

impl Hopeless {
    fn in_list_of(&mut self, view: &View, specs: &[Spec<'_>]) -> &BTreeSet<usize> {
        let Some(list) = view.list_of_an_end() else { return &self.none };
        self.lists.entry(list.as_ptr() as usize).or_insert_with(|| {
            let text = pattern::joined(list);
            let misses = |spec: &Spec<'_>| spec.pattern.as_ref().is_some_and(|pattern| pattern.misses_all_ends(&text));
            specs.iter().enumerate().filter(|(_, spec)| misses(spec)).map(|(at, _)| at).collect()
        })
    }
}

struct Spelling {
    text: String,
    /// It is the end of the words as they stand, not put together anew.
    is_an_end: bool,
}

/// The ways in which a rule may have been meant to name this command.
fn spellings(words: &[Word], values: &Values) -> Vec<Spelling> {
    let mut found = Vec::new();
    let mut add = |words: &[Word], is_an_end: bool| {
        let text = pattern::joined(words);
        if let Some((program, rest)) = text.split_once(' ').or(Some((text.as_str(), "")))
            && program.contains('/')
        {
            let rest = if rest.is_empty() { String::new() } else { format!(" {rest}") };
            found.push(Spelling { text: format!("{}{rest}", base(program)), is_an_end });
        }
        found.push(Spelling { text, is_an_end });
    };
    add(words, true);
    let settled: Vec<Word> = words
        .iter()
        .take(cover::MAX_PUT_IN)
        .flat_map(|word| match values.words(word) {
            Some(values) if word.expands.value => values,
            Some(_) | None => vec![word.clone()],
        })
        .collect();
    if settled.as_slice() != words {
        add(&settled, false);
    }
    // `git -C folder push` is a push, `npm x` is `npm exec`.
    let subs = words.first().filter(|first| subcommands::has_subcommands(base(&first.text)));
    for (at, sub) in subs.iter().flat_map(|first| subcommands::subcommands(base(&first.text), words)) {
        let named = words.get(at).map(|word| Word { text: sub.to_owned(), ..word.clone() });
        let direct: Vec<Word> = words.iter().take(1).chain(&named).chain(words.iter().skip(at + 1)).cloned().collect();
        if direct != words {
            add(&direct, false);
        }
    }
    // `gh pr -R owner/name merge` merges.
    if let Some(first) = words.first()
        && let Some(direct) = subcommands::without_options(base(&first.text), words)
    {
        add(&direct, false);
    }
    found
}

fn possible(denied: &Refused<'_>, asked: &Refused<'_>, uses: &Uses) -> Option<(Decision, String, String)> {
    if let Some((rule, part)) = &denied.possible {
        return Some((Decision::None, rule.text.clone(), part.clone()));
    }
    let of = |wanted| uses.possible.iter().find(|(decision, _, _)| *decision == wanted);
    if let Some((_, rule, part)) = of(Decision::Deny) {
        return Some((Decision::None, rule.clone(), part.clone()));
    }
    if let Some((rule, part)) = &asked.possible {
        return Some((Decision::Ask, rule.text.clone(), part.clone()));
    }
    of(Decision::Ask).map(|(_, rule, part)| (Decision::Ask, rule.clone(), part.clone()))
}

#[cfg(test)]
mod tests;
