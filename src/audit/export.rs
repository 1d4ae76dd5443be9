//! Records as bytes for others: JSON Lines (what is stored, unchanged), CSV that a spreadsheet may open, OpenTelemetry.
//! Where records come from and where the bytes go is not here.

use std::borrow::Cow;
use std::io::Write;

use crate::domain::ids::{TaskId, Time};

use super::judged::verdict_word;
use super::lines::{self, Head};
use super::otel;

/// A record as a store has it. The body is empty where it was erased; then the leaf's hash, in hex, stands for it.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    pub seq: u64,
    pub at: Time,
    pub agent: &'a str,
    pub kind: &'a str,
    pub task: Option<TaskId>,
    pub body: &'a str,
    pub leaf: Option<String>,
}

impl<'a> Row<'a> {
    /// The head, from the body, or what is left of it after erasure.
    pub fn head(&self) -> Result<Head<'a>, String> {
        if !self.body.is_empty() {
            return lines::read_body(self.body);
        }
        Ok(Head {
            at: self.at,
            agent: Cow::Borrowed(self.agent),
            role: Cow::Borrowed(""),
            tool: Cow::Borrowed(""),
            kind: Cow::Borrowed(self.kind),
            task: self.task,
            event: "",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Jsonl,
    Csv,
    Otel,
}

const CSV_HEADER: &[u8] = b"seq,at,agent,role,tool,kind,task,verdict,event\r\n";

/// Turns rows into bytes. The caller takes `bytes` whenever it likes, and all of them after `end`.
pub struct Export {
    format: Format,
    /// Records in the batch that is open (OpenTelemetry only).
    open: usize,
    pub bytes: Vec<u8>,
}

impl Export {
    pub fn new(format: Format) -> Self {
        let bytes = match format {
            Format::Csv => CSV_HEADER.to_vec(),
            Format::Jsonl | Format::Otel => Vec::new(),
        };
        Self { format, open: 0, bytes }
    }

    /// A record that cannot be read is left as it is by JSON Lines, and an error in the other forms.
    pub fn row(&mut self, row: &Row<'_>) -> Result<(), String> {
        match self.format {
            Format::Jsonl => jsonl(row, &mut self.bytes),
            Format::Csv => csv(row, &row.head()?, &mut self.bytes),
            Format::Otel => {
                let head = row.head()?;
                self.bytes.extend_from_slice(if self.open == 0 { otel::BEGIN.as_bytes() } else { b"," });
                otel::record(row, &head, &mut self.bytes);
                self.open += 1;
                if self.open == otel::BATCH {
                    self.end();
                }
            }
        }
        Ok(())
    }

    /// Ends what is open.
    pub fn end(&mut self) {
        if self.open > 0 {
            self.bytes.extend_from_slice(otel::END.as_bytes());
            self.open = 0;
        }
    }
}

fn jsonl(row: &Row<'_>, to: &mut Vec<u8>) {
    to.extend_from_slice(b"{\"seq\":");
    number(row.seq, to);
    if row.body.is_empty() {
        to.extend_from_slice(b",\"erased\":\"");
        to.extend_from_slice(row.leaf.as_deref().unwrap_or_default().as_bytes());
        to.extend_from_slice(b"\"}\n");
        return;
    }
    to.extend_from_slice(b",\"body\":");
    to.extend_from_slice(row.body.as_bytes());
    to.extend_from_slice(b"}\n");
}

pub(super) fn number(value: u64, to: &mut Vec<u8>) {
    // Writing into memory does not fail.
    let _ = write!(to, "{value}");
}

fn csv(row: &Row<'_>, head: &Head<'_>, to: &mut Vec<u8>) {
    number(row.seq, to);
    to.push(b',');
    // A body of ours says the time in just the form that is wanted, so it need not be made again.
    let at = row
        .body
        .get(13..37)
        .filter(|_| row.body.starts_with("{\"v\":1,\"at\":\"") && row.body.get(37..38) == Some("\""));
    match at {
        Some(at) => cell(at, to),
        None => cell(&head.at.to_string(), to),
    }
    for text in [&head.agent, &head.role, &head.tool, &head.kind] {
        to.push(b',');
        cell(text, to);
    }
    to.push(b',');
    if let Some(task) = head.task {
        to.extend_from_slice(b"T-");
        number(task.0, to);
    }
    to.push(b',');
    cell(verdict_word(&head.kind, head.event), to);
    to.push(b',');
    cell(head.event, to);
    to.extend_from_slice(b"\r\n");
}

/// A cell by RFC 4180. One that a spreadsheet would take for a formula gets an apostrophe, which makes it text.
pub fn cell(text: &str, to: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let formula = matches!(bytes.first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n'));
    let special = memchr::memchr3(b',', b'"', b'\n', bytes).is_some() || memchr::memchr(b'\r', bytes).is_some();
    if !special {
        if formula {
            to.push(b'\'');
        }
        to.extend_from_slice(bytes);
        return;
    }
    to.push(b'"');
    if formula {
        to.push(b'\'');
    }
    let mut from = 0;
    for quote in memchr::memchr_iter(b'"', bytes) {
        to.extend_from_slice(bytes.get(from..=quote).unwrap_or_default());
        to.push(b'"');
        from = quote + 1;
    }
    to.extend_from_slice(bytes.get(from..).unwrap_or_default());
    to.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (text, wanted) in [
            ("plain", "plain"),
            ("", ""),
            ("=1+2", "'=1+2"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("\"", "\"\"\"\""),
        ] {
            let mut found = Vec::new();
            cell(text, &mut found);
            assert_eq!(String::from_utf8(found).unwrap(), wanted, "{text:?}");
        }
    }
}
