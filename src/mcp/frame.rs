//! One line of bytes, checked before any typed parser sees it: JSON grammar, duplicate keys, JSON-RPC shape.
//! Pure: no transport, no MCP method semantics, no rmcp types. Nothing here looks inside `params` beyond `_meta`.
use std::borrow::Cow;

use super::escapes::{code_unit, unescape};

pub const PARSE_ERROR: i32 = -32700;
pub const INVALID_REQUEST: i32 = -32600;
pub const METHOD_NOT_FOUND: i32 = -32601;
pub const INVALID_PARAMS: i32 = -32602;

#[derive(Debug, Clone, Copy)]
pub struct FrameLimits {
    /// Open objects and arrays at one place, the message itself included.
    pub depth: usize,
    /// Digits of one number, exponent included.
    pub number_digits: usize,
    pub method_bytes: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self { depth: 64, number_digits: 32, method_bytes: 256 }
    }
}

/// An id a request may carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Id<'a> {
    Number(i64),
    Text(Cow<'a, str>),
}

/// An error to answer with. Without an id the line did not show one that can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal<'a> {
    pub code: i32,
    pub message: Cow<'static, str>,
    pub id: Option<Id<'a>>,
}

/// What a line is. `params` is the text of a JSON object with no duplicate key at any level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    Request {
        id: Id<'a>,
        method: Cow<'a, str>,
        params: Option<&'a str>,
    },
    Notification {
        method: Cow<'a, str>,
        params: Option<&'a str>,
    },
    /// An answer to something the server asked, or to nothing. The text is the whole line.
    Response(&'a str),
    Refused(Refusal<'a>),
    /// Blank, or a notification that is wrong: those are never answered.
    Nothing,
}

/// Checks one line (with or without its line end) in one pass, without recursion.
pub fn check<'a>(line: &'a [u8], limits: &FrameLimits) -> Frame<'a> {
    let Ok(text) = std::str::from_utf8(line) else {
        return refuse(PARSE_ERROR, "the message is not utf-8; send json as utf-8", None);
    };
    if text.starts_with('\u{feff}') {
        return refuse(PARSE_ERROR, "the message starts with a byte order mark; send plain utf-8 without one", None);
    }
    let mut scan = Scan::new(text, limits);
    scan.space();
    if scan.peek().is_none() {
        return Frame::Nothing;
    }
    match scan.run() {
        Ok(()) => scan.seen.into_frame(text, limits),
        Err(flaw) => refuse(PARSE_ERROR, flaw, None),
    }
}

fn refuse<'a>(code: i32, message: impl Into<Cow<'static, str>>, id: Option<Id<'a>>) -> Frame<'a> {
    Frame::Refused(Refusal { code, message: message.into(), id })
}

/// A string still in its quotes' inside, as it stood in the line.
#[derive(Clone, Copy)]
struct Raw<'a> {
    text: &'a str,
    escaped: bool,
}

impl<'a> Raw<'a> {
    fn resolve(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescape(self.text)) } else { Cow::Borrowed(self.text) }
    }
}

/// The members of a message that decide what it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Jsonrpc,
    Id,
    Method,
    Params,
    Answer,
    Other,
}

enum SeenId<'a> {
    Absent,
    Wrong,
    Good(Id<'a>),
}

/// Well-formed JSON that may still not go on. Kept until the end, so that the answer can carry the id.
#[derive(Clone, Copy)]
enum Flaw {
    Surrogate,
    Number,
    Digits,
    MetaType,
    ParamsType,
}

struct Seen<'a> {
    object: bool,
    array: bool,
    duplicate: bool,
    version: bool,
    id: SeenId<'a>,
    method: Option<Raw<'a>>,
    /// Its value is no string.
    no_name: bool,
    answer: bool,
    params: Option<(usize, usize)>,
    flaw: Option<(Flaw, bool)>,
}

