//! What guards one session, as one of its hooks sees it: the hooks of a project, a user, a machine or a plugin, as the
//! files stand now. Reading the files is not here.

use serde_json::Value;

use super::super::claude_code::kept;
use super::json_text::Dialect;
use super::merge::{SERVER, Want, is_ours, lacks, says_all};
use super::{ClientSettings, Guard, Setup, Version, shape};

/// The settings of Claude Code that can hold hooks or turn them off, with the names people know them by.
#[derive(Clone, Debug, Default)]
pub struct Files {
    pub project: Option<String>,
    pub local: Option<String>,
    pub user: Option<String>,
    pub machine: Option<String>,
}

/// What a hook knows of its session beside the files.
pub struct Around<'r> {
    pub version: Option<Version>,
    /// It was started by phasegate's plugin.
    pub plugin: bool,
    /// Whether a program named in a settings file is this one.
    pub is_own: &'r dyn Fn(&str) -> bool,
    /// Whether a variable has this value already.
    pub is_set: &'r dyn Fn(&str, &str) -> bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub guard: Guard,
    /// Less than this client and version could have, by what its files say.
    pub lost: bool,
}

/// The event without which no call is seen.
const BEFORE: &str = "PreToolUse";
const PLUGIN: &str = "phasegate@phasegate";
/// Variables that would start another program, change how this one or its shell runs, or make it look elsewhere.
const VARIABLES: &str = "PATH HOME ENV BASH_ENV NODE_OPTIONS NODE_PATH IFS SHELL SHELLOPTS BASHOPTS PS4 \
    GCONV_PATH GLIBC_TUNABLES LOCPATH AI_AGENT CLAUDE_CONFIG_DIR CLAUDE_PROJECT_DIR CLAUDE_PLUGIN_ROOT \
    CLAUDE_CODE_ENTRYPOINT CLAUDE_CODE_SHELL CLAUDE_CODE_SHELL_PREFIX CLAUDE_CODE_SIMPLE";
const STARTS: [&str; 7] = ["LD_", "DYLD_", "BUN_", "BASH_FUNC_", "XDG_", "PG", "PHASEGATE_"];

/// Whether settings could change by this variable what a hook does.
pub fn turns(variable: &str) -> bool {
    VARIABLES.split(' ').any(|known| known == variable) || STARTS.iter().any(|start| variable.starts_with(start))
}

/// Of a client whose hooks stand in settings files that change while it runs.
pub fn standing(client: &ClientSettings, files: &Files, around: &Around<'_>) -> Standing {
    let best = Standing { guard: (client.guard)(around.version), lost: false };
    if matches!(missing(client, files.machine.as_deref(), around), Ok(Lacks::Nothing)) {
        return best;
    }
    if let Some(taken) = taken_away(files, around) {
        return taken;
    }
    if around.plugin {
        return best;
    }
    let [project, user] = [&files.project, &files.user].map(|text| formed(client, text.as_deref(), around));
    if [&project, &user].contains(&&Ok(Lacks::Nothing)) {
        return best;
    }
    let why = |lacking: &str| format!("the project's settings lack {lacking}");
    match project {
        Err(fault) => lost(Guard::Blind { why: format!("the project's settings cannot be read: {fault}") }),
        Ok(Lacks::Nothing) => best,
        Ok(Lacks::Blocking) => match best.guard {
            Guard::Enforced { .. } => lost(Guard::Advisory { why: why("`onFailure: block` of the hooks") }),
            Guard::Advisory { .. } | Guard::Blind { .. } => best,
        },
        Ok(Lacks::Hooks(missing)) => {
            if let Err(fault) = user {
                return lost(Guard::Blind { why: format!("the user's settings cannot be read: {fault}") });
            }
            let (named, seen) = seen(files);
            if !named {
                // This very hook was started by something: a flag, say.
                let why = "no settings file of this project, its user or its machine has phasegate's hooks".to_owned();
                return lost(Guard::Advisory { why });
            }
            let first = missing.iter().find(|missing| missing.contains(BEFORE)).or(missing.first());
            let why = why(first.map_or("", String::as_str));
            lost(if seen { Guard::Advisory { why } } else { Guard::Blind { why } })
        }
    }
}

