//! Where the inner command begins, one line each.

use super::*;

fn words(text: &str) -> Vec<Word> {
    text.split(' ').map(|text| Word { text: text.replace('_', " "), ..Word::default() }).collect()
}

#[test]
fn a_transparent_wrapper_is_read_to_the_word() {
    for (text, expected) in [
        ("timeout 30 npm test", Some(2)),
        ("timeout -k 1 5 npm test", Some(4)),
        ("timeout --signal=KILL 5s npm test", Some(3)),
        ("timeout --preserve-status 5s npm test", Some(3)),
        ("nice -n 5 npm test", Some(3)),
        ("nice -5 npm", Some(2)),
        ("nice npm test", Some(1)),
        ("stdbuf -oL npm test", Some(2)),
        ("command npm test", Some(1)),
        ("command -v npm", None),
        ("time -p npm test", Some(2)),
        ("time -o out npm test", None),
        ("/usr/bin/nice npm test", None),
        ("env npm test", None),
        ("timeout 30", None),
    ] {
        let words = words(text);
        let found = look_inside(&words, Input::Inherited);
        let at = match found.inner.first() {
            Some(Inner::From(at)) if found.transparent => Some(*at),
            _ => None,
        };
        assert_eq!(at, expected, "{text}");
    }
}

#[test]
fn other_wrappers_show_what_they_run() {
    for (text, expected) in [
        ("sudo -u root rm x", Inner::From(3)),
        ("sudo -n A=1 rm x", Inner::From(3)),
        ("env -i A=1 /bin/rm x", Inner::From(3)),
        ("env -S rm_-rf_x", Inner::Text("rm -rf x".into())),
        ("flock /tmp/l rm x", Inner::Perhaps(2)),
        ("flock /tmp/l -c rm_x", Inner::Text("rm x".into())),
        ("script -qc rm_x", Inner::Text("rm x".into())),
        ("bash -lc rm_x", Inner::Text("rm x".into())),
        ("bash -o pipefail -c rm_x", Inner::Text("rm x".into())),
        ("busybox rm x", Inner::Perhaps(1)),
        ("watch -n 1 rm_x", Inner::Text("rm x".into())),
        ("unshare -r rm x", Inner::Perhaps(2)),
        ("git bisect run rm x", Inner::From(3)),
        ("git merge-index -o rm x", Inner::From(3)),
        ("git remote-ext a rm_x", Inner::Text("rm x".into())),
        ("git submodule foreach rm_x", Inner::Text("rm x".into())),
        ("git -c alias.x=!rm_x x", Inner::Text("rm x".into())),
    ] {
        let found = look_inside(&words(text), Input::Inherited);
        assert!(found.inner.contains(&expected), "{text}: {:?}", found.inner);
        assert!(!found.transparent, "{text}");
    }
}

#[test]
fn a_shell_that_reads_its_input_is_closed() {
    for text in ["bash", "sh -s", "bash -", "sh /dev/stdin", "zsh -i", "bash --rcfile x"] {
        let found = look_inside(&words(text), Input::Pipe);
        assert!(matches!(found.inner.as_slice(), [Inner::Closed(_)]), "{text}: {:?}", found.inner);
    }
    assert!(look_inside(&words("bash build.sh -x"), Input::Pipe).inner.is_empty());
}

#[test]
fn many_texts_in_one_command_are_not_all_read() {
    for command in ["git -x ", "git foreach ", "git --exec=a ", "unknown exec a ", "unknown -c a "] {
        let (name, again) = command.split_once(' ').unwrap_or_default();
        let words = words(&format!("{name} {}x", again.repeat(5_000)));
        let found = look_inside(&words, Input::Inherited);
        assert!(found.inner.len() < 100, "{command}: {}", found.inner.len());
        assert!(found.inner.iter().any(|inner| matches!(inner, Inner::Closed(_))), "{command}");
    }
}
