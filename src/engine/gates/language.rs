//! Which grammar a file is read with, by name, extension or first line. Contents beyond that line are not looked at.

use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    Rust,
    Python,
    JavaScript,
    TypeScript,
    Tsx,
    Go,
    Json,
    /// JSON as its reader takes it: with comments and a comma after the last item.
    JsonWithComments,
    Yaml,
    Toml,
    Bash,
}

impl Language {
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
            Self::TypeScript => "TypeScript",
            Self::Tsx => "TSX",
            Self::Go => "Go",
            Self::Json => "JSON",
            Self::JsonWithComments => "JSON with comments",
            Self::Yaml => "YAML",
            Self::Toml => "TOML",
            Self::Bash => "Bash",
        }
    }

    pub(super) fn grammar(self) -> tree_sitter::Language {
        match self {
            Self::Rust => tree_sitter_rust::LANGUAGE.into(),
            Self::Python => tree_sitter_python::LANGUAGE.into(),
            Self::JavaScript => tree_sitter_javascript::LANGUAGE.into(),
            Self::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
            Self::Tsx => tree_sitter_typescript::LANGUAGE_TSX.into(),
            Self::Go => tree_sitter_go::LANGUAGE.into(),
            Self::Json | Self::JsonWithComments => tree_sitter_json::LANGUAGE.into(),
            Self::Yaml => tree_sitter_yaml::LANGUAGE.into(),
            Self::Toml => tree_sitter_toml_ng::LANGUAGE.into(),
            Self::Bash => tree_sitter_bash::LANGUAGE.into(),
        }
    }

    /// `None`: the first line may still say.
    pub fn of_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        match (name, extension.as_deref()) {
            ("Cargo.lock" | "poetry.lock" | "uv.lock" | "Pipfile", _) => Some(Self::Toml),
            (".bashrc" | ".bash_profile" | ".bash_aliases" | ".profile", _) => Some(Self::Bash),
            (_, Some("rs")) => Some(Self::Rust),
            (_, Some("py" | "pyi")) => Some(Self::Python),
            (_, Some("js" | "mjs" | "cjs" | "jsx")) => Some(Self::JavaScript),
            (_, Some("ts" | "mts" | "cts")) => Some(Self::TypeScript),
            (_, Some("tsx")) => Some(Self::Tsx),
            (_, Some("go")) => Some(Self::Go),
            (_, Some("jsonc" | "code-workspace")) => Some(Self::JsonWithComments),
            (_, Some("json")) if takes_comments(path, name) => Some(Self::JsonWithComments),
            (_, Some("json")) => Some(Self::Json),
            (_, Some("yml" | "yaml")) => Some(Self::Yaml),
            (_, Some("toml")) => Some(Self::Toml),
            (_, Some("sh" | "bash")) => Some(Self::Bash),
            _ => None,
        }
    }

    /// For a file whose name says nothing.
    pub fn of_first_line(start: &[u8]) -> Option<Self> {
        let line = start.split(|byte| *byte == b'\n').next()?.strip_prefix(b"#!")?;
        let line = std::str::from_utf8(line).ok()?;
        let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
        let program = words.find(|word| !(*word == "env" || word.starts_with('-') || word.contains('=')))?;
        match program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
            "sh" | "bash" | "dash" => Some(Self::Bash),
            "python" => Some(Self::Python),
            "node" | "nodejs" => Some(Self::JavaScript),
            _ => None,
        }
    }
}

/// Files whose own reader takes comments although they are called `.json`.
fn takes_comments(path: &Path, name: &str) -> bool {
    const NAMES: &[&str] = &[
        "devcontainer.json",
        "deno.json",
        ".eslintrc.json",
        ".swcrc.json",
        "api-extractor.json",
        "turbo.json",
        "babel.config.json",
        ".babelrc.json",
        "biome.json",
        "wrangler.json",
        ".oxlintrc.json",
        "typedoc.json",
        "language-configuration.json",
        "renovate.json",
        "rush.json",
        ".hintrc.json",
        ".jscsrc.json",
    ];
    let in_editor_folder = path.parent().is_some_and(|folder| {
        folder.components().any(|part| [".vscode", ".zed", ".devcontainer"].iter().any(|own| part.as_os_str() == *own))
    });
    in_editor_folder || name.starts_with("tsconfig") || name.starts_with("jsconfig") || NAMES.contains(&name)
}

/// The same text, byte for byte in the same places, with blanks for comments and for commas before a closing bracket.
pub(super) fn without_comments(text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    let at = |index: usize| text.get(index).copied();
    let mut comma = None;
    let mut index = 0;
    while let Some(byte) = at(index) {
        let end = match (byte, at(index + 1)) {
            (b'"', _) => end_of_string(text, index),
            (b'/', Some(b'/')) => until(text, index, b"\n"),
            (b'/', Some(b'*')) => until(text, index + 2, b"*/") + 2,
            _ => index + 1,
        };
        let is_comment = byte == b'/' && end > index + 1;
        match byte {
            _ if is_comment => blank(&mut out, index, end),
            b',' => comma = Some(index),
            b'}' | b']' => {
                if let Some(comma) = comma.take() {
                    blank(&mut out, comma, comma + 1);
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => comma = None,
        }
        index = end;
    }
    out
}

fn end_of_string(text: &[u8], start: usize) -> usize {
    let mut index = start + 1;
    loop {
        match text.get(index) {
            Some(b'\\') => index += 2,
            Some(b'"' | b'\n') | None => return index + 1,
            Some(_) => index += 1,
        }
    }
}

fn until(text: &[u8], start: usize, end: &[u8]) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    rest.windows(end.len()).position(|window| window == end).map_or(text.len(), |found| start + found)
}

fn blank(out: &mut [u8], start: usize, end: usize) {
    let end = end.min(out.len());
    out.get_mut(start..end).into_iter().flatten().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_first_lines_and_editors_say_the_language() {
        let of = |path: &str| Language::of_path(Path::new(path));
        assert_eq!(of("a/tsconfig.build.json"), Some(Language::JsonWithComments));
        assert_eq!(of(".vscode/settings.json"), Some(Language::JsonWithComments));
        assert_eq!(of("package.json"), Some(Language::Json));
        assert_eq!(of("a.TSX"), Some(Language::Tsx));
        assert_eq!(of("Makefile"), None);
        let line = |line: &str| Language::of_first_line(line.as_bytes());
        assert_eq!(line("#!/usr/bin/env -S python3.11 -u\n"), Some(Language::Python));
        assert_eq!(line("#!/bin/sh -e\nx"), Some(Language::Bash));
        assert_eq!(line("#!/usr/bin/env fish\n"), None);
    }

    #[test]
    fn comments_are_blanked_in_place_and_strings_are_left_alone() {
        let text = b"{\"u\": \"http://x/*no*/\", // c\n \"a\": [1, /* , */ 2, ], /* \xc3\xa4 */ }";
        let out = without_comments(text);
        assert_eq!(out.len(), text.len());
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value, serde_json::json!({"u": "http://x/*no*/", "a": [1, 2]}));
        assert_eq!(without_comments(b"/* open").len(), 7);
        assert_eq!(without_comments(b"\"\\").len(), 2);
    }
}