/// Whether any hook of ours is named, and whether calls are judged: by one that somebody wrote in other words, say.
fn seen(files: &Files) -> (bool, bool) {
    let Files { project, local, user, machine } = files;
    let texts = [project, local, user, machine].into_iter().flatten();
    let read: Vec<Value> = texts.filter_map(|text| serde_json::from_str(text).ok()).collect();
    let handlers = |settings: &Value| -> Vec<Value> {
        let events = settings.get("hooks").and_then(Value::as_object).into_iter().flatten();
        let groups = events.filter_map(|(_, groups)| groups.as_array()).flatten();
        groups.filter_map(|group| group.get("hooks")?.as_array()).flatten().cloned().collect()
    };
    let named = read.iter().any(|settings| handlers(settings).iter().any(is_ours));
    (named, read.iter().any(|settings| kept::has_hook(settings, BEFORE)))
}

/// What turns hooks off or makes them do something else, wherever they stand.
fn taken_away(files: &Files, around: &Around<'_>) -> Option<Standing> {
    let texts = [
        ("the project's settings", &files.project),
        ("the project's local settings", &files.local),
        ("the user's settings", &files.user),
    ];
    for (name, text) in texts {
        let Some(text) = text.as_deref().filter(|text| !text.trim().is_empty()) else { continue };
        let settings = match serde_json::from_str::<Value>(text) {
            Ok(settings) => settings,
            // Said of it by the caller.
            Err(_) if files.project.as_deref() == Some(text) => continue,
            // The client may read what we cannot, and find there that no hook runs.
            Err(fault) => return Some(lost(Guard::Advisory { why: format!("{name} cannot be read: {fault}") })),
        };
        // Of any other form, it makes the client drop the whole file.
        if settings.get("disableAllHooks").is_some_and(|off| off != &Value::Bool(false)) {
            return Some(lost(Guard::Blind { why: format!("`disableAllHooks` in {name} turns every hook off") }));
        }
        let plugin = settings.get("enabledPlugins").and_then(|plugins| plugins.get(PLUGIN));
        if around.plugin && plugin == Some(&Value::Bool(false)) {
            return Some(lost(Guard::Blind { why: format!("{name} switch the plugin {PLUGIN} off") }));
        }
        if let Some(variable) = turned(&settings, around) {
            let why = format!("`env.{variable}` in {name} changes what a hook starts");
            return Some(lost(Guard::Advisory { why }));
        }
    }
    None
}

fn lost(guard: Guard) -> Standing {
    Standing { guard, lost: true }
}

