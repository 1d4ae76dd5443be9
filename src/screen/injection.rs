//! Text that tries to steer a model that reads it: phrases, marks of roles, signs that people do not see. A list of what is
//! known, not a barrier: whoever words it anew is not found.

use std::sync::{LazyLock, OnceLock};

use aho_corasick::AhoCorasick;
use regex::{Regex, RegexBuilder};

use super::{Finding, FlagKind};

struct Phrase {
    rule: &'static str,
    /// Words of which one must be there before the pattern is tried.
    words: &'static [&'static str],
    pattern: &'static str,
    weight: u8,
}

const COMPILED_BYTES_MAX: usize = 1 << 20;
/// More than this of one rule in one text says nothing more.
const FOUND_MAX: usize = 100;
/// So many signs without a width in a row are no script's need.
const HIDDEN_RUN_MIN: usize = 3;

const PHRASES: [Phrase; 11] = [
    Phrase {
        rule: "ignore_instructions",
        words: &["ignore", "disregard", "forget", "override", "bypass", "do not follow", "don't follow"],
        pattern: r"\b(?:ignore|disregard|forget|override|bypass|do not follow|don't follow)\s+(?:(?:all|any|every|the|your|my|of|these|those|each|to)\s+){0,4}(?:previous|prior|above|earlier|preceding|existing|original|former|system|foregoing)\s+(?:\w+\s+){0,2}(?:instructions?|prompts?|rules?|directions?|guidelines?|commands?|context|messages?|polic(?:y|ies))",
        weight: 3,
    },
    Phrase {
        rule: "ignore_instructions",
        words: &["vergiss", "ignoriere", "ignorez", "oubliez", "olvida", "ignora"],
        pattern: r"\b(?:vergiss|ignoriere?|ignorez?|oubliez?|olvida|ignora)\b.{0,30}\b(?:anweisung(?:en)?|regeln|instructions?|consignes|instrucciones|istruzioni)",
        weight: 3,
    },
    Phrase {
        rule: "new_role",
        words: &["you are now", "from now on", "pretend to be", "act as if", "developer mode", "jailbreak", "dan mode"],
        pattern: r"\b(?:you are now (?:a|an|in|the|no longer|free|dan)\b|from now on,? you (?:are|will|must)\b|pretend to be\b|act as if you (?:have no|are not|were not)\b|(?:developer|dan|god) mode (?:enabled|on|activated)|jailbreak(?:ed)? mode)",
        weight: 2,
    },
    Phrase {
        rule: "role_mark",
        words: &[
            "<|",
            "[inst]",
            "<<sys>>",
            "[/inst]",
            "<system",
            "</system",
            "### system",
            "### instruction",
            "human:",
        ],
        pattern: r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id)[^>|]{0,40}\|?>|\[/?INST\]|<</?SYS>>|</?(?:system|system[-_]prompt|system[-_]reminder)>|(?m:^#{2,3} (?:system|instructions?):)|\n\n(?:human|assistant): ",
        weight: 3,
    },
    Phrase {
        rule: "prompt_theft",
        words: &["prompt", "instructions"],
        pattern: r"\b(?:reveal|print|show|repeat|output|display|leak|tell me|give me|send|disclose|dump)\s+(?:\w+\s+){0,3}(?:(?:system|hidden|initial|secret|original|internal)\s+(?:prompt|instructions?|message)|your (?:prompt|instructions))",
        weight: 3,
    },
    Phrase {
        rule: "tool_mimicry",
        words: &["function_call", "tool_call", "tool_use", "invoke", "tool_result", "function_result"],
        pattern: r#"</?(?:antml:)?(?:function_calls?|tool_calls?|tool_use|tool_results?|invoke|function_results?)\b[^>]{0,80}>|"type"\s*:\s*"tool_use""#,
        weight: 2,
    },
    Phrase {
        rule: "image_leak",
        words: &["]("],
        pattern: r"!\[[^\]\n]*\]\(\s*https?://[^)\s]+[?&][^)\s=]+=[^)\s]*(?:\{|\$|%7B|[a-z0-9+/_=-]{32,})[^)\s]*\)",
        weight: 3,
    },
    Phrase {
        rule: "hidden_comment",
        words: &["<!--"],
        pattern: r"<!--(?s:.{0,400}?)\b(?:ignore|instructions?|you must|assistant|system prompt|do not tell|without telling|secretly|agent)\b(?s:.{0,400}?)-->",
        weight: 2,
    },
    Phrase {
        rule: "secrecy",
        words: &[
            "do not tell",
            "don't tell",
            "without telling",
            "do not mention",
            "don't mention",
            "do not inform",
            "without informing",
        ],
        pattern: r"\b(?:do not|don't|never|without)\s+(?:tell|mention|inform|telling|informing|mentioning)\s+(?:\w+\s+){0,3}(?:user|human|person|anyone|operator|developer)",
        weight: 2,
    },
    Phrase {
        rule: "safety_off",
        words: &["safety", "guardrail", "restrictions", "approval", "permission", "filters"],
        pattern: r"\b(?:disable|turn off|bypass|skip|circumvent|evade|ignore)\s+(?:\w+\s+){0,3}(?:safety|guardrails?|restrictions|approvals?|permission (?:checks?|system|prompts?)|content filters?)\b",
        weight: 1,
    },
    Phrase {
        rule: "send_out",
        words: &["exfiltrate", "send", "upload", "post", "forward", "curl"],
        pattern: r"\b(?:exfiltrate|send|upload|post|forward)\s+(?:\w+\s+){0,5}(?:secrets?|credentials?|passwords?|api[ _-]?keys?|private keys?|tokens?|\.env|environment variables|ssh keys?)\b.{0,40}\b(?:to|at)\s+(?:https?://|\S+@\S|my server|this (?:url|address|server))",
        weight: 3,
    },
];

