//! May this path be read or written? Patterns, the real place behind a link, and what is never written without a person.
//! No file is looked at.

mod meet;
mod pattern;
mod place;
mod protected;
mod target;
mod windows;
mod writes;

use serde_json::Value;

use super::judge::{Around, Guard, Parts, RuleSet, Verdict, order};
use super::names::{self, File};
use super::parameters::Fields;
use super::rule::{Rule, RuleList, ToolPattern};
pub use pattern::Pattern;
use pattern::Reach;
use place::Place;
pub use place::normal;
pub use protected::is_program;
use target::Target;
pub use writes::{Writes, effective_writes, writes_cover};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// Names in a message are no longer than this, in characters.
const SHOWN_MAX: usize = 120;
/// The system opens no longer path, and each is held against every rule.
const PATH_BYTES_MAX: usize = 4_096;

/// Ways of writing out the braces of a call's pattern.
const ALTERNATIVES_MAX: usize = 64;

/// `path` as written: absolute, or relative to `around.cwd`.
pub fn judge(rules: &RuleSet, access: Access, path: &str, around: &Around) -> Verdict {
    let what = match access {
        Access::Read => format!("reading `{}`", shown(path)),
        Access::Write => format!("writing `{}`", shown(path)),
    };
    let refuses_by_name = |rule: &Rule, list| match access {
        Access::Read => names::covers(rule, list, "Read"),
        // A redirection makes a file as `Write` does.
        Access::Write => names::covers(rule, list, "Edit") || names::covers(rule, list, "Write"),
    };
    let asked = Asked {
        tool: if access == Access::Write { "Edit" } else { "Read" },
        writes: access == Access::Write,
        place: Place::of(path, around),
        also: Vec::new(),
        what,
    };
    decide(rules, &asked, refuses_by_name, None, around)
}

/// One call of a tool that works on files.
pub(super) fn call(rules: &RuleSet, file: File, tool: &str, input: &Value, around: &Around) -> Verdict {
    let fields = Fields::of(input);
    let what = |path: &str| format!("`{tool}` on `{}`", shown(path));
    let path = match written(file, input) {
        Ok(path) => path,
        Err(why) => {
            let refuses = |rule: &Rule, list| names::covers(rule, list, tool) || fields.hold(rule, list, tool);
            let (what, doubt) = (format!("`{tool}`"), Some(why));
            return order(Parts { rules, what, refuses, guard: None, doubt, allows: || None });
        }
    };
    let mut place = Place::of(path, around);
    let (mut also, mut too_many) = (Vec::new(), None);
    if file.folder {
        place = place.folder();
        let (globs, all) = globbed(file, path, input);
        also = globs.iter().map(|path| Place::of(path, around)).collect();
        too_many = (!all).then(|| "its pattern names more alternatives than are looked at".to_owned());
    }
    let unsure = fields.unsure(rules, tool);
    let doubt = unsure.map(|rule| format!("the rule `{}` looks at a field that holds more than one value", rule.text));
    let doubt = doubt.or(too_many).or_else(|| picked_out(rules, tool, &also, file.writes, around));
    let asked = Asked { tool, writes: file.writes, place, also, what: what(path) };
    let refuses = |rule: &Rule, list| {
        // No tool of the family is left out: what denies reading denies writing.
        names::covers(rule, list, tool)
            || file.writes && list == RuleList::Deny && names::covers(rule, list, "Read")
            || fields.hold(rule, list, tool)
    };
    decide(rules, &asked, refuses, doubt, around)
}

/// Why every agent keeps off this path, whatever the rules say.
pub fn guarded(path: &str, access: Access, around: &Around) -> Option<String> {
    protected::guarded(&Place::of(path, around), access == Access::Write, around)
}

/// The absolute paths whose real place says whether a path is kept from agents.
pub(super) fn looked_up(path: &str, around: &Around) -> Vec<String> {
    place::looked_up(path, around)
}

/// Why the patterns of a call may mean files that a rule keeps from it.
fn picked_out(rules: &RuleSet, tool: &str, globs: &[Place], writes: bool, around: &Around) -> Option<String> {
    let targets: Vec<(&Place, Target<'_>)> = globs
        .iter()
        .filter(|glob| glob.path.contains(['*', '?', '[']))
        .map(|glob| (glob, Target::of(glob, around)))
        .collect();
    let meets = |list: RuleList| {
        let targets = &targets;
        move |rule: &&Rule| {
            let path = rule.path.as_ref().filter(|_| is_about(rule, tool, writes, list));
            path.is_some_and(|path| targets.iter().any(|(glob, target)| path.is_met_by(&glob.path, target)))
        }
    };
    let rule = rules.deny.iter().find(meets(RuleList::Deny)).or_else(|| rules.ask.iter().find(meets(RuleList::Ask)))?;
    Some(format!("its pattern may mean files that the rule `{}` is about", rule.text))
}

struct Asked<'a> {
    tool: &'a str,
    writes: bool,
    place: Place,
    /// Files that a pattern in the call names, taken by their letters: enough to refuse, never to allow.
    also: Vec<Place>,
    what: String,
}

