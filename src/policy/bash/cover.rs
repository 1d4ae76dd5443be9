//! Whether allow rules cover a whole text: every command, every file of a redirection, nothing that cannot be seen.

use std::cell::OnceCell;

use super::super::glob::Pairs;
use super::super::judge::{Around, Decision, RuleSet};
use super::super::paths::{self, Access};
use super::super::rule::{Rule, RuleList};
use super::super::shell::script::{Input, Script, Word};
use super::assignments::{handed_on, is_own, is_safe};
use super::effects::{self, Effect, Risk, base};
use super::files;
use super::pattern::{Pattern, joined_strictly};
use super::shown;
use super::table;
use super::together;
use super::uses::{Uses, is_free};
use super::values::Values;
use super::views::{Seen, View};
use super::wrappers::{Inner, look_inside};

/// Commands of one text that an allow rule may cover; deny and ask look at all.
pub const MAX_COMMANDS: usize = 1_000;
/// They run what stands behind them in a way of their own: a rule with `*` does not say of which program that may be.
const ONLY_EXACTLY: &[&str] = &["flock", "ionice", "setsid", "watch"];

/// Words of one command that values are put into.
pub const MAX_PUT_IN: usize = 256;
/// Wrappers before one command that an allow rule may look through.
const MAX_WRAPPERS: usize = 8;

#[derive(Debug)]
pub struct Spec<'r> {
    pub rule: &'r Rule,
    /// Nothing where the rule is about every command.
    pub pattern: Option<Pattern>,
}

/// The rules of a list that are about shell commands.
pub fn specs(rules: &[Rule], list: RuleList) -> Vec<Spec<'_>> {
    let mut found = Vec::new();
    for rule in rules {
        if !rule.tool.matches("Bash") || rule.grants_nothing(list).is_some() {
            continue;
        }
        let pattern = rule.spec.as_deref().map(Pattern::parse).filter(|pattern| !pattern.is_everything());
        found.push(Spec { rule, pattern });
    }
    found
}

#[derive(Debug)]
pub struct Cover<'a> {
    pub rules: &'a RuleSet,
    pub around: &'a Around,
    pub script: &'a Script,
    pub values: &'a Values,
    pub allow: &'a [Spec<'a>],
    /// A deny or ask rule with brackets exists: what cannot be seen may be what it is about.
    pub scoped: bool,
}

/// What is never written without a person, a redirection writes neither, however the rule spells it out.
fn writes_protected(uses: &Uses) -> bool {
    uses.all.iter().any(|one| one.redirected && one.protected && one.access == Access::Write)
}

/// A command as each allow rule sees it, made when the first asks.
struct Reading<'v> {
    view: &'v View,
    plain: bool,
    unknown: Option<&'v str>,
    variants: OnceCell<Vec<Variant>>,
}

/// Its words with values put in.
struct Variant {
    words: Vec<Word>,
    text: String,
    plain: bool,
    /// Each with whether it only writes where a rule opens writing.
    risks: Vec<(Risk, OnceCell<bool>)>,
}

