//! Texts for the clients of databases: those that only ask for rows or show what there is. How a text gets there is told
//! elsewhere.

use super::Word;

/// Words of a text for sqlite that load code or reach files.
const SQLITE_REACHES: &[&str] =
    &["attach", "fsdir", "fts3_tokenizer", "load_extension", "readfile", "writefile", "zipfile"];

/// Commands of its shell that only show, in full.
const SQLITE_SHOWS: &[&str] = &[
    "bail",
    "changes",
    "databases",
    "dbinfo",
    "dump",
    "echo",
    "eqp",
    "exit",
    "explain",
    "fullschema",
    "headers",
    "help",
    "indexes",
    "indices",
    "limit",
    "lint",
    "mode",
    "nullvalue",
    "print",
    "prompt",
    "quit",
    "schema",
    "separator",
    "show",
    "stats",
    "tables",
    "timer",
    "version",
    "vfsinfo",
    "width",
];

/// What a statement begins with that asks.
const ASKS: &[&str] = &["desc", "describe", "explain", "select", "show", "table", "use", "values", "with"];

/// Words with which an asking statement reaches files or other places, runs a text as statements, or changes rows.
const REACHES: &[&str] = &[
    "alter", "call", "copy", "create", "delete", "do", "drop", "dumpfile", "execute", "grant", "insert", "into",
    "load", "merge", "outfile", "program", "revoke", "truncate", "update",
];

/// Starts of functions that do the same.
const REACHING: &[&str] = &[
    "cursor_to",
    "database_to",
    "dblink",
    "load_",
    "lo_",
    "pg_file",
    "pg_ls",
    "pg_read",
    "pg_stat_file",
    "query_to",
    "schema_to",
    "set_config",
    "sys_",
    "table_to",
];

/// Commands of psql that list; what follows is a name or a pattern of names.
const PSQL_LISTS: &[&str] = &["conninfo", "d", "df", "di", "dn", "ds", "dt", "du", "dv", "l"];

/// A command of its shell, where a line begins with a dot, may be cut short.
pub fn sqlite_acts(word: &Word) -> bool {
    let text = word.text.to_ascii_lowercase();
    let command = |line: &str| {
        let name = line.trim_start().strip_prefix('.')?.split([' ', '\t']).next()?.to_owned();
        name.starts_with(|letter: char| letter.is_ascii_alphabetic()).then_some(name)
    };
    let acts = |name: String| {
        name.chars().all(|letter| letter.is_ascii_alphanumeric()) && !SQLITE_SHOWS.contains(&name.as_str())
    };
    word.expands.value || text.lines().filter_map(command).any(acts) || sqlite_reaches(&text)
}

/// Whether statements, in small letters, reach files or start a program.
fn sqlite_reaches(text: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let words = || text.split(|letter| !is_part(letter));
    // A column may be called so.
    let calls = |name: &str| {
        text.match_indices(name).any(|(at, _)| {
            let (before, after) = text.split_at_checked(at).unwrap_or_default();
            let after = after.get(name.len()..).unwrap_or_default();
            let open = after.trim_start_matches(|letter: char| letter.is_whitespace() || "\"]`'".contains(letter));
            !before.ends_with(is_part) && ["(", "/*", "--"].iter().any(|mark| open.starts_with(mark))
        })
    };
    words().any(|word| SQLITE_REACHES.contains(&word))
        || (words().any(|word| word == "vacuum") && words().any(|word| word == "into"))
        || calls("edit")
}

/// For `psql -c` and `mysql -e`.
pub fn only_asks(program: &str, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let text = text.trim();
    if let Some(listing) = text.strip_prefix('\\').filter(|_| program == "psql") {
        let (name, pattern) = listing.split_once(' ').unwrap_or((listing, ""));
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_.* ".contains(letter);
        return PSQL_LISTS.contains(&name.trim_end_matches(['+', 'S', 's'])) && pattern.chars().all(plain);
    }
    // The page-wide form of mysql is a matter of looks.
    let text = if program == "mysql" { text.trim_end_matches("\\g") } else { text };
    let text = text.replace("show create ", "show ");
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let begins = |statement: &str| {
        let first = statement.trim_start().split(|letter: char| !letter.is_ascii_alphabetic()).next();
        first.is_some_and(|first| ASKS.contains(&first))
    };
    let mut statements = text.split(';').filter(|statement| !statement.trim().is_empty()).peekable();
    statements.peek().is_some()
        && statements.all(begins)
        && !text.contains(['\\', '`', '|'])
        && !words
            .into_iter()
            .any(|word| REACHES.contains(&word) || REACHING.iter().any(|start| word.starts_with(start)))
}
