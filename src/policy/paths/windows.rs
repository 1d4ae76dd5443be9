//! Paths as Windows writes them, in the form in which patterns of rules are written: `C:\x` is `/c/x`.

pub struct Posix {
    pub path: String,
    /// Why it is not certain which file this is.
    pub doubt: Option<&'static str>,
}

/// What Windows would drop from a name is dropped here too, so that a rule is held against the file that is opened.
pub fn as_posix(written: &str) -> Posix {
    let slashed = written.replace('\\', "/");
    let plain = slashed.strip_prefix("//?/").or_else(|| slashed.strip_prefix("//./")).unwrap_or(&slashed);
    let plain = plain.strip_prefix("/cygdrive").filter(|rest| rest.starts_with('/')).unwrap_or(plain);
    let mut doubt = None;
    if plain.starts_with("//") {
        doubt = Some("the path is on another machine");
    }
    let (drive, rest) = match plain.split_once(':') {
        Some((letter, rest)) if letter.len() == 1 && letter.chars().all(|letter| letter.is_ascii_alphabetic()) => {
            if !rest.is_empty() && !rest.starts_with('/') {
                doubt = Some("the path starts from a folder of a drive that is not known");
            }
            (Some(letter.to_ascii_lowercase()), rest)
        }
        _ => (drive_of(plain), plain),
    };
    let rest = if drive.is_some() && rest == plain { rest.get(2..).unwrap_or_default() } else { rest };
    if drive.is_none() && plain.starts_with('/') && written.starts_with('\\') {
        doubt.get_or_insert("the path starts at the top of a drive that is not known");
    }
    let names = rest.split('/').map(|name| {
        let kept = opened(name);
        if kept != name {
            doubt.get_or_insert("a name in the path has more to it than the file that Windows opens");
        }
        let is_short =
            kept.split_once('~').is_some_and(|(_, end)| end.starts_with(|digit: char| digit.is_ascii_digit()));
        if is_short {
            doubt.get_or_insert("a name in the path is one that Windows shortened");
        }
        kept
    });
    let rest = names.collect::<Vec<_>>().join("/");
    let path = drive.map_or_else(
        || rest.clone(),
        |drive| format!("/{drive}{}{rest}", if rest.starts_with('/') || rest.is_empty() { "" } else { "/" }),
    );
    Posix { path, doubt }
}

/// `/C/x` is on drive `c`, as Git Bash writes it.
fn drive_of(path: &str) -> Option<String> {
    let mut letters = path.strip_prefix('/')?.chars();
    let letter = letters.next().filter(char::is_ascii_alphabetic)?;
    letters.next().is_none_or(|next| next == '/').then(|| letter.to_ascii_lowercase().to_string())
}

/// Without the stream, and without dots and blanks at the end.
fn opened(name: &str) -> &str {
    if matches!(name, "." | "..") {
        return name;
    }
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    name.trim_end_matches(['.', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drives_and_backslashes_are_written_as_rules_write_them() {
        for (written, path, certain) in [
            ("C:\\srv\\proj\\.env", "/c/srv/proj/.env", true),
            ("C:/srv/.env", "/c/srv/.env", true),
            ("/C/srv", "/c/srv", true),
            ("\\srv\\proj\\.env", "/srv/proj/.env", false),
            ("/c", "/c", true),
            ("src\\a.ts", "src/a.ts", true),
            ("..\\a", "../a", true),
            ("C:\\", "/c/", true),
            ("\\\\?\\C:\\a", "/c/a", true),
            ("/cygdrive/d/a", "/d/a", true),
            ("/srv/proj", "/srv/proj", true),
            ("C:a", "/c/a", false),
            ("\\\\server\\share", "//server/share", false),
            ("C:\\a\\.env. ", "/c/a/.env", false),
            (".env::$DATA", ".env", false),
            ("C:\\PROGRA~1\\x", "/c/PROGRA~1/x", false),
        ] {
            let read = as_posix(written);
            assert_eq!((read.path.as_str(), read.doubt.is_none()), (path, certain), "{written}");
        }
    }
}