/// The words, and which phrase each belongs to.
static KNOWN: LazyLock<(AhoCorasick, Vec<usize>)> = LazyLock::new(|| {
    let each = PHRASES.iter().enumerate();
    let (of, words): (Vec<usize>, Vec<&str>) =
        each.flat_map(|(index, phrase)| phrase.words.iter().map(move |word| (index, *word))).unzip();
    let built = AhoCorasick::builder().ascii_case_insensitive(true).build(words);
    (built.unwrap_or_else(|_| std::process::abort()), of)
});

/// Compiled when first needed: most runs of the program never need one.
static COMPILED: [OnceLock<Option<Regex>>; PHRASES.len()] = [const { OnceLock::new() }; PHRASES.len()];

fn compile(phrase: &Phrase) -> Option<Regex> {
    RegexBuilder::new(phrase.pattern).case_insensitive(true).size_limit(COMPILED_BYTES_MAX).build().ok()
}

pub(super) fn find<'s>(text: &str, found: &mut Vec<Finding<'s>>) {
    let mut wanted = [false; PHRASES.len()];
    let (words, of) = &*KNOWN;
    for hit in words.find_overlapping_iter(text) {
        let phrase = of.get(hit.pattern().as_usize()).and_then(|index| wanted.get_mut(*index));
        if let Some(wanted) = phrase {
            *wanted = true;
        }
    }
    for ((phrase, compiled), _) in PHRASES.iter().zip(&COMPILED).zip(wanted).filter(|(_, wanted)| *wanted) {
        let Some(pattern) = compiled.get_or_init(|| compile(phrase)) else { continue };
        let hits = pattern.find_iter(text).take(FOUND_MAX);
        found.extend(hits.map(|hit| Finding {
            kind: FlagKind::Injection,
            rule: phrase.rule,
            at: hit.range(),
            weight: phrase.weight,
        }));
    }
    if !text.is_ascii() {
        hidden(text, found);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hidden {
    /// Letters of a plane that nothing shows.
    Tag,
    /// Turns the direction of what follows.
    Turn,
    /// Without a width.
    Empty,
    /// Chooses a form of the sign before it; a row of them carries bytes.
    Form,
}

fn hidden_kind(c: char) -> Option<Hidden> {
    match c {
        '\u{e0000}'..='\u{e007f}' => Some(Hidden::Tag),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some(Hidden::Turn),
        '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{180e}' | '\u{2061}'..='\u{2064}' => Some(Hidden::Empty),
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => Some(Hidden::Form),
        _ => None,
    }
}

fn hidden<'s>(text: &str, found: &mut Vec<Finding<'s>>) {
    let mut run: Option<(Hidden, usize, usize)> = None;
    let mut flag = false;
    let mut end_run = |run: Option<(Hidden, usize, usize)>, end: usize| {
        let Some((kind, start, count)) = run else { return };
        let (rule, least) = match kind {
            Hidden::Tag => ("hidden_tags", 1),
            Hidden::Turn => ("turned_text", 1),
            Hidden::Empty => ("zero_width", HIDDEN_RUN_MIN),
            Hidden::Form => ("hidden_forms", HIDDEN_RUN_MIN),
        };
        if count >= least {
            found.push(Finding { kind: FlagKind::Injection, rule, at: start..end, weight: 3 });
        }
    };
    for (at, c) in text.char_indices() {
        // The flags of England, Scotland and Wales are written with these signs.
        let kind = hidden_kind(c).filter(|kind| !(flag && *kind == Hidden::Tag));
        run = match (run, kind) {
            (Some((was, start, count)), Some(kind)) if was == kind => Some((was, start, count + 1)),
            (ended, kind) => {
                end_run(ended, at);
                kind.map(|kind| (kind, at, 1))
            }
        };
        flag = c == '\u{1f3f4}' || (flag && hidden_kind(c) == Some(Hidden::Tag));
    }
    end_run(run, text.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_can_be_compiled() {
        for phrase in &PHRASES {
            assert!(compile(phrase).is_some(), "{}", phrase.rule);
        }
    }
}