impl<'a> Cover<'a> {
    /// The rule that allows, or why none does.
    pub fn all(&self, command: &str, seen: &[Seen<'_>], uses: &Uses) -> Result<(&'a Rule, String), String> {
        let written = command.trim_matches([' ', '\t', '\n']);
        for spec in self.allow {
            let exact = spec.pattern.as_ref().filter(|pattern| !pattern.has_wildcard());
            if exact.is_some_and(|pattern| pattern.is_written(written)) && !writes_protected(uses) {
                return Ok((spec.rule, format!("the rule `{}` is this command", spec.rule.text)));
            }
        }
        if seen.len() > MAX_COMMANDS {
            return Err("it holds more commands than are looked through".to_owned());
        }
        let whole = self.allow.iter().find(|spec| spec.pattern.is_none()).map(|spec| spec.rule);
        if let Some(why) = &self.script.opaque {
            match whole {
                Some(_) if !self.scoped => {}
                Some(_) => return Err(format!("{why}; a rule of deny or ask may be about what it hides")),
                None => return Err(format!("what it runs cannot be read for certain: {why}")),
            }
        }
        if seen.is_empty() && self.script.opaque.is_none() {
            return Err("there is no command in it".to_owned());
        }
        if let Some(name) = self.script.filled.iter().find(|name| !is_own(name)).filter(|_| whole.is_none()) {
            return Err(format!("the variable `{}` may change what programs do", shown(name)));
        }
        let mut by: Option<&'a Rule> = None;
        for one in seen {
            let rule = match whole {
                Some(rule) => self.everything(one).map(|()| Some(rule)),
                None => self.one(one),
            }?;
            by = by.or(rule);
        }
        self.files(uses)?;
        if self.scoped && together::runs_what_it_made(seen) {
            let mut refusing = self.rules.deny.iter().chain(&self.rules.ask);
            if let Some(rule) = refusing.find(|rule| together::stands_in(rule, command)) {
                return Err(format!(
                    "it runs what it has just written, and the rule `{}` may be about that",
                    rule.text
                ));
            }
        }
        if let Some(rule) = by.or(whole) {
            return Ok((rule, format!("every command in it is covered, the first by `{}`", rule.text)));
        }
        // It may be said where anything of the shell may.
        let some = self.allow.first().ok_or_else(|| "no rule covers it".to_owned())?;
        Ok((some.rule, "it starts no program".to_owned()))
    }

    /// Under bare `Bash`: only what hides something from the rules of deny and ask is kept back.
    fn everything(&self, one: &Seen<'_>) -> Result<(), String> {
        if !self.scoped {
            return Ok(());
        }
        if let Some(why) = &one.closed {
            return Err(format!("{why}; a rule of deny or ask may be about what it hides"));
        }
        for view in &one.views {
            let words = view.words();
            let inside = look_inside(words, view.input);
            let name = words.first().map_or("", |word| base(&word.text));
            if !inside.inner.is_empty() && !table::UNREADABLE.contains(&name) && name != "ssh" {
                continue;
            }
            // `batch` alone reads its commands.
            let told = words.len() > 1 || view.input != Input::Inherited;
            if told && effects::runs_others(name, words) {
                return Err(format!(
                    "`{}` runs what cannot be seen, and a rule of deny or ask may be about it",
                    shown(name)
                ));
            }
            for variant in self.variants(words) {
                let hides = effects::risks(&variant, view.input).into_iter().find(|risk| match risk.effect {
                    Effect::Runs => !effects::runs_the_project(table::listed_name(name), &variant, risk.at),
                    Effect::Writes => false,
                    Effect::Unknown => variant.get(risk.at).is_some_and(|word| word.expands.value),
                });
                if let Some(risk) = hides {
                    let word = words.get(risk.at).or(words.first());
                    let word = word.map_or("", |word| word.text.as_str());
                    return Err(format!("`{}` can run what a rule of deny or ask may be about", shown(word)));
                }
            }
        }
        Ok(())
    }

    /// The rule that covers it; none where it needs none beside those of the rest.
    fn one(&self, one: &Seen<'_>) -> Result<Option<&'a Rule>, String> {
        let assignments = &one.simple.assignments;
        if one.simple.words.is_empty() {
            return match assignments.iter().find(|given| !is_safe(given) && !is_own(&given.name)) {
                Some(assignment) => {
                    Err(format!("the variable `{}` may change what programs do", shown(&assignment.name)))
                }
                None => Ok(None),
            };
        }
        if let Some(assignment) = assignments.iter().find(|assignment| !is_safe(assignment)) {
            return Err(format!("the variable `{}` may change what the program does", shown(&assignment.name)));
        }
        if let Some(name) = handed_on(&one.simple.words) {
            return Err(format!("the variable `{}` may change what programs do", shown(name)));
        }
        let mut why = None;
        let mut pairs = Pairs::default();
        for view in one.views.iter().filter(|view| view.open) {
            let text = joined_strictly(view.words());
            pairs.now_of(&text);
            let read = OnceCell::new();
            for spec in self.allow {
                let Some(pattern) = &spec.pattern else { continue };
                if !pattern.matches_by(&text, &pairs) {
                    continue;
                }
                match self.fits(pattern, read.get_or_init(|| self.read(view))) {
                    Ok(true) => return Ok(Some(spec.rule)),
                    Ok(false) => {}
                    Err(reason) => why = why.or(Some(reason)),
                }
            }
        }
        if self.stays_here(one) {
            return Ok(None);
        }
        let words =
            one.views.first().map(|view| joined_strictly(view.words()).replace('\u{f8ff}', " ")).unwrap_or_default();
        Err(why.unwrap_or_else(|| format!("no rule covers `{}`", shown(&words))))
    }

    /// `cd` to the folder where it is already changes nothing.
    fn stays_here(&self, one: &Seen<'_>) -> bool {
        let [cd, folder] = one.simple.words.as_slice() else { return false };
        cd.text == "cd"
            && cd.expands.nothing()
            && folder.expands.nothing()
            && folder.text.starts_with('/')
            && files::normal(&folder.text) == files::normal(&self.around.cwd)
            && !self.script.functions.iter().any(|name| name == "cd")
    }

    /// What every rule asks about a command, found out once.
    fn read<'v>(&self, view: &'v View) -> Reading<'v> {
        let words = view.words();
        let unknown = words.iter().find(|word| self.is_unknown(word) && word.text != "$@");
        let plain = words.iter().all(|word| word.expands.nothing());
        Reading { view, plain, unknown: unknown.map(|word| word.text.as_str()), variants: OnceCell::new() }
    }

