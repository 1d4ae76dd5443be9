//! What no rule opens to an agent: deciding its own approvals, trusting workflows, minting credentials, stopping or editing
//! the guard, touching its program and ports. What is done to files is in `holders`.

use super::super::judge::Around;
use super::super::shell::script::{Input, Script, Word};
use super::effects::{self, base, is_interpreter};
use super::views::Seen;
use super::{clients, handed, table, together};

/// What the loop of an agent needs, and what only shows. The second word where the first has several meanings.
const OPEN: &[(&str, &[&str])] = &[
    ("approvals", &["list", "show"]),
    ("audit", &["query", "tail", "export", "verify", "prove", "head"]),
    ("board", &[]),
    ("budget", &["list", "show"]),
    ("bypass", &["list", "show"]),
    ("call", &[]),
    ("channels", &["list"]),
    ("completions", &[]),
    ("context", &["reduce", "delegate", "stats"]),
    ("demo", &[]),
    ("doctor", &[]),
    ("exec", &[]),
    ("help", &[]),
    ("models", &["list", "show", "cost", "learned", "savings"]),
    ("policy", &[]),
    ("route", &[]),
    ("schedule", &["list", "show"]),
    ("schema", &[]),
    ("sessions", &["list", "show"]),
    ("spend", &["list", "show"]),
    ("tasks", &["list", "show"]),
    ("workflow", &["list", "show", "explain", "lint", "diff"]),
];

/// Words after the program's name in a text that is not read as a command.
pub const DECIDES: &[&str] = &[
    "approve",
    "approvals",
    "approver",
    "bypass",
    "restore",
    "token",
    "trust",
    "workflow",
    "reject",
    "adjust",
    "init",
    "downstream",
    "hook",
    "unlock",
    "grant",
    "lease",
    "stop",
    "disable",
    "off",
    "uninstall",
];

/// With one of these the board is printed and takes no keys.
const ONLY_SHOWS: &[&str] = &["--once", "--json", "--help"];

/// What can take the marks of an agent's shell out of its environment.
const UNMARKS: &[&str] = &["unset", "export", "declare", "typeset", "set", "eval", "source", "."];

/// They only print or search what stands in their words.
pub const PASSIVE: &[&str] = &[
    "echo",
    "printf",
    "grep",
    "egrep",
    "fgrep",
    "rg",
    "ag",
    "git",
    "gh",
    "test",
    "[",
    "[[",
    "ls",
    "stat",
    "which",
    "type",
    "command",
    "wc",
    "du",
    "basename",
    "dirname",
    "find",
    "fd",
    "tree",
    "file",
    "true",
    "false",
    ":",
    "cd",
    "head",
    "tail",
    "cat",
    "phasegate",
];

pub const KILLERS: &[&str] = &[
    "kill",
    "pkill",
    "killall",
    "killall5",
    "skill",
    "fuser",
    "systemctl",
    "service",
    "launchctl",
    "initctl",
    "rc-service",
    "supervisorctl",
    "pm2",
    "xkill",
    "docker",
    "podman",
    "gdb",
    "gcore",
    "lldb",
    "strace",
    "ltrace",
    "ptrace",
    "reptyr",
    "renice",
    "kill-port",
    "fkill",
];

/// Why its process is left alone.
pub const TOUCHES: &str = "it would stop phasegate or look into it";
/// Why it may not be asked over its port.
const SPEAKS: &str = "it would speak to phasegate itself";

pub const NETWORK: &[&str] = &[
    "curl", "wget", "nc", "ncat", "netcat", "socat", "http", "https", "xh", "telnet", "httpie", "curlie", "lynx",
    "w3m", "openssl", "websocat", "aria2c", "grpcurl", "ssh",
];

