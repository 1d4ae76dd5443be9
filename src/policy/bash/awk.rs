//! Files that an awk program names behind `>`, `>>` and `<`, in quotes or by a variable that the command line gives. What it
//! runs is in `scripts`.

use super::super::paths::Access;
use super::super::shell::script::Word;
use super::files::Named;

/// Longer programs are not looked through.
const PROGRAM_BYTES_MAX: usize = 8_192;
const FILES_MAX: usize = 16;

pub fn files(words: &[Word]) -> Vec<Named> {
    let texts = || words.iter().skip(1).filter(|word| !word.expands.value && word.text.len() <= PROGRAM_BYTES_MAX);
    let given: Vec<(&str, &str)> = texts().filter_map(|word| assigned(&word.text)).collect();
    let mut found = Vec::new();
    for program in texts().filter(|word| word.text.contains(['>', '<'])) {
        for (access, name) in redirected(&program.text) {
            let path = match name {
                Name::Quoted(path) => Some(path),
                Name::Variable(name) => given.iter().find(|(known, _)| *known == name).map(|(_, value)| *value),
            };
            found.extend(path.map(|path| Named { path: Word { text: path.to_owned(), ..Word::default() }, access }));
        }
    }
    if words.iter().any(|word| word.text == "inplace" || word.text.ends_with("=inplace") || word.text == "-iinplace") {
        let operands = words.iter().skip(1).filter(|word| !word.text.starts_with('-') && word.text != "inplace");
        found.extend(operands.skip(1).map(|word| Named { path: word.clone(), access: Access::Write }));
    }
    found.truncate(FILES_MAX);
    found
}

/// `-v name=value`, `-vname=value`, and an operand of that form.
fn assigned(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.strip_prefix("-v").unwrap_or(text).split_once('=')?;
    let is_name = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    (is_name && !name.is_empty()).then_some((name, value))
}

enum Name<'a> {
    Quoted(&'a str),
    Variable(&'a str),
}

/// What stands behind a mark of redirection; a comparison with a text or a variable looks the same.
fn redirected(program: &str) -> Vec<(Access, Name<'_>)> {
    let mut found = Vec::new();
    for (at, mark) in program.match_indices(['>', '<']) {
        let after = program.get(at + 1..).unwrap_or_default().trim_start_matches([' ', '\t', '(']);
        let access = if mark == ">" { Access::Write } else { Access::Read };
        if let Some(quoted) = after.strip_prefix('"') {
            found.extend(quoted.split_once('"').map(|(path, _)| (access, Name::Quoted(path))));
        } else {
            let end = after.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
            let name = after.get(..end.unwrap_or(after.len())).unwrap_or_default();
            if name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_') {
                found.push((access, Name::Variable(name)));
            }
        }
        if found.len() >= FILES_MAX {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_behind_a_mark() {
        let of = |words: &[&str]| {
            let words: Vec<Word> =
                words.iter().map(|text| Word { text: (*text).to_owned(), ..Word::default() }).collect();
            let named = files(&words).into_iter();
            named.map(|named| (named.access, named.path.text)).collect::<Vec<_>>()
        };
        let (write, read) =
            (|path: &str| (Access::Write, path.to_owned()), |path: &str| (Access::Read, path.to_owned()));
        assert_eq!(of(&["awk", r#"{print > "x"}"#, "f"]), [write("x")]);
        assert_eq!(of(&["awk", r#"{print $1 >> ("x" )}"#]), [write("x")]);
        assert_eq!(of(&["awk", "-v", "o=x", "{print > o}"]), [write("x")]);
        assert_eq!(of(&["awk", "-vo=x", "{print > o}"]), [write("x")]);
        assert_eq!(of(&["awk", r#"BEGIN{while((getline l < "x")>0) print l}"#]), [read("x")]);
        assert_eq!(of(&["gawk", "-i", "inplace", "/x/", "f"]), [write("f")]);
        assert_eq!(of(&["awk", "$1 > 5 {print $2}", "f"]), []);
    }
}
