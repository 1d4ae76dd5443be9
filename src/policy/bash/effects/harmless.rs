//! Values with which an option that could run or write something does not.

use super::Word;

const REPORTS: &[&str] = &["reporter", "reporters", "format", "formatter", "f", "R", "test-reporter"];

const TESTERS: &[&str] = &["eslint", "jest", "mocha", "node", "playwright", "rspec", "rubocop", "stylelint", "vitest"];

/// Settings of pytest that only change what it prints.
const PRINTS: &[&str] = &[
    "console_output_style",
    "faulthandler_timeout",
    "junit_family",
    "log_cli",
    "log_cli_level",
    "log_level",
    "xfail_strict",
];

pub fn is_harmless(program: &str, option: &str, value: Option<&Word>) -> bool {
    let Some(value) = value.filter(|value| value.expands.nothing()) else { return false };
    let text = value.text.as_str();
    match (program, option) {
        ("pytest", "p") => text.starts_with("no:"),
        ("pytest", "o" | "override-ini") => text.split_once('=').is_some_and(|(key, _)| PRINTS.contains(&key.trim())),
        ("pytest", "cov-report") => !text.contains(':'),
        ("jest", "env" | "testEnvironment") | ("vitest", "environment") => is_plain(text),
        ("go", "ldflags") => only_strips_and_names(text),
        ("gcc" | "g++" | "clang" | "cc", "fuse-ld") => is_plain(text),
        (program, option) => TESTERS.contains(&program) && REPORTS.contains(&option) && is_plain(text),
    }
}

/// `-s -w -X main.version=1`
fn only_strips_and_names(flags: &str) -> bool {
    let mut flags = flags.split_whitespace();
    while let Some(flag) = flags.next() {
        match flag {
            "-s" | "-w" => {}
            "-X" => {
                flags.next();
            }
            flag if flag.starts_with("-X=") => {}
            _ => return false,
        }
    }
    true
}

/// The name of one that comes with the tool or is installed, not the path of a file.
fn is_plain(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | ',');
    !text.is_empty() && text.chars().all(plain)
}