pub fn verdict(seen: &[Seen<'_>], script: &Script, text: &str, around: &Around) -> Option<String> {
    let mut mention = Mention::of(text, around);
    mention.in_a_word = mention.decides && words_decide(seen, around);
    for one in seen {
        for assignment in &one.simple.assignments {
            if let Some(why) = variable(&assignment.name, &mention) {
                return Some(why);
            }
            let starts = base(assignment.value.text.split([' ', '|', ';']).next().unwrap_or_default()) == "phasegate";
            if starts && !one.simple.words.is_empty() && mention.decides {
                return Some(format!("what `{}` holds gives phasegate a command for a person", assignment.name));
            }
        }
        for view in &one.views {
            if let Some(why) = command(view.words(), view.input, &mention, around) {
                return Some(why);
            }
        }
    }
    if clients::moves_settings(seen) && clients::starts_client(seen) {
        return Some("it would start an agent without what holds it to its phase".to_owned());
    }
    if let Some(why) = board(seen, around) {
        return Some(why);
    }
    if script.functions.iter().any(|name| name == "phasegate") {
        return Some("it would put something else in phasegate's place".to_owned());
    }
    if let Some(why) = together::verdict(seen, text, &mention, around) {
        return Some(why);
    }
    let unclear = script.opaque.is_some() || seen.iter().any(|one| one.closed.is_some());
    if unclear && mention.decides {
        return Some(
            "a command that cannot be read for certain names phasegate and what only a person may do".to_owned(),
        );
    }
    None
}

/// On a terminal the board takes answers. It knows an agent's shell by marks in the environment, so behind what could take
/// them away, or give it a terminal, it is for a person.
fn board(seen: &[Seen<'_>], around: &Around) -> Option<String> {
    let takes_keys = |words: &[Word]| {
        let ours = words
            .first()
            .is_some_and(|first| base(&first.text) == "phasegate" || around.guard.programs.contains(&first.text));
        let has = |wanted: &[&str]| words.iter().skip(1).any(|word| wanted.contains(&word.text.as_str()));
        ours && has(&["board"]) && !has(ONLY_SHOWS)
    };
    let within = |one: &Seen<'_>| one.views.iter().any(|view| takes_keys(view.words()));
    let behind = |one: &Seen<'_>| one.views.iter().skip(1).any(|view| takes_keys(view.words()));
    let unmarks = |one: &Seen<'_>| {
        let name = one.views.first().and_then(|view| view.words().first()).map(|word| base(&word.text));
        name.is_some_and(|name| UNMARKS.contains(&name)) || one.simple.words.is_empty()
    };
    let shown = seen.iter().any(within);
    let disguised = seen.iter().any(|one| behind(one) || (within(one) && !one.simple.assignments.is_empty()));
    (disguised || (shown && seen.iter().any(unmarks))).then(|| {
        "on a terminal `phasegate board` takes answers, which is for a person; `phasegate board --once` only shows"
            .to_owned()
    })
}

/// Whether the text names phasegate, its files, or a decision, quotes and backslashes taken away.
pub struct Mention {
    ours: bool,
    state: bool,
    pub decides: bool,
    /// One word of a command does, by itself.
    in_a_word: bool,
}

impl Mention {
    pub fn of(text: &str, around: &Around) -> Self {
        let plain: String = text.chars().filter(|letter| !matches!(letter, '"' | '\'' | '\\')).collect();
        let state = names_state(&plain, around);
        let ours = names_program(&plain, around);
        Self { ours: ours.is_some(), state, decides: ours.is_some_and(decides), in_a_word: false }
    }
}

/// The text after phasegate's name, where it stands as a program.
fn names_program<'a>(text: &'a str, around: &Around) -> Option<&'a str> {
    let own = around.guard.programs.iter().map(String::as_str).filter(|path| path.len() > 1);
    own.chain(["phasegate"]).find_map(|name| {
        let (_, after) = text.split_once(name)?;
        Some(after)
    })
}

fn decides(after: &str) -> bool {
    let board = after.contains("board") && !ONLY_SHOWS.iter().any(|option| after.contains(option));
    board
        || after
            .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'))
            .take(400)
            .any(|word| DECIDES.contains(&word))
}