fn hooks(form: super::Form) -> Vec<Want> {
    match form {
        super::Form::Json { wants, .. } => wants.into_iter().filter(|want| matches!(want, Want::Hook { .. })).collect(),
        super::Form::Toml { .. } | super::Form::Whole { .. } => Vec::new(),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Lacks {
    Nothing,
    /// A hook that fails would let its call pass.
    Blocking,
    Hooks(Vec<String>),
}

/// The client drops a file of another form than it takes, with every hook in it.
fn formed(client: &ClientSettings, text: Option<&str>, around: &Around<'_>) -> Result<Lacks, String> {
    let read = text.and_then(|text| serde_json::from_str(text).ok());
    match read.and_then(|settings| shape::fault(&settings)) {
        Some(fault) => {
            Err(format!("{fault}, or Claude Code drops the whole file with its hooks; put that right or take it out"))
        }
        None => missing(client, text, around),
    }
}

fn missing(client: &ClientSettings, text: Option<&str>, around: &Around<'_>) -> Result<Lacks, String> {
    let Some(text) = text else { return Ok(Lacks::Hooks(vec![format!("the hook {BEFORE}")])) };
    let settings: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let of = |version: Option<Version>| -> Result<Vec<String>, String> {
        let setup = Setup { program: SERVER.to_owned(), version };
        let wants: Vec<Want> = (client.wanted)(&setup).into_iter().flat_map(|wanted| hooks(wanted.form)).collect();
        let mut missing = Vec::new();
        // Asked at every event of a session, so the words are looked for only where something is wrong.
        if !wants.iter().all(|want| stands(&settings, want)) {
            missing = lacks(Some(text), Dialect::Strict, &wants, true).map_err(|fault| fault.to_string())?;
        }
        if missing.is_empty() {
            missing.extend(strangers(&settings, &wants, around));
        }
        Ok(missing)
    };
    let missing = of(None)?;
    if missing.is_empty() {
        return Ok(Lacks::Nothing);
    }
    // As they are written for clients that know no better.
    Ok(if of(Some(Version(0, 0, 0)))?.is_empty() { Lacks::Blocking } else { Lacks::Hooks(missing) })
}

/// The hook as it is wanted, by itself, from whatever program.
fn stands(settings: &Value, want: &Want) -> bool {
    let Want::Hook { event, handler, .. } = want else { return true };
    let groups = settings.get("hooks").and_then(|hooks| hooks.get(event)).and_then(Value::as_array);
    let mut ours = groups.into_iter().flatten().flat_map(|group| {
        let handlers = group.get("hooks").and_then(Value::as_array).into_iter().flatten();
        handlers.filter(|one| is_ours(one)).map(move |one| (group.get("matcher"), one))
    });
    let (Some((matcher, known)), None) = (ours.next(), ours.next()) else { return false };
    let (Some(known), Some(wanted)) = (known.as_object(), handler.as_object()) else { return false };
    let same = |(key, value): (&String, &Value)| key == "command" || known.get(key) == Some(value);
    says_all(matcher) && known.len() == wanted.len() && wanted.iter().all(same)
}

/// Events whose hook has the form of ours and starts another program.
fn strangers(settings: &Value, wants: &[Want], around: &Around<'_>) -> Vec<String> {
    let stranger = |want: &Want| {
        let Want::Hook { event, handler, .. } = want else { return None };
        let groups = settings.get("hooks")?.get(event)?.as_array()?.iter();
        let handlers = groups.filter_map(|group| group.get("hooks")?.as_array()).flatten();
        let ours = handlers.filter(|one| one.get("args").is_some() && one.get("args") == handler.get("args"));
        let mut programs = ours.filter_map(|one| one.get("command")?.as_str());
        programs.any(|program| !(around.is_own)(program)).then(|| format!("the hook {event} by this program"))
    };
    wants.iter().filter_map(stranger).collect()
}

/// A variable by which these settings would change what a hook does, and that does not hold yet.
fn turned(settings: &Value, around: &Around<'_>) -> Option<String> {
    let variables = settings.get("env")?.as_object()?;
    let new = |(name, value): &(&String, &Value)| {
        turns(name) && !value.as_str().is_some_and(|value| (around.is_set)(name, value))
    };
    variables.iter().find(new).map(|(name, _)| name.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clients::setup::client;

    const NEW: Option<Version> = Some(Version(2, 1, 329));

    fn of(files: &Files, plugin: bool, version: Option<Version>) -> (&'static str, bool, String) {
        let around = Around {
            version,
            plugin,
            is_own: &|program| program == "phasegate",
            is_set: &|name, value| (name, value) == ("PATH", "/bin"),
        };
        let found = standing(client("claude-code").unwrap(), files, &around);
        (found.guard.word(), found.lost, found.guard.why().to_owned())
    }

    fn whole() -> Value {
        let setup = Setup { program: SERVER.to_owned(), version: NEW };
        let wanted = (client("claude-code").unwrap().wanted)(&setup);
        serde_json::from_str(&wanted[1].form.merged(None).unwrap()).unwrap()
    }

    fn changed(pointer: &str, value: Value) -> Option<String> {
        let mut settings = whole();
        *settings.pointer_mut(pointer).unwrap() = value;
        Some(settings.to_string())
    }

    #[test]
    fn a_session_is_guarded_as_its_files_say() {
        let project = |project: Option<String>| Files { project, ..Files::default() };
        let all = || Some(whole().to_string());
        let local = |local: &str| Files { project: all(), local: Some(local.to_owned()), ..Files::default() };
        let before = "/hooks/PreToolUse/0";
        let handler = "/hooks/PreToolUse/0/hooks/0";
        let mut asynchronous = whole();
        asynchronous.pointer_mut(handler).unwrap()["async"] = json!(true);
        let mut no_stop = whole();
        no_stop["hooks"].as_object_mut().unwrap().remove("Stop");
        for (files, guard, lost, says) in [
            (project(all()), "enforced", false, "block on failure"),
            (Files { user: all(), ..Files::default() }, "enforced", false, "block on failure"),
            (project(None), "advisory", true, "no settings file"),
            (project(Some("{".to_owned())), "blind", true, "cannot be read"),
            (project(Some("{}".to_owned())), "advisory", true, "no settings file"),
            (project(changed(&format!("{before}/matcher"), json!("Bash"))), "blind", true, "as it should be"),
            (project(changed(&format!("{handler}/command"), json!("true"))), "blind", true, "PreToolUse"),
            (project(changed(&format!("{handler}/command"), json!("/x/phasegate"))), "advisory", true, "this program"),
            (project(changed(&format!("{handler}/timeout"), json!(1))), "advisory", true, "as it should be"),
            (project(changed(&format!("{handler}/timeout"), json!(0))), "blind", true, "must be a number above 0"),
            (project(Some(asynchronous.to_string())), "blind", true, "as it should be"),
            (project(Some(no_stop.to_string())), "advisory", true, "the hook Stop"),
            (local(r#"{"disableAllHooks":true}"#), "blind", true, "local settings"),
            (local(r#"{"disableAllHooks":false,"permissions":{"allow":["Bash"]}}"#), "enforced", false, ""),
            (local("{"), "advisory", true, "local settings cannot be read"),
            (local(" "), "enforced", false, ""),
            (local(r#"{"disableAllHooks":"true"}"#), "blind", true, "local settings"),
            (local(r#"{"disableAllHooks":true,"x":"\ud800"}"#), "advisory", true, "cannot be read"),
            (local(r#"{"permissions":5}"#), "enforced", false, ""),
            (local(r#"{"env":{"LD_AUDIT":"/evil.so"}}"#), "advisory", true, "env.LD_AUDIT"),
            (local(r#"{"env":{"NODE_OPTIONS":"-r /x"}}"#), "advisory", true, "env.NODE_OPTIONS"),
            (local(r#"{"env":{"PATH":"/evil","A":"b"}}"#), "advisory", true, "env.PATH"),
            (local(r#"{"env":{"PATH":"/bin","A":"b"}}"#), "enforced", false, ""),
            (local(r#"{"env":{"PHASEGATE_STORE":"sqlite:/x"}}"#), "advisory", true, "env.PHASEGATE_STORE"),
            (
                Files { machine: all(), local: Some(r#"{"disableAllHooks":true}"#.to_owned()), ..Files::default() },
                "enforced",
                false,
                "",
            ),
        ] {
            let (found, is_lost, why) = of(&files, false, NEW);
            assert_eq!((found, is_lost), (guard, lost), "{why} {files:?}");
            assert!(why.contains(says), "{why}");
        }
        assert_eq!(of(&Files::default(), true, NEW).0, "enforced");
        let off = Files { user: Some(json!({ "enabledPlugins": { PLUGIN: false } }).to_string()), ..Files::default() };
        assert_eq!(of(&off, true, NEW).0, "blind");
        assert_eq!(of(&project(all()), false, Some(Version(2, 1, 200))).0, "advisory");
        let passing = whole().to_string().replace(r#","onFailure":"block""#, "");
        assert_eq!(of(&project(Some(passing.clone())), false, NEW).0, "advisory");
        assert!(!of(&project(Some(passing)), false, Some(Version(2, 1, 200))).1);
        assert_eq!(of(&project(all()), false, None).0, "advisory");
    }
}
