//! The two files that `psql` reads besides: named services, and passwords by place. Where they lie is said by the caller.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The values of a service, in the order they are written; nothing where the file or the name is not there.
pub fn service(file: &Path, name: &str) -> Option<Vec<(String, String)>> {
    services(&std::fs::read_to_string(file).ok()?, name)
}

fn services(text: &str, name: &str) -> Option<Vec<(String, String)>> {
    let mut found: Option<Vec<(String, String)>> = None;
    let mut inside = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(section) = line.strip_prefix('[') {
            // The first of a name is the one that counts.
            inside = found.is_none() && section.strip_suffix(']') == Some(name);
            if inside {
                found = Some(Vec::new());
            }
        } else if let (true, Some(values), Some((key, value))) = (inside, found.as_mut(), line.split_once('=')) {
            values.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}

/// Whose password is wanted.
pub struct Login<'a> {
    /// `localhost` for a socket in its usual place.
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

/// A file that others can read does not count, as with `psql`.
pub fn password(file: &Path, login: &Login<'_>) -> Option<String> {
    let found = std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file)?;
    if found.permissions().mode() & 0o077 != 0 {
        tracing::warn!(file = %file.display(), "others can read the file of passwords, so it does not count; `chmod 600` it");
        return None;
    }
    passwords(&std::fs::read_to_string(file).ok()?, login)
}

fn passwords(text: &str, login: &Login<'_>) -> Option<String> {
    let port = login.port.to_string();
    let wanted = [login.host, &port, login.database, login.user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let (password, named) = fields.split_last()?;
        let fits = named.len() == wanted.len()
            && named.iter().zip(wanted).all(|(field, wanted)| field.text == wanted || field.any);
        fits.then(|| password.text.clone())
    })
}

#[derive(Default)]
struct Field {
    text: String,
    /// A bare `*`; one behind a `\` is only itself.
    any: bool,
}

/// Five of them, parted by `:`; a `\` takes the next character as it is. What follows the fourth `:` is the password.
fn fields(line: &str) -> Vec<Field> {
    let mut fields = vec![Field::default()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let whole = fields.len() == 5;
        let Some(field) = fields.last_mut() else { break };
        match letter {
            '\\' => {
                field.any = false;
                field.text.extend(letters.next());
            }
            ':' if !whole => fields.push(Field::default()),
            other => {
                field.any = field.text.is_empty() && other == '*';
                field.text.push(other);
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let text = "# comment\ndb:5432:work:ana:one\n*:5433:*:ana:two:with \\: and \\\\\nodd\\:host:*:*:bo:three\n*:*:*:\\*:star\n";
        for (host, port, database, user, password) in [
            ("db", 5432, "work", "ana", Some("one")),
            ("db", 5433, "other", "ana", Some("two:with : and \\")),
            ("odd:host", 1, "x", "bo", Some("three")),
            ("db", 5432, "other", "ana", None),
            ("db", 1, "x", "cy", None),
            ("db", 1, "x", "*", Some("star")),
        ] {
            let found = passwords(text, &Login { host, port, database, user });
            assert_eq!(found.as_deref(), password, "{host}:{port}:{database}:{user}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_has_no_password() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pgpass");
        std::fs::write(&file, "*:*:*:*:open\n").unwrap();
        let login = Login { host: "h", port: 1, database: "d", user: "u" };
        for (mode, password_found) in [(0o644, None), (0o640, None), (0o600, Some("open"))] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(password(&file, &login).as_deref(), password_found, "{mode:o}");
        }
        assert_eq!(password(folder.path(), &login), None);
    }

    #[test]
    fn services_are_sections() {
        let text = "# all\n[work]\nhost = db.example\n port=5433\n\n[other]\nhost=x\n[work]\nhost=late\n";
        let found = services(text, "work").unwrap();
        let pairs: Vec<(&str, &str)> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("host", "db.example"), ("port", "5433")]);
        assert_eq!(services(text, "none"), None);
    }
}