pub fn names_state(text: &str, around: &Around) -> bool {
    let own = |path: &String| path.len() > 1 && text.contains(path.as_str());
    around.guard.paths.iter().any(own)
        || text.match_indices(".phasegate").any(|(at, name)| {
            let next = text.get(at + name.len()..).and_then(|rest| rest.chars().next());
            next.is_none_or(|next| !(next.is_ascii_alphanumeric() || next == '_'))
        })
}

fn variable(name: &str, mention: &Mention) -> Option<String> {
    if name.starts_with("PHASEGATE_") {
        return Some(format!("{name} says to phasegate who calls and where its store is"));
    }
    let moves_clock = matches!(name, "FAKETIME" | "LD_PRELOAD" | "LD_LIBRARY_PATH" | "DYLD_INSERT_LIBRARIES");
    (moves_clock && mention.ours).then(|| format!("{name} changes how phasegate itself runs"))
}

fn command(words: &[Word], input: Input, mention: &Mention, around: &Around) -> Option<String> {
    let first = words.first()?;
    let name = base(&first.text);
    // Some file systems do not mind the case of letters.
    if is_our_name(name) || around.guard.programs.contains(&first.text) {
        return ours(words);
    }
    if matches!(name, "cp" | "dd" | "install" | "ln" | "rsync" | "scp") && words.iter().skip(1).any(is_our_program) {
        return Some("it would give phasegate's program another name".to_owned());
    }
    if name == "git" && sets_a_command_of_ours(words, around) {
        return Some("it would have git run a command of phasegate that only a person may give".to_owned());
    }
    let decider = |word: &Word| handed::STRONG.contains(&word.text.as_str());
    // Which program it is shows when it runs, and with these words it would be ours.
    if !first.expands.nothing() && words.get(1).is_some_and(decider) && handed::may_be_ours(first) {
        return Some("which program gets a command that only a person may give is not known before it runs".to_owned());
    }
    if let Some(why) = handed::gets_our_name(name, words, mention, around) {
        return Some(why);
    }
    // `npx phasegate`, `cargo run -- …` and the like are read as wrappers; here are the ways around them.
    for word in words.iter().skip(1) {
        if let Some((assigned, _)) = word.text.split_once('=')
            && let Some(why) = variable(assigned, mention)
        {
            return Some(why);
        }
    }
    let has = |wanted: &[&str]| words.iter().skip(1).any(|word| wanted.iter().any(|part| word.text.contains(part)));
    let sub = words.get(1).map_or("", |word| word.text.as_str());
    if let Some(why) = terminal_or_clock(name, sub, words, mention) {
        return Some(why);
    }
    if KILLERS.contains(&name) {
        let everything = name == "kill" && words.iter().skip(2).any(|word| word.text == "-1");
        let by_name = has(&["phasegate"]) && !matches!((name, sub), ("systemctl" | "service", "status"));
        let by_lookup = mention.ours && words.iter().skip(1).any(|word| word.expands.value);
        let by_port = around.guard.ports.iter().any(|port| has(&[&port.to_string()]));
        if everything || by_name || by_lookup || by_port || handed::by_pattern(name, words) {
            return Some(TOUCHES.to_owned());
        }
    }
    if let Some(why) = clients::unguarded(name, sub, words) {
        return Some(why);
    }
    if (NETWORK.contains(&name) || is_interpreter(name)) && reaches_us(words, around) {
        return Some(SPEAKS.to_owned());
    }
    let commanded = input != Input::Inherited && effects::reads_commands(name, words);
    let reads_rules = together::RUNS_FILES.iter().any(|(known, _)| *known == name) && input == Input::Text;
    if mention.decides
        && (runs_text_of_others(name) || reads_rules || commanded)
        && (input == Input::Text || mention.in_a_word)
    {
        return Some("it would have a command of phasegate run that only a person may give".to_owned());
    }
    if matches!(name, "alias" | "hash" | "enable") && has(&["phasegate"]) {
        return Some("it would put something else in phasegate's place".to_owned());
    }
    touches(name, first, words, around)
}