    /// Names that a loop finds, and that begin with anything at all, are as unknown as any input.
    fn is_unknown(&self, word: &Word) -> bool {
        let begins_anyhow = |value: &Word| word.expands.value && value.expands.glob && value.text.starts_with('*');
        self.values.words(word).is_none_or(|values| values.iter().any(begins_anyhow))
    }

    fn variants_of(&self, view: &View) -> Vec<Variant> {
        let variant = |words: Vec<Word>| Variant {
            text: joined_strictly(&words),
            plain: words.iter().all(|word| word.expands.nothing()),
            risks: all_risks(&words, view).into_iter().map(|risk| (risk, OnceCell::new())).collect(),
            words,
        };
        self.variants(view.words()).into_iter().map(variant).collect()
    }

    /// Whether an allow rule whose pattern matches these words covers them; an error says what it leaves open.
    fn fits(&self, pattern: &Pattern, read: &Reading<'_>) -> Result<bool, String> {
        // What the shell then runs stands in no rule.
        if let Some(name) = runs_its_input(read.view) {
            return Err(format!("`{name}` runs what comes on its input, which no rule for it alone covers"));
        }
        if !pattern.has_wildcard() && read.plain {
            return Ok(true);
        }
        if let Some(word) = read.unknown {
            return Err(format!("`{}` is not known before it runs", shown(word)));
        }
        let literal = pattern.literal_words().len();
        for variant in read.variants.get_or_init(|| self.variants_of(read.view)) {
            // A value that was put in must fit as well as what was written.
            if variant.plain && !pattern.matches(&variant.text) {
                return Ok(false);
            }
            let name = base_of(&variant.words);
            if pattern.has_wildcard() && ONLY_EXACTLY.contains(&name.as_str()) {
                return Err(format!("`{name}` runs another program, which a rule with `*` does not cover"));
            }
            for (risk, open) in &variant.risks {
                if risk.at < literal || !pattern.has_wildcard() || *open.get_or_init(|| self.may_write(risk, read.view))
                {
                    continue;
                }
                let word = variant.words.get(risk.at).or(variant.words.first()).map_or("", |word| word.text.as_str());
                let what = match risk.effect {
                    Effect::Runs => "can run another program",
                    Effect::Writes => "writes or deletes files",
                    Effect::Unknown => "may become an option that runs or writes something",
                };
                return Err(format!(
                    "`{}` of `{}` {what}, which a rule with `*` does not cover",
                    shown(word),
                    base_of(&variant.words)
                ));
            }
        }
        Ok(true)
    }