impl<'a> Seen<'a> {
    fn into_frame(self, text: &'a str, limits: &FrameLimits) -> Frame<'a> {
        if self.array {
            return refuse(INVALID_REQUEST, "batches are not part of mcp; send one message at a time", None);
        }
        if !self.object {
            return refuse(INVALID_REQUEST, "a message is a json object; this is another json value", None);
        }
        let has_id = !matches!(self.id, SeenId::Absent);
        if self.answer && self.method.is_none() && !self.no_name {
            return if self.duplicate || self.flaw.is_some() { Frame::Nothing } else { Frame::Response(text) };
        }
        if !has_id && self.method.is_some() {
            return self.into_notification(text, limits);
        }
        if self.duplicate {
            let message = "an object has the same key twice; send every key once";
            return refuse(INVALID_REQUEST, message, None);
        }
        let id = match self.id {
            SeenId::Good(id) => Some(id),
            SeenId::Absent => None,
            SeenId::Wrong => {
                let message =
                    "`id` is neither a string of whole characters nor a whole number within 64 bits; send one of these";
                return refuse(INVALID_REQUEST, message, None);
            }
        };
        if !self.version {
            return refuse(INVALID_REQUEST, "`jsonrpc` is not \"2.0\"; send \"jsonrpc\":\"2.0\"", id);
        }
        if self.answer {
            return refuse(INVALID_REQUEST, "a request carries no `result` and no `error`; leave them out", id);
        }
        let (Some(method), Some(id)) = (self.method.filter(|m| !m.text.is_empty()), id.clone()) else {
            return refuse(INVALID_REQUEST, "`method` is missing, empty or not a string; name a method", id);
        };
        if let Some((flaw, in_params)) = self.flaw {
            let code = if in_params { INVALID_PARAMS } else { INVALID_REQUEST };
            return refuse(code, flaw.message(), Some(id));
        }
        if method.text.len() > limits.method_bytes {
            return refuse(METHOD_NOT_FOUND, "no method has a name this long; see `tools/list`", Some(id));
        }
        let params = self.params.and_then(|(from, to)| text.get(from..to));
        Frame::Request { id, method: method.resolve(), params }
    }

    fn into_notification(self, text: &'a str, limits: &FrameLimits) -> Frame<'a> {
        let sound = self.version && !self.duplicate && !self.answer && self.flaw.is_none();
        match self.method {
            Some(method) if sound && !method.text.is_empty() && method.text.len() <= limits.method_bytes => {
                let params = self.params.and_then(|(from, to)| text.get(from..to));
                Frame::Notification { method: method.resolve(), params }
            }
            _ => Frame::Nothing,
        }
    }
}

impl Flaw {
    fn message(self) -> &'static str {
        match self {
            Self::Surrogate => {
                "a string holds half a surrogate pair, which is no character; send the pair or leave it out"
            }
            Self::Number => "a number is too large for a 64-bit float; send a smaller one, or a string",
            Self::Digits => "a number has more digits than are kept exactly; send a shorter one, or a string",
            Self::MetaType => "`_meta` is not an object; send an object or leave it out",
            Self::ParamsType => "`params` is not an object; send an object or leave it out",
        }
    }
}

/// An open object or array.
struct Level {
    object: bool,
    /// Where this object's keys start in `Scan::keys`.
    keys_from: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    CommaOrEnd,
    Nothing,
}

/// Above this many keys, duplicates are found by sorting at the closing brace instead of by comparing with each.
const FEW_KEYS: usize = 16;

struct Scan<'a, 'l> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    limits: &'l FrameLimits,
    levels: Vec<Level>,
    keys: Vec<Cow<'a, str>>,
    member: Member,
    /// The value that comes next is the `_meta` of `params`.
    meta: bool,
    seen: Seen<'a>,
}

type Step<T> = Result<T, Cow<'static, str>>;

impl<'a, 'l> Scan<'a, 'l> {
    fn new(text: &'a str, limits: &'l FrameLimits) -> Self {
        let seen = Seen {
            object: false,
            array: false,
            duplicate: false,
            version: false,
            id: SeenId::Absent,
            method: None,
            no_name: false,
            answer: false,
            params: None,
            flaw: None,
        };
        let (levels, keys) = (Vec::with_capacity(8), Vec::with_capacity(16));
        Self { text, bytes: text.as_bytes(), pos: 0, limits, levels, keys, member: Member::Other, meta: false, seen }
    }

    fn run(&mut self) -> Step<()> {
        let mut want = Want::Value;
        loop {
            self.space();
            let Some(byte) = self.peek() else {
                return if want == Want::Nothing { Ok(()) } else { Err(self.unexpected()) };
            };
            want = match (want, byte) {
                (Want::ValueOrEnd, b']') | (Want::KeyOrEnd, b'}') => self.close(),
                (Want::Value | Want::ValueOrEnd, _) => self.value(byte)?,
                (Want::Key | Want::KeyOrEnd, b'"') => self.key()?,
                (Want::CommaOrEnd, _) => self.after_value(byte)?,
                (Want::Nothing, _) => {
                    return Err(
                        "something follows the message; send one at a time, over stdio each on its own line".into()
                    );
                }
                (Want::Key | Want::KeyOrEnd, _) => return Err(self.unexpected()),
            };
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.pos += 1;
        }
    }

