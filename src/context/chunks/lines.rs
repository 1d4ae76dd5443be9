//! What one line of a text is by itself: a definition, an import, a comment, the head of a file, the start of a turn. Told by the
//! common forms of many languages; no grammar is here, since a context is often only a piece of a file.

/// Words before the keyword of a definition.
const BEFORE: [&str; 16] = [
    "pub",
    "async",
    "export",
    "default",
    "public",
    "private",
    "protected",
    "internal",
    "static",
    "final",
    "abstract",
    "unsafe",
    "const",
    "virtual",
    "inline",
    "override",
];
const DEFINES: [&str; 16] = [
    "def",
    "class",
    "fn",
    "func",
    "function",
    "struct",
    "enum",
    "trait",
    "impl",
    "interface",
    "module",
    "namespace",
    "mod",
    "macro_rules!",
    "type",
    "record",
];

/// The name that a line defines, or its whole head where it has no plain name.
pub fn defined(trimmed: &str) -> Option<&str> {
    let mut rest = trimmed;
    for _ in 0..=BEFORE.len() {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '!')).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end)?;
        if DEFINES.contains(&word) {
            let after = after.trim_start_matches(|c: char| !(c.is_alphanumeric() || c == '_'));
            let end = after.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(after.len());
            return after.get(..end).filter(|name| !name.is_empty());
        }
        if !BEFORE.contains(&word) {
            return None;
        }
        // Such as `pub(super)`.
        let after = after.strip_prefix('(').and_then(|inner| inner.split_once(')')).map_or(after, |(_, after)| after);
        rest = after.trim_start();
    }
    None
}

pub fn is_definition(trimmed: &str) -> bool {
    defined(trimmed).is_some() && !trimmed.ends_with('.') || is_c_function(trimmed)
}

/// `static int parse(const char *text) {` and its like.
fn is_c_function(trimmed: &str) -> bool {
    let is_control = ["if", "for", "while", "switch", "return", "else", "catch", "match", "do"]
        .iter()
        .any(|word| trimmed.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric())));
    !is_control
        && trimmed.ends_with('{')
        && trimmed.contains(") ")
        && !trimmed.contains('=')
        && trimmed.split_once('(').is_some_and(|(head, _)| head.split_whitespace().count() >= 2 && !head.contains('.'))
}

/// It stands before a definition and belongs to it.
pub fn is_attribute(trimmed: &str) -> bool {
    trimmed.starts_with('@') && !trimmed.contains(' ')
        || trimmed.starts_with("#[")
        || trimmed.starts_with("@") && trimmed.contains('(')
}

pub fn is_comment(trimmed: &str) -> bool {
    trimmed.starts_with("//")
        || trimmed.starts_with('#') && !trimmed.starts_with("#[") && !trimmed.starts_with("#include")
        || trimmed.starts_with("/*")
        || trimmed.starts_with("* ")
        || trimmed.starts_with("*/")
        || trimmed == "*"
        || trimmed.starts_with("-- ")
}

pub fn is_import(line: &str) -> bool {
    ["import ", "from ", "use ", "pub use ", "#include", "using ", "require ", "extern crate "]
        .iter()
        .any(|word| line.starts_with(word))
        && !line.trim_end().ends_with('.')
}

/// A line that says which file comes next, such as `# file: src/a.rs`, `==> a.log <==`, `diff --git a/x b/x`.
pub fn is_file_head(line: &str) -> bool {
    file_of(line).is_some()
}

/// The longest line that can be the head of a file, in bytes.
const HEAD_BYTES_MAX: usize = 300;