fn decide(
    rules: &RuleSet,
    asked: &Asked<'_>,
    by_name: impl Fn(&Rule, RuleList) -> bool,
    doubt: Option<String>,
    around: &Around,
) -> Verdict {
    let Asked { tool, writes, place, also, what } = asked;
    let targets: Vec<Target<'_>> = [place].into_iter().chain(also).map(|place| Target::of(place, around)).collect();
    let refuses = |rule: &Rule, list: RuleList| {
        by_name(rule, list)
            || rule.path.as_ref().is_some_and(|pattern| {
                is_about(rule, tool, *writes, list) && targets.iter().any(|target| pattern.covers(Reach::Wide, target))
            })
    };
    let guard = [place].into_iter().chain(also).find_map(|place| protected::guarded(place, *writes, around));
    let doubt = doubt.or_else(|| place.doubt.clone()).or_else(|| also.iter().find_map(|place| place.doubt.clone()));
    let doubt = doubt.or_else(|| if *writes { protected::protected(place).map(str::to_owned) } else { None });
    let later = if *writes { protected::runs_later(place) } else { None };
    let later_doubt = later.as_ref().map(|(why, _)| (*why).to_owned());
    let allows = || {
        let named = |rule: &&Rule| match (&later, &rule.path) {
            (None, _) => true,
            (Some((_, name)), Some(pattern)) => protected::names_it(pattern, name),
            (Some(_), None) => false,
        };
        let whole = |rule: &&Rule| names::covers(rule, RuleList::Allow, tool);
        if let Some(rule) = rules.allow.iter().filter(named).find(whole) {
            return Some((rule, format!("the rule `{}` allows {what}", rule.text)));
        }
        // A pattern that reaches out of the folder that was judged needs a rule for everything.
        let folder = pattern::names(&place.path);
        let inside = |other: &Place| pattern::names(&other.path).starts_with(&folder);
        if !also.iter().all(inside) {
            return None;
        }
        // The path as written and what it leads to may be covered by a rule each.
        let about = |rule: &&Rule| is_about(rule, tool, *writes, RuleList::Allow);
        let mut decided = None;
        let target = targets.first()?;
        for names in &target.spellings {
            let covers = |rule: &&Rule| rule.path.as_ref().is_some_and(|path| path.covers_spelling(names, target));
            let rule = rules.allow.iter().filter(about).filter(named).find(covers)?;
            decided.get_or_insert(rule);
        }
        decided.map(|rule| (rule, format!("the rule `{}` allows {what}", rule.text)))
    };
    let verdict = order(Parts { rules, what: what.clone(), refuses, guard, doubt, allows });
    match later_doubt {
        Some(why) if verdict.decision == super::judge::Decision::None => {
            Verdict::none(format!("{what} is not allowed without a person: {why}"))
        }
        _ => verdict,
    }
}

/// Whether the brackets of a rule are about paths of such a tool.
fn is_about(rule: &Rule, tool: &str, writes: bool, list: RuleList) -> bool {
    let ToolPattern::Name(name) = &rule.tool else { return false };
    match (name.as_str(), list) {
        ("Edit", _) => writes,
        ("Read", RuleList::Deny) => true,
        ("Read", RuleList::Ask | RuleList::Allow) => !writes,
        // Clients read no path in the brackets of these, so they allow nothing; refusing goes by them.
        (_, RuleList::Allow) => false,
        ("Write" | "MultiEdit" | "NotebookEdit", _) => name == tool || tool == "Edit" && writes,
        (name, _) => name == tool,
    }
}

/// Why a rule with a path in its brackets counts for nothing in that list.
pub(super) fn without_effect(rule: &Rule, list: RuleList) -> Option<String> {
    let (ToolPattern::Name(name), Some(spec), Some(_)) = (&rule.tool, &rule.spec, &rule.path) else { return None };
    let text = &rule.text;
    if spec.trim_start().starts_with('!') {
        return Some(format!("`{text}` counts for nothing, since a path in a rule cannot be taken out with `!`"));
    }
    if list != RuleList::Allow {
        return None;
    }
    match name.as_str() {
        "Write" | "MultiEdit" | "NotebookEdit" => {
            Some(format!("`{text}` allows nothing, since paths are read in `Edit` rules: write `Edit({spec})`"))
        }
        "Grep" | "Glob" | "LS" | "NotebookRead" => {
            Some(format!("`{text}` allows nothing, since paths are read in `Read` rules: write `Read({spec})`"))
        }
        _ => None,
    }
}