/// Words of a program that does more than show.
fn touches(name: &str, first: &Word, words: &[Word], around: &Around) -> Option<String> {
    let acts = name == "find"
        && ["-delete", "-exec", "-ok", "-fprint", "-fls"]
            .iter()
            .any(|option| words.iter().any(|word| word.text.contains(option)));
    if !acts && PASSIVE.contains(&name) {
        return None;
    }
    for word in words.iter().skip(1).filter(|word| !word.text.is_empty()) {
        if names_state(&word.text, around) {
            return Some("it would touch the state, settings or keys of phasegate".to_owned());
        }
        let code = word.text.contains([' ', '(', ';', '\n']);
        if code && names_program(&word.text, around).is_some_and(decides) {
            return Some("a text in it gives phasegate a command that only a person may give".to_owned());
        }
        if let Some(why) = clients::touches_settings(name, word) {
            return Some(why.to_owned());
        }
        if word.text.contains("://") && reaches_us(&[first.clone(), word.clone()], around) {
            return Some(SPEAKS.to_owned());
        }
    }
    None
}

/// `git -c core.pager='phasegate …'`
fn sets_a_command_of_ours(words: &[Word], around: &Around) -> bool {
    let settings = words.windows(2).filter(|pair| pair.first().is_some_and(|option| option.text == "-c"));
    let mut values = settings.filter_map(|pair| pair.last()?.text.split_once('=').map(|(_, value)| value));
    values.any(|value| names_program(value, around).is_some_and(decides))
}

/// Where it is installed; what a build has made is not in force.
fn is_our_program(word: &Word) -> bool {
    let text = word.text.trim_start_matches("if=");
    let looked_up = ["which phasegate", "command -v phasegate", "type -p phasegate"];
    text.ends_with("bin/phasegate") || word.expands.value && looked_up.iter().any(|asks| text.contains(asks))
}

/// Also as packages and Windows write it: `phasegate@latest`, `phasegate.exe`.
pub fn is_our_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let bare = lower.split('@').next().unwrap_or_default();
    let bare = [".exe", ".cmd", ".ps1"].iter().find_map(|end| bare.strip_suffix(end)).unwrap_or(bare);
    bare == "phasegate"
}

/// One of phasegate's own commands.
fn ours(words: &[Word]) -> Option<String> {
    let mut named = Vec::new();
    let mut at = 1;
    while let Some(word) = words.get(at) {
        at += 1;
        let text = word.text.as_str();
        if matches!(text, "--help" | "-h" | "--version" | "-V") {
            return None;
        }
        if matches!(text, "--workspace" | "--store" | "--agent") {
            at += 1;
        } else if !text.starts_with('-') || !word.expands.nothing() {
            named.push(word);
        }
    }
    let first = named.first()?;
    let unknown = || Some("which command of phasegate it is is not known before it runs".to_owned());
    if !first.expands.nothing() {
        return unknown();
    }
    let Some((_, subs)) = OPEN.iter().find(|(open, _)| *open == first.text) else {
        return Some(format!("`phasegate {}` is for a person", super::shown(&first.text)));
    };
    match named.get(1) {
        _ if subs.is_empty() => None,
        None => None,
        Some(second) if !second.expands.nothing() => unknown(),
        Some(second) if (first.text.as_str(), second.text.as_str()) == ("models", "learned") => match named.get(2) {
            None => None,
            Some(third) if !third.expands.nothing() => unknown(),
            Some(third) if third.text == "export" => None,
            Some(_) => Some("forgetting what outcomes taught is for a person".to_owned()),
        },
        Some(second) if subs.contains(&second.text.as_str()) => None,
        Some(second) => Some(format!("`phasegate {} {}` is for a person", first.text, super::shown(&second.text))),
    }
}