    fn may_write(&self, risk: &Risk, view: &View) -> bool {
        let (Effect::Writes, Some(target)) = (risk.effect, &risk.target) else { return false };
        if !target.expands.nothing() {
            return false;
        }
        if is_free(&target.text) {
            return true;
        }
        let (places, open) = files::places(target, &view.folders, &[], self.around);
        !open
            && places
                .iter()
                .all(|place| paths::judge(self.rules, Access::Write, place, self.around).decision == Decision::Allow)
    }

    /// The words with each value that a variable of the text can have.
    fn variants(&self, words: &[Word]) -> Vec<Vec<Word>> {
        if words.len() > MAX_PUT_IN {
            return vec![words.to_vec()];
        }
        let all: Vec<Vec<Word>> =
            words.iter().map(|word| self.values.words(word).unwrap_or_else(|| vec![word.clone()])).collect();
        let count = all.iter().map(Vec::len).max().unwrap_or(1);
        (0..count)
            .map(|turn| all.iter().filter_map(|values| values.get(turn).or(values.last()).cloned()).collect())
            .collect()
    }

    fn files(&self, uses: &Uses) -> Result<(), String> {
        if let Some(why) = &uses.doubt {
            return Err(why.clone());
        }
        for one in uses.all.iter().filter(|one| !one.aside) {
            let path = shown(&one.path);
            if one.protected {
                return Err(format!("`{path}` is never written without a person"));
            }
            if !one.redirected {
                continue;
            }
            let opened = one.verdict.decision == Decision::Allow;
            match one.access {
                Access::Write if !opened => return Err(format!("no rule opens writing `{path}`")),
                Access::Read if !opened && !self.lies_here(&one.path) => {
                    return Err(format!("no rule opens reading `{path}`"));
                }
                Access::Write | Access::Read => {}
            }
        }
        Ok(())
    }

    fn lies_here(&self, path: &str) -> bool {
        let real = self.around.links.get(path).map_or(path, String::as_str);
        [&self.around.cwd, &self.around.root].iter().any(|folder| {
            folder.len() > 1 && real.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
        })
    }
}

/// A shell or an interpreter whose program comes from a pipe, a text or a file.
fn runs_its_input(view: &View) -> Option<String> {
    let words = view.words();
    let name = base(&words.first()?.text);
    let runs = table::SHELLS.contains(&name) || effects::is_interpreter(name);
    let told = view.input != Input::Inherited;
    let reads = || effects::risks(words, view.input).iter().any(|risk| risk.at >= words.len());
    (runs && told && reads()).then(|| shown(name))
}

fn base_of(words: &[Word]) -> String {
    words.first().map(|word| shown(base(&word.text))).unwrap_or_default()
}

/// What the command does by itself and through the wrappers before it, each with the word that decides.
fn all_risks(words: &[Word], view: &View) -> Vec<Risk> {
    let mut found = Vec::new();
    let mut words = words.to_vec();
    let mut from = 0;
    for _ in 0..MAX_WRAPPERS {
        let Some(first) = words.first() else { return found };
        let name = base(&first.text).to_owned();
        let runs_others = effects::runs_others(&name, &words);
        let own = effects::risks(&words, view.input);
        found.extend(own.into_iter().map(|risk| Risk { at: risk.at.saturating_add(from), ..risk }));
        let inside = look_inside(&words, view.input);
        let (next, rest) = match inside.inner.first() {
            Some(Inner::From(at)) if runs_others || inside.transparent => {
                (*at, words.split_off((*at).min(words.len())))
            }
            Some(Inner::Filled { at, words }) => (*at, words.clone()),
            Some(_) | None => {
                if runs_others && !(inside.inner.is_empty() && inside.transparent) {
                    found.push(Risk { at: usize::MAX, effect: Effect::Runs, target: None });
                }
                return found;
            }
        };
        if next == 0 {
            return found;
        }
        from += next;
        found.push(Risk { at: from, effect: Effect::Runs, target: None });
        words = rest;
    }
    found.push(Risk { at: usize::MAX, effect: Effect::Runs, target: None });
    found
}

#[cfg(test)]
mod tests;
