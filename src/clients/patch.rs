//! The text of an `apply_patch`: every file that it changes, as edits and writes of the one vocabulary. Whether it fits
//! the files is not looked at.

use serde_json::{Value, json};

const BEGIN: &str = "*** Begin Patch";
const END: &str = "*** End Patch";
const ADD: &str = "*** Add File: ";
const DELETE: &str = "*** Delete File: ";
const UPDATE: &str = "*** Update File: ";
const MOVE: &str = "*** Move to: ";
const END_OF_FILE: &str = "*** End of File";

/// Files of one patch.
const FILES_MAX: usize = 1000;

/// What is read, at the line that is next.
enum At {
    /// Between files.
    Head,
    Adding {
        path: String,
        content: String,
    },
    Updating {
        path: String,
        to: Option<String>,
        old: String,
        new: String,
        begun: bool,
    },
}

/// Every change of the patch, or nothing: a form that is not known might change a file that is not seen here.
pub fn changes(patch: &str) -> Option<Vec<(String, Value)>> {
    let mut lines = patch.trim().lines();
    if lines.next()?.trim_end() != BEGIN {
        return None;
    }
    let mut found = Vec::new();
    let mut at = At::Head;
    while let Some(line) = lines.next() {
        let header = line.trim_end();
        if header == END {
            finish(at, &mut found);
            return (lines.next().is_none() && !found.is_empty() && found.len() <= FILES_MAX).then_some(found);
        }
        at = match head(header) {
            Some(Head::Add(path)) => {
                finish(at, &mut found);
                At::Adding { path: path?, content: String::new() }
            }
            Some(Head::Delete(path)) => {
                finish(at, &mut found);
                found.push(edit(&path?, None));
                At::Head
            }
            Some(Head::Update(path)) => {
                finish(at, &mut found);
                At::Updating { path: path?, to: None, old: String::new(), new: String::new(), begun: false }
            }
            None => inside(at, line)?,
        };
    }
    None
}

enum Head {
    Add(Option<String>),
    Delete(Option<String>),
    Update(Option<String>),
}

fn head(line: &str) -> Option<Head> {
    let add = line.strip_prefix(ADD).map(|rest| Head::Add(path(rest)));
    let delete = || line.strip_prefix(DELETE).map(|rest| Head::Delete(path(rest)));
    let update = || line.strip_prefix(UPDATE).map(|rest| Head::Update(path(rest)));
    add.or_else(delete).or_else(update)
}

fn path(text: &str) -> Option<String> {
    let path = text.trim();
    (!path.is_empty() && !path.chars().any(char::is_control)).then(|| path.to_owned())
}

/// A line that starts no file.
fn inside(at: At, line: &str) -> Option<At> {
    match at {
        At::Head => line.trim().is_empty().then_some(At::Head),
        At::Adding { path, mut content } => {
            content.push_str(line.strip_prefix('+')?);
            content.push('\n');
            Some(At::Adding { path, content })
        }
        At::Updating { path: from, to, mut old, mut new, begun } => {
            if let Some(rest) = line.strip_prefix(MOVE) {
                // Only above the first change: elsewhere it is a word that the client may read in another way.
                let to = if begun || to.is_some() { None } else { path(rest) };
                return to.map(|to| At::Updating { path: from, to: Some(to), old, new, begun });
            }
            let mut chars = line.chars();
            let first = chars.next();
            let rest = format!("{}\n", chars.as_str());
            match first {
                None => {
                    old.push('\n');
                    new.push('\n');
                }
                // A context line that looks like the start of a file, which a more lenient reader might take for one.
                Some(' ') if rest.trim_start().starts_with("*** ") => return None,
                Some(' ') => {
                    old.push_str(&rest);
                    new.push_str(&rest);
                }
                Some('-') => old.push_str(&rest),
                Some('+') => new.push_str(&rest),
                Some('@') if line.starts_with("@@") => {}
                Some('*') if line.trim_end() == END_OF_FILE => {}
                Some(_) => return None,
            }
            Some(At::Updating { path: from, to, old, new, begun: true })
        }
    }
}

