//! Texts that are too long to be read. Nothing allows them; what is refused is searched for in them all the same, each command
//! once however often it stands there.

use std::collections::HashSet;

use super::super::judge::{Around, Decision, RuleSet, Verdict};
use super::super::rule::RuleList;
use super::super::shell;
use super::super::shell::script::{Script, Simple};
use super::cover::{Spec, specs};
use super::uses::Finder;
use super::values::Values;
use super::views::{Seen, Walk};
use super::{guard, pattern, refused, shown};

/// Commands that are looked into; of further ones only the words are held against the rules.
const LOOKED_INTO: usize = 400;

/// In a longer command no word is looked into.
const WORDS_MAX: usize = 2_000;

pub fn judge(rules: &RuleSet, command: &str, around: &Around) -> Verdict {
    let (script, further) = distinct(shell::searched(command));
    let mut walk = Walk::new(around.case_insensitive);
    let seen: Vec<Seen<'_>> = script.commands.iter().map(|simple| walk.see(simple)).collect();
    let values = Values::default();
    let uses = Finder::new(rules, around, &values, &seen).uses("", &seen);
    let verdict = |decision, rule: Option<&str>, reason| Verdict {
        decision,
        rule: rule.map(str::to_owned),
        reason,
        opaque: true,
    };
    for (list, kind, decision) in
        [(&rules.deny, RuleList::Deny, Decision::Deny), (&rules.ask, RuleList::Ask, Decision::Ask)]
    {
        let specs = specs(list, kind);
        let looked = refused(&specs, command, &seen, &values).certain.map(|(rule, part)| (rule.text.as_str(), part));
        if let Some((rule, part)) = looked.or_else(|| in_words(&specs, &further)) {
            let part = shown(&part);
            return verdict(decision, Some(rule), format!("the rule `{rule}` is about `{part}`, which the text holds"));
        }
        if let Some(one) = uses.all.iter().find(|one| one.verdict.decision == decision) {
            return Verdict { opaque: true, ..one.verdict.clone() };
        }
        if decision == Decision::Deny
            && let Some(why) = uses.guarded.clone().or_else(|| guard::verdict(&seen, &script, "", around))
        {
            return verdict(Decision::Deny, None, format!("{why}; no agent may do that, whatever the rules allow"));
        }
    }
    let reason = "the command is too long to be read: put it in a file that people can read, and run that";
    verdict(Decision::None, None, reason.to_owned())
}

/// Each command once: those that are looked into, and the words of the others.
fn distinct(commands: Vec<Simple>) -> (Script, Vec<String>) {
    let (mut known, mut script, mut further) = (HashSet::new(), Script::default(), Vec::new());
    for simple in commands {
        let mut key = pattern::joined(&simple.words);
        simple.redirections.iter().for_each(|one| key.extend(["\n", one.target.text.as_str()]));
        if !known.insert(key) {
            continue;
        }
        if script.commands.len() < LOOKED_INTO && simple.words.len() < WORDS_MAX {
            script.commands.push(simple);
        } else {
            further.push(pattern::joined(&simple.words));
        }
    }
    (script, further)
}

fn in_words<'r>(specs: &[Spec<'r>], commands: &[String]) -> Option<(&'r str, String)> {
    commands.iter().find_map(|words| {
        let fits = |spec: &&Spec<'_>| spec.pattern.as_ref().is_none_or(|pattern| pattern.matches(words));
        specs.iter().find(fits).map(|spec| (spec.rule.text.as_str(), words.clone()))
    })
}