pub fn file_of(line: &str) -> Option<&str> {
    let line = line.trim_end();
    if line.len() > HEAD_BYTES_MAX || line.starts_with([' ', '\t']) {
        return None;
    }
    if let Some(rest) = line.strip_prefix("diff --git ") {
        return rest.split_whitespace().last().map(|path| path.trim_start_matches("b/"));
    }
    let bare = line.trim_start_matches(['#', '/', '=', '-', '<', '*', '>', ' ', '`']);
    if bare.len() == line.len() {
        return None;
    }
    let named = ["file: ", "File: ", "file path=", "document path=", "path: ", "FILE: "];
    let (is_named, bare) =
        named.iter().find_map(|word| bare.strip_prefix(word)).map_or((false, bare), |rest| (true, rest));
    let path = bare.split([' ', '"', '\'', '>', '`']).find(|word| !word.is_empty())?;
    let (stem, extension) = path.rsplit_once('.')?;
    let is_path = !stem.is_empty()
        && (1..=6).contains(&extension.len())
        && extension.chars().all(|c| c.is_ascii_alphanumeric())
        && path.chars().all(|c| c.is_alphanumeric() || "._-/+@".contains(c));
    let rest = bare.get(path.len()..).unwrap_or_default();
    let alone = rest.chars().all(|c| " =<>-*`\"'".contains(c));
    (is_path && (is_named || alone && (path.contains('/') || line.starts_with("==")))).then_some(path)
}

/// The prompt of Python, which examples in its documentation have too.
pub const PYTHON: &str = ">>> ";

/// The start of somebody's turn in a session: a speaker, a prompt of a shell, a step.
pub fn is_turn(line: &str) -> bool {
    let trimmed = line.trim_start();
    if line.len() - trimmed.len() > 3 {
        return false;
    }
    let prompt = ["$ ", "❯ ", "➜ ", PYTHON].iter().any(|mark| trimmed.starts_with(mark))
        || shell_prompt(trimmed)
        || ["<returncode>", "THOUGHT:", "Observation:", "<tool_", "<function_", "● ", "⏺ ", "\u{25b6} "]
            .iter()
            .any(|mark| trimmed.starts_with(mark));
    prompt || speaker(trimmed)
}

/// `root@box:/app# ls`
fn shell_prompt(line: &str) -> bool {
    let Some((head, _)) = line.split_once(['#', '$', '%']) else { return false };
    let head = head.rsplit(')').next().unwrap_or(head).trim_start();
    head.len() <= 120 && head.contains('@') && head.contains(':') && !head.contains(' ') && !head.contains("//")
}

fn speaker(line: &str) -> bool {
    let bare = line.trim_start_matches(['#', '*', '[', '<', ' ', '=', '-']);
    let end = bare.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(bare.len());
    let (word, rest) = bare.split_at(end);
    let is_word = ["user", "assistant", "human", "system", "agent", "tool", "ai", "mini", "step", "turn", "model"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known));
    let rest = rest.trim_start_matches(['*', ']', '>']);
    is_word
        && line.len() < 4000
        && (rest.starts_with(':')
            || rest.starts_with("-swe-agent (")
            || bare.len() < line.len() && rest.starts_with(" ") && word.eq_ignore_ascii_case("step"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_of_many_languages_are_seen_by_their_names() {
        for (line, name) in [
            ("def run(self):", Some("run")),
            ("async def fetch(url):", Some("fetch")),
            ("pub(super) fn weigh(text: &str) -> f64 {", Some("weigh")),
            ("export default class Board extends Page {", Some("Board")),
            ("func (s *Server) Run() error {", Some("s")),
            ("impl Kind {", Some("Kind")),
            ("return fn(x)", None),
            ("let class = 3;", None),
        ] {
            assert_eq!(defined(line), name, "{line}");
        }
        assert!(is_definition("static int parse(const char *text, int n) {"));
        assert!(!is_definition("if (ready) {"));
    }

    #[test]
    fn heads_of_files_are_seen() {
        for (line, path) in [
            ("# file: sphinx/domains/c.py (lines 2610-3129)", Some("sphinx/domains/c.py")),
            ("==> app.log <==", Some("app.log")),
            ("// src/main.rs", Some("src/main.rs")),
            ("diff --git a/src/x.rs b/src/x.rs", Some("src/x.rs")),
            ("<file path=\"a/b.ts\">", Some("a/b.ts")),
            ("# see docs/a.md for more", None),
            ("src/main.rs", None),
        ] {
            assert_eq!(file_of(line), path, "{line}");
        }
    }

    #[test]
    fn turns_are_seen() {
        for (line, is) in [
            ("$ ls -la", true),
            ("root@box:/app# cargo test", true),
            ("assistant: done", true),
            ("mini-swe-agent (step 3, $0.02):", true),
            ("<returncode>0</returncode>", true),
            ("price: 3$ a piece", false),
            ("    user: indented", false),
        ] {
            assert_eq!(is_turn(line), is, "{line}");
        }
    }
}
