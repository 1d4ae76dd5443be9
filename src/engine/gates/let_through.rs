//! Mistakes that a grammar lets through although its language knows them for sure: blocks of Python and its old `print`,
//! words of Bash that close what was never opened, and a few more. Everything else is left to the grammar (`syntax`).

use tree_sitter::Node;

use super::language::Language;
use super::syntax::Place;

/// Words that are no command where one begins.
const CLOSING: [&str; 8] = ["then", "elif", "else", "fi", "do", "done", "esac", "}"];

pub(super) fn is_looked_for(language: Language) -> bool {
    matches!(language, Language::Python | Language::Bash | Language::JavaScript)
}

pub(super) fn place(node: Node, text: &[u8], language: Language) -> Option<Place> {
    match (language, node.kind()) {
        (Language::Bash, "command") => closing(node, text),
        (Language::Python, "block") if statements(node).is_empty() => {
            Some(Place { byte: node.start_byte(), message: "an indented block is missing".into() })
        }
        (Language::Python, "block") => indented(node, text, None),
        (Language::Python, "module") => indented(node, text, Some(b"")),
        (Language::Python, "print_statement" | "exec_statement") => old_statement(node, text),
        (Language::Rust, "source_file") => {
            let outside = statements(node).into_iter().find(|child| child.kind() == "let_declaration")?;
            Some(Place { byte: outside.start_byte(), message: "`let` stands in functions only".into() })
        }
        (Language::JavaScript, "lexical_declaration") => without_value(node, text),
        _ => None,
    }
}

fn closing(command: Node, text: &[u8]) -> Option<Place> {
    let name = command.child(0).filter(|first| first.kind() == "command_name")?;
    let word = std::str::from_utf8(text.get(name.byte_range())?).ok()?;
    CLOSING.contains(&word).then(|| Place { byte: name.start_byte(), message: format!("`{word}` is not expected") })
}

/// `print >>file, 1` is an expression of today's Python too.
fn old_statement(statement: Node, text: &[u8]) -> Option<Place> {
    let first_line = String::from_utf8_lossy(text.split(|byte| *byte == b'\n').next()?);
    let is_python_2 = first_line.starts_with("#!") && first_line.contains("python2");
    let is_expression = statement.child(1).is_some_and(|second| second.kind() == "chevron");
    let word = statement.child(0)?.kind();
    (!is_python_2 && !is_expression)
        .then(|| Place { byte: statement.start_byte(), message: format!("`{word}` is a function: `{word}(…)`") })
}

fn without_value(declaration: Node, text: &[u8]) -> Option<Place> {
    let names = || declaration.named_children(&mut declaration.walk()).collect::<Vec<_>>();
    let is_const = text.get(declaration.byte_range())?.starts_with(b"const");
    let bare = names().into_iter().find(|name| {
        name.kind() == "variable_declarator" && name.child_by_field_name("value").is_none() && !name.has_error()
    });
    let byte = bare.filter(|_| is_const)?.start_byte();
    Some(Place { byte, message: "a `const` needs its value".into() })
}

fn statements(block: Node<'_>) -> Vec<Node<'_>> {
    block.named_children(&mut block.walk()).filter(|child| !child.is_extra()).collect()
}

/// Every line that begins a statement of a block is indented as its first one is.
fn indented<'t>(block: Node, text: &'t [u8], mut wanted: Option<&'t [u8]>) -> Option<Place> {
    for statement in statements(block) {
        let before = text.get(..statement.start_byte())?;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let (above, indent) = before.split_at_checked(start)?;
        // A form feed begins to count anew, and a line may go on from the one above.
        let is_plain = indent.iter().all(|byte| matches!(byte, b' ' | b'\t'));
        if !is_plain || above.trim_ascii_end().ends_with(b"\\") {
            continue;
        }
        if *wanted.get_or_insert(indent) != indent {
            return Some(Place { byte: statement.start_byte(), message: "the indentation is not expected".into() });
        }
    }
    None
}