fn terminal_or_clock(name: &str, sub: &str, words: &[Word], mention: &Mention) -> Option<String> {
    let has = |wanted: &[&str]| words.iter().skip(1).any(|word| wanted.contains(&word.text.as_str()));
    let types = match name {
        "tmux" => has(&["send-keys", "send", "send-k", "paste-buffer", "pasteb", "pipe-pane", "set-buffer"]),
        "screen" => has(&["stuff", "-X", "paste"]),
        "xdotool" | "ydotool" | "wtype" | "dotool" | "ttyecho" | "writevt" | "doinput" => true,
        "zellij" | "kitty" | "kitten" | "wezterm" => has(&["write-chars", "write", "send-text", "send-key"]),
        "expect" | "script" | "unbuffer" | "pexpect" | "empty" => mention.decides,
        _ => false,
    };
    if types {
        return Some("it would type into a terminal, which may be a person's".to_owned());
    }
    let sets = |word: &Word| {
        let text = word.text.as_str();
        let bundle = text.strip_prefix('-').filter(|rest| !rest.starts_with('-')).unwrap_or_default();
        // After these letters comes a value.
        let letters = bundle.split(['d', 'f', 'r', 'I']).next().unwrap_or_default();
        text.starts_with("--se") || letters.contains('s')
    };
    let moves = match name {
        "date" => words.iter().skip(1).any(sets),
        "timedatectl" => matches!(sub, "set-time" | "set-ntp" | "set-timezone" | "set-local-rtc"),
        "hwclock" => has(&["-w", "-s", "--set", "--hctosys", "--systohc"]),
        "faketime" | "datefudge" | "rdate" => mention.ours || mention.state,
        "ntpdate" | "chronyc" | "adjtimex" => true,
        _ => false,
    };
    moves.then(|| "it would move the clock that leases and approvals run by".to_owned())
}

fn reaches_us(words: &[Word], around: &Around) -> bool {
    let here =
        ["localhost", "127.", "[::1]", "[::]", "0.0.0.0", "::1", "0x7f", "2130706433", "[::ffff:", "//0:", "//0/"];
    let here = |word: &Word| here.iter().any(|name| word.text.contains(name)) || word.text.starts_with(':');
    let local = words.iter().skip(1).any(here);
    let port = around.guard.ports.iter().any(|port| {
        let port = port.to_string();
        words
            .iter()
            .skip(1)
            .any(|word| word.text.split(|letter: char| !letter.is_ascii_digit()).any(|number| number == port))
    });
    let answers = words
        .iter()
        .skip(1)
        .any(|word| ["/approv", "/trust", "/token", "/bypass"].iter().any(|path| word.text.contains(path)));
    local && (port || answers) || (port && words.iter().any(|word| !word.expands.nothing()))
}

/// They run what comes on their input or in a file that was just written.
pub fn runs_text_of_others(name: &str) -> bool {
    table::SHELLS.contains(&name)
        || table::INTERPRETERS.iter().any(|known| name.starts_with(known))
        || matches!(
            name,
            "crontab" | "at" | "batch" | "xargs" | "parallel" | "systemd-run" | "ssh" | "source" | "." | "eval"
        )
}

fn words_decide(all: &[Seen<'_>], around: &Around) -> bool {
    all.iter()
        .flat_map(|one| &one.views)
        .flat_map(|view| view.words())
        .any(|word| names_program(&word.text, around).is_some_and(decides))
        || all
            .iter()
            .flat_map(|one| &one.simple.assignments)
            .any(|given| names_program(&given.value.text, around).is_some_and(decides))
        || all.iter().flat_map(|one| &one.views).any(|view| {
            let prints = view.words().first().is_some_and(|first| matches!(base(&first.text), "echo" | "printf"));
            let said: Vec<&str> = view.words().iter().map(|word| word.text.as_str()).collect();
            prints && names_program(&said.join(" "), around).is_some_and(decides)
        })
}