/// The pattern in the brackets of a rule that is about files.
pub(super) fn pattern(tool: &ToolPattern, spec: Option<&str>) -> Option<Pattern> {
    let (ToolPattern::Name(name), Some(spec)) = (tool, spec) else { return None };
    matches!(names::kind(name), names::Kind::File(_)).then(|| Pattern::read(spec))
}

fn written(file: File, input: &Value) -> Result<&str, String> {
    // Names under which a client may have put the path of such a tool.
    let known = [file.field, "file_path", "path", "notebook_path"];
    if !input.is_object() {
        return Err("its input is not an object".to_owned());
    }
    let long = |field: &str| input.get(field).and_then(Value::as_str).is_some_and(|text| text.len() > PATH_BYTES_MAX);
    if long(file.field) || file.glob.is_some_and(long) {
        return Err(format!("a path or pattern in it is longer than {PATH_BYTES_MAX} bytes"));
    }
    match input.get(file.field) {
        Some(Value::String(path)) if !path.is_empty() => Ok(path),
        None | Some(Value::Null) if file.folder => Ok("."),
        Some(Value::String(_)) if file.folder => Ok("."),
        Some(_) => Err(format!("its `{}` is not a path", file.field)),
        None if known.iter().any(|field| input.get(field).is_some()) => {
            Err(format!("its path does not stand in `{}`", file.field))
        }
        None => Err(format!("it names no path in `{}`", file.field)),
    }
}

/// Paths that the patterns of the call spell, with their wildcards as letters, and whether these are all.
fn globbed(file: File, folder: &str, input: &Value) -> (Vec<String>, bool) {
    let written = file.glob.and_then(|field| input.get(field)).and_then(Value::as_str);
    let Some(written) = written else { return (Vec::new(), true) };
    let (mut found, mut is_all) = (Vec::new(), true);
    for glob in one_by_one(written) {
        let glob = glob.strip_prefix('!').unwrap_or(glob);
        match pattern::braces(glob, ALTERNATIVES_MAX) {
            Some(all) => found.extend(all),
            None => is_all = false,
        }
        found.push(glob.to_owned());
    }
    let join =
        |glob: String| if glob.starts_with('/') || glob.starts_with('~') { glob } else { format!("{folder}/{glob}") };
    (found.into_iter().map(join).collect(), is_all)
}

/// Clients take several patterns in one field, parted by blanks, and by commas where there are no braces.
fn one_by_one(written: &str) -> Vec<&str> {
    let mut found = vec![written];
    let parts = written.split_whitespace().flat_map(|part| {
        let comma = if part.contains('{') { '\0' } else { ',' };
        part.split(comma)
    });
    found.extend(parts.filter(|part| !part.is_empty() && *part != written));
    found
}

/// The absolute paths of a call whose real place counts.
pub(super) fn of_call(file: File, input: &Value, around: &Around) -> Vec<String> {
    let Ok(path) = written(file, input) else { return Vec::new() };
    let mut found = place::looked_up(path, around);
    for other in globbed(file, path, input).0 {
        found.extend(place::looked_up(&other, around));
    }
    found
}

/// The absolute paths that rules of deny and ask spell out: where they lead may be what a rule is about.
pub(super) fn of_rules(rules: &RuleSet, around: &Around) -> Vec<String> {
    let paths = rules.deny.iter().chain(&rules.ask).filter_map(|rule| rule.path.as_ref());
    paths.flat_map(|path| path.spelled_out(around)).collect()
}

/// The surroundings of a machine on which paths begin with a drive, in the form in which patterns are written.
pub fn on_windows(around: Around) -> Around {
    let read = |path: String| windows::as_posix(&path).path;
    let Guard { programs, paths, ports } = around.guard;
    let each = |paths: Vec<String>| paths.into_iter().map(read).collect();
    Around {
        cwd: read(around.cwd),
        base: around.base.map(read),
        home: around.home.map(read),
        root: read(around.root),
        links: around.links.into_iter().map(|(from, to)| (read(from), read(to))).collect(),
        case_insensitive: true,
        windows: true,
        guard: Guard { programs: each(programs), paths: each(paths), ports },
        ..around
    }
}

/// A path of Windows in the form of patterns.
pub(super) fn as_posix(written: &str) -> String {
    windows::as_posix(written).path
}

/// What came from outside, on one line and not too long.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().take(SHOWN_MAX) {
        if character.is_control() || place::is_unseen(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    if text.chars().nth(SHOWN_MAX).is_some() {
        out.push('…');
    }
    out
}