    fn unexpected(&self) -> Cow<'static, str> {
        match self.text.get(self.pos..).and_then(|rest| rest.chars().next()) {
            Some(c) => {
                let shown = if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
                format!(
                    "not json: unexpected `{shown}` at byte {}; send one json object, over stdio on one line",
                    self.pos
                )
                .into()
            }
            None => "not json: the message ends too early; send one json object, over stdio on one line".into(),
        }
    }

    fn in_params(&self) -> bool {
        self.member == Member::Params && self.seen.object && !self.levels.is_empty()
    }

    fn flaw(&mut self, flaw: Flaw) {
        if self.seen.flaw.is_none() {
            self.seen.flaw = Some((flaw, self.in_params()));
        }
    }

    /// The member of the message whose value starts here, if it is one.
    fn member_here(&self) -> Option<Member> {
        (self.levels.len() == 1 && self.seen.object).then_some(self.member)
    }

    fn value(&mut self, byte: u8) -> Step<Want> {
        let start = self.pos;
        let member = self.member_here();
        if self.meta {
            self.meta = false;
            if byte != b'{' {
                self.flaw(Flaw::MetaType);
            }
        }
        match member {
            Some(Member::Params) if byte == b'{' => self.seen.params = Some((start, start)),
            Some(Member::Params) => self.flaw(Flaw::ParamsType),
            Some(Member::Id) => self.seen.id = SeenId::Wrong,
            Some(Member::Answer) => self.seen.answer = true,
            Some(Member::Method) => self.seen.no_name = byte != b'"',
            _ => {}
        }
        match byte {
            b'{' | b'[' => return self.open(byte == b'{'),
            b'"' => {
                let flawed = self.seen.flaw.take();
                let raw = self.string()?;
                let whole = self.seen.flaw.is_none();
                self.seen.flaw = flawed.or(self.seen.flaw);
                match member {
                    Some(Member::Jsonrpc) => self.seen.version = raw.resolve() == "2.0",
                    Some(Member::Method) => self.seen.method = Some(raw),
                    // Of half a character nothing could be sent back that is the same.
                    Some(Member::Id) if whole => self.seen.id = SeenId::Good(Id::Text(raw.resolve())),
                    _ => {}
                }
            }
            b'-' | b'0'..=b'9' => {
                let text = self.number()?;
                if member == Some(Member::Id)
                    && let Ok(number) = text.parse()
                {
                    self.seen.id = SeenId::Good(Id::Number(number));
                }
            }
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => return Err(self.unexpected()),
        }
        Ok(self.ended())
    }

    fn ended(&self) -> Want {
        if self.levels.is_empty() { Want::Nothing } else { Want::CommaOrEnd }
    }

    fn open(&mut self, object: bool) -> Step<Want> {
        if self.levels.len() >= self.limits.depth {
            return Err(format!("nested deeper than {} levels; send flatter json", self.limits.depth).into());
        }
        if self.levels.is_empty() {
            self.seen.object = object;
            self.seen.array = !object;
        }
        self.levels.push(Level { object, keys_from: self.keys.len() });
        self.pos += 1;
        Ok(if object { Want::KeyOrEnd } else { Want::ValueOrEnd })
    }

    fn close(&mut self) -> Want {
        self.pos += 1;
        if let Some(level) = self.levels.pop()
            && level.object
        {
            if let Some(keys) = self.keys.get_mut(level.keys_from..).filter(|keys| keys.len() > FEW_KEYS) {
                keys.sort_unstable();
                self.seen.duplicate |= keys.windows(2).any(|pair| pair.first() == pair.get(1));
            }
            self.keys.truncate(level.keys_from);
        }
        if self.member_here() == Some(Member::Params)
            && let Some(span) = &mut self.seen.params
        {
            span.1 = self.pos;
        }
        self.ended()
    }

    fn after_value(&mut self, byte: u8) -> Step<Want> {
        let object = self.levels.last().is_some_and(|level| level.object);
        match (byte, object) {
            (b',', true) => {
                self.pos += 1;
                Ok(Want::Key)
            }
            (b',', false) => {
                self.pos += 1;
                Ok(Want::Value)
            }
            (b'}', true) | (b']', false) => Ok(self.close()),
            _ => Err(self.unexpected()),
        }
    }

    fn key(&mut self) -> Step<Want> {
        let key = self.string()?.resolve();
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected());
        }
        self.pos += 1;
        let depth = self.levels.len();
        if depth == 1 && self.seen.object {
            self.member = match key.as_ref() {
                "jsonrpc" => Member::Jsonrpc,
                "id" => Member::Id,
                "method" => Member::Method,
                "params" => Member::Params,
                "result" | "error" => Member::Answer,
                _ => Member::Other,
            };
        } else if depth == 2 && self.in_params() && self.seen.params.is_some() {
            self.meta = key == "_meta";
        }
        let from = self.levels.last().map_or(0, |level| level.keys_from);
        if let Some(keys) = self.keys.get(from..).filter(|keys| keys.len() <= FEW_KEYS) {
            self.seen.duplicate |= keys.contains(&key);
        }
        self.keys.push(key);
        Ok(Want::Value)
    }

    fn word(&mut self, word: &str) -> Step<()> {
        if self.text.get(self.pos..).is_some_and(|rest| rest.starts_with(word)) {
            self.pos += word.len();
            return Ok(());
        }
        Err(self.unexpected())
    }

    fn digits(&mut self) -> usize {
        let from = self.pos;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.pos += 1;
        }
        self.pos - from
    }

    fn number(&mut self) -> Step<&'a str> {
        let start = self.pos;
        if self.peek() == Some(b'-') {
            self.pos += 1;
        }
        let zero = self.peek() == Some(b'0');
        let mut digits = self.digits();
        if digits == 0 {
            return Err(self.unexpected());
        }
        if zero && digits > 1 {
            return Err("not json: a number starts with a zero; leave the leading zero out".into());
        }
        let point = self.peek() == Some(b'.');
        if point {
            self.pos += 1;
            digits += self.some_digits()?;
        }
        let exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if exponent {
            self.pos += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.pos += 1;
            }
            digits += self.some_digits()?;
        }
        let text = self.text.get(start..self.pos).unwrap_or_default();
        let whole = !point && !exponent;
        let is_kept = !whole || digits < 19 || text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok();
        if !is_kept || digits > self.limits.number_digits {
            self.flaw(Flaw::Digits);
        } else if exponent && text.parse::<f64>().is_ok_and(f64::is_infinite) {
            self.flaw(Flaw::Number);
        }
        Ok(text)
    }

    fn some_digits(&mut self) -> Step<usize> {
        match self.digits() {
            0 => Err(self.unexpected()),
            digits => Ok(digits),
        }
    }

    /// Steps over a string; what is between the quotes comes back as it stands.
    fn string(&mut self) -> Step<Raw<'a>> {
        self.pos += 1;
        let start = self.pos;
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(self.pos..).unwrap_or_default();
            let plain = rest.iter().position(|b| *b == b'"' || *b == b'\\' || *b < 0x20);
            self.pos += plain.unwrap_or(rest.len());
            match self.peek() {
                Some(b'"') => {
                    let text = self.text.get(start..self.pos).unwrap_or_default();
                    self.pos += 1;
                    return Ok(Raw { text, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err("not json: a control character in a string; escape it, as in \\n".into()),
                None => return Err(self.unexpected()),
            }
        }
    }

    fn escape(&mut self) -> Step<()> {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        match rest.get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.pos += 2;
                return Ok(());
            }
            Some(b'u') => {}
            _ => {
                return Err(
                    "not json: an unknown escape in a string; json knows \\n, \\\", \\uXXXX and a few more".into()
                );
            }
        }
        let Some(unit) = code_unit(rest) else {
            return Err("not json: \\u needs four hexadecimal digits".into());
        };
        self.pos += 6;
        match unit {
            0xD800..=0xDBFF => match self.bytes.get(self.pos..).and_then(code_unit) {
                Some(0xDC00..=0xDFFF) => self.pos += 6,
                _ => self.flaw(Flaw::Surrogate),
            },
            0xDC00..=0xDFFF => self.flaw(Flaw::Surrogate),
            _ => {}
        }
        Ok(())
    }
}
