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
        let by_port = around.guard.ports.iter().any(|port| has(&[&port.to_string()])) && name == "fuser";
        if everything || by_name || by_lookup || by_port {
            return Some("it would stop phasegate".to_owned());
        }
    }
    if CLIENTS.contains(&name)
        && (has(UNGUARDED) || (name == "gemini" && has(&["-y"])) || (name == "codex" && sub == "-c"))
    {
        return Some("it would start an agent without what holds it to its phase".to_owned());
    }
    if CLIENTS.contains(&name)
        && matches!(sub, "mcp" | "plugin" | "config" | "hooks" | "plugins" | "extensions")
        && !has(&["list", "get"])
    {
        return Some("it would change the settings that hold an agent to its phase".to_owned());
    }
    if NETWORK.contains(&name) && reaches_us(words, around) {
        return Some("it would speak to phasegate itself".to_owned());
    }
    if mention.decides && runs_text_of_others(name) && (input == Input::Text || words_decide(all, around)) {
        return Some("it would have a command of phasegate run that only a person may give".to_owned());
    }
    if matches!(name, "alias" | "hash" | "enable") && has(&["phasegate"]) {
        return Some("it would put something else in phasegate's place".to_owned());
    }
    let acts = name == "find" && has(&["-delete", "-exec", "-ok", "-fprint", "-fls"]);
    if acts || !PASSIVE.contains(&name) {
        let text_of = |word: &&Word| !word.text.is_empty();
        for word in words.iter().skip(1).filter(text_of) {
            if names_state(&word.text, around) {
                return Some("it would touch the state, settings or keys of phasegate".to_owned());
            }
            let code = word.text.contains([' ', '(', ';', '\n']);
            if code && names_program(&word.text, around).is_some_and(decides) {
                return Some("a text in it gives phasegate a command that only a person may give".to_owned());
            }
            if code && names_hooks(&word.text) && table::INTERPRETERS.iter().any(|known| name.starts_with(known)) {
                return Some("a program in it names the settings that hold an agent to its phase".to_owned());
            }
        }
    }
    None
}

/// Folders of the settings that hold agents to their phase.
const HOLDERS: &[&str] = &[".claude", ".codex", ".gemini", ".opencode", ".cursor"];

const STARTS: &[&str] =
    &[".bashrc", ".bash_profile", ".profile", ".zshrc", ".zshenv", ".zprofile", ".bash_login", ".bash_aliases"];

/// What the files say that a text would write.
pub fn files(uses: &Uses, seen: &[Seen<'_>], text: &str, around: &Around) -> Option<String> {
    if let Some(why) = &uses.guarded {
        return Some(why.clone());
    }
    let mention = Mention::of(text, around);
    for one in uses.all.iter().filter(|one| one.access == Access::Write && !one.aside) {
        let mut names = one.path.rsplit('/');
        let (last, folder) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        if around.guard.programs.contains(&one.path) || (last == "phasegate" && folder.ends_with("bin")) {
            return Some("it would put something else in phasegate's place".to_owned());
        }
        if HOLDERS.contains(&last) {
            return Some(format!("`{last}` holds the settings that hold an agent to its phase"));
        }
        if folder == "pts" || (folder == "dev" && last.starts_with("tty")) {
            return Some("it would type into a terminal, which may be a person's".to_owned());
        }
        let shell_start =
            STARTS.contains(&last) && ["PATH", "alias", "phasegate", "()"].iter().any(|part| text.contains(part));
        if shell_start || (one.protected && mention.decides) {
            return Some(format!("what is written to `{}` runs later, in a person's name", super::shown(last)));
        }
    }
    let views = || seen.iter().flat_map(|one| &one.views);
    for view in views().filter(|view| view.sure) {
        let words = view.words();
        let Some(name) = words.first().map(|word| base(&word.text)) else { continue };
        let deep = words.iter().any(|word| matches!(word.text.as_str(), "-R" | "--recursive"));
        let removes =
            matches!(name, "rm" | "mv" | "srm" | "shred") || (deep && matches!(name, "chmod" | "chown" | "chgrp"));
        for named in super::files::named(words).iter().filter(|named| named.access == Access::Write) {
            if named.path.expands.value && named.path.text.contains("phasegate") {