fn finish(at: At, found: &mut Vec<(String, Value)>) {
    match at {
        At::Head => {}
        At::Adding { path, content } => {
            found.push(("Write".to_owned(), json!({"file_path": path, "content": content})))
        }
        At::Updating { path, to, old, new, .. } => {
            found.push(edit(&path, Some((&old, &new))));
            if let Some(to) = to {
                found.push(("Write".to_owned(), json!({"file_path": to, "content": new})));
            }
        }
    }
}

/// A file that goes is a file that is changed.
fn edit(path: &str, texts: Option<(&str, &str)>) -> (String, Value) {
    let (old, new) = texts.unwrap_or_default();
    ("Edit".to_owned(), json!({"file_path": path, "old_string": old, "new_string": new}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(patch: &str) -> Option<Vec<String>> {
        let shown = |(tool, input): (String, Value)| format!("{tool} {}", input["file_path"].as_str().unwrap_or("?"));
        changes(patch).map(|found| found.into_iter().map(shown).collect())
    }

    #[test]
    fn every_file_of_a_patch_is_named() {
        let begin = "*** Begin Patch\n";
        let end = "*** End Patch";
        let cases: [(&str, &[&str]); 7] = [
            ("*** Add File: a.txt\n+x\n+\n", &["Write a.txt"]),
            ("*** Add File: empty\n", &["Write empty"]),
            ("*** Delete File: a b.txt \n", &["Edit a b.txt"]),
            ("*** Update File: a\n@@ fn x()\n ctx\n-old\n+new\n\n*** End of File\n", &["Edit a"]),
            ("*** Update File: a\n*** Move to: ../b\n@@\n-old\n+new\n", &["Edit a", "Write ../b"]),
            ("*** Update File: a\n*** Move to: b\n", &["Edit a", "Write b"]),
            (
                "*** Add File: a\n+*** Delete File: inside\n*** Delete File: b\n*** Update File: c\r\n@@\n+x\n*** Add File: d\n+y\n",
                &["Write a", "Edit b", "Edit c", "Write d"],
            ),
        ];
        for (body, wanted) in cases {
            let found = files(&format!("\n{begin}{body}{end}\n"));
            assert_eq!(
                found.as_deref(),
                Some(wanted.iter().map(|&file| file.to_owned()).collect::<Vec<_>>().as_slice()),
                "{body}"
            );
        }
    }

    #[test]
    fn a_patch_of_an_unknown_form_has_no_reading() {
        let cases = [
            "",
            "*** Begin Patch\n*** End Patch",
            "*** Begin Patch\n*** Add File: a\n+x",
            "*** Add File: a\n+x\n*** End Patch",
            "*** Begin Patch\n*** Add File: \n+x\n*** End Patch",
            "*** Begin Patch\n*** Add File: a\nx\n*** End Patch",
            "*** Begin Patch\n*** Rename File: a\n*** End Patch",
            "*** Begin Patch\n *** Delete File: a\n*** End Patch",
            "*** Begin Patch\n*** Add File: a\n+x\n *** Delete File: b\n*** End Patch",
            "*** Begin Patch\n*** Update File: a\n@@\n *** Delete File: b\n*** End Patch",
            "*** Begin Patch\n*** Update File: a\n@@\n+x\n*** Move to: b\n*** End Patch",
            "*** Begin Patch\n*** Update File: a\n*** Move to: b\n*** Move to: c\n*** End Patch",
            "*** Begin Patch\n*** Environment ID: x\n*** Add File: a\n+x\n*** End Patch",
            "*** Begin Patch\n*** Delete File: a\n*** End Patch\n*** Delete File: b",
            "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n",
        ];
        for patch in cases {
            assert_eq!(files(patch), None, "{patch}");
        }
    }

    #[test]
    fn the_texts_of_an_update_are_kept_for_screening() {
        let patch = "*** Begin Patch\n*** Update File: a\n@@\n c\n-o\n+n\n*** End Patch";
        let wanted = json!({"file_path": "a", "old_string": "c\no\n", "new_string": "c\nn\n"});
        assert_eq!(changes(patch), Some(vec![("Edit".to_owned(), wanted)]));
    }
}
