//! Mistakes that a grammar lets through although its language knows them for sure: blocks of Python, and words of Bash
//! that close what was never opened. Everything else is left to the grammar (`syntax`).

use tree_sitter::Node;

use super::language::Language;
use super::syntax::Place;

/// Words that are no command where one begins.
const CLOSING: [&str; 8] = ["then", "elif", "else", "fi", "do", "done", "esac", "}"];

pub(super) fn is_looked_for(language: Language) -> bool {
    matches!(language, Language::Python | Language::Bash)
}

pub(super) fn place(node: Node, text: &[u8], language: Language) -> Option<Place> {
    match (language, node.kind()) {
        (Language::Bash, "command") => closing(node, text),
        (Language::Python, "block") if statements(node).is_empty() => {
            Some(Place { byte: node.start_byte(), message: "an indented block is missing".into() })
        }
        (Language::Python, "block") => indented(node, text, None),
        (Language::Python, "module") => indented(node, text, Some(b"")),
        _ => None,
    }
}

fn closing(command: Node, text: &[u8]) -> Option<Place> {
    let name = command.child(0).filter(|first| first.kind() == "command_name")?;
    let word = std::str::from_utf8(text.get(name.byte_range())?).ok()?;
    CLOSING.contains(&word).then(|| Place { byte: name.start_byte(), message: format!("`{word}` is not expected") })
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
