//! What a transaction has asked ahead of wanting it, and what of that is still so. Sending is `tx`'s.

use std::collections::VecDeque;

use crate::store::{Ask, Body, Dialect, EachRow, Lasts, Param, Row, RowLock, StoreError, Tx, lock};

/// A value that is kept until its statement is sent, or its answer wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum Owned {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl Owned {
    pub fn of(param: Param<'_>) -> Self {
        match param {
            Param::Null => Self::Null,
            Param::Int(int) => Self::Int(int),
            Param::Text(text) => Self::Text(text.to_owned()),
            Param::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }

    pub fn param(&self) -> Param<'_> {
        match self {
            Self::Null => Param::Null,
            Self::Int(int) => Param::Int(*int),
            Self::Text(text) => Param::Text(text),
            Self::Blob(bytes) => Param::Blob(bytes),
        }
    }
}

/// The text of a statement that reads, with the lock it takes.
pub fn text(sql: &str, lock: Option<RowLock>) -> String {
    match lock {
        None => sql.to_owned(),
        Some(RowLock::Wait) => format!("{sql} FOR UPDATE"),
        Some(RowLock::Skip) => format!("{sql} FOR UPDATE SKIP LOCKED"),
    }
}

/// A question on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub sql: String,
    pub given: Vec<Owned>,
    pub lasts: Lasts,
    /// The text of which this is the answer, where another was sent for many.
    pub sent: Option<String>,
}

impl Asked {
    pub fn of(ask: &Ask<'_>, writes: bool) -> Self {
        let sql = text(ask.sql, ask.lock.filter(|_| writes));
        Self { sql, given: ask.params.iter().copied().map(Owned::of).collect(), lasts: ask.lasts, sent: None }
    }

    pub fn params(&self) -> Vec<Param<'_>> {
        self.given.iter().map(Owned::param).collect()
    }
}

/// Hears what a body asks ahead, and ends it there.
#[derive(Default)]
struct Listener(Vec<Asked>);

impl Tx for Listener {
    fn execute(&mut self, _sql: &str, _params: &[Param<'_>]) -> Result<u64, StoreError> {
        Err(StoreError::Overtaken)
    }

    fn query(&mut self, _sql: &str, _params: &[Param<'_>], _each: EachRow<'_>) -> Result<(), StoreError> {
        Err(StoreError::Overtaken)
    }

    fn ahead(&mut self, asks: &[Ask<'_>]) -> Result<(), StoreError> {
        self.0 = asks.iter().map(|ask| Asked::of(ask, true)).collect();
        Err(StoreError::Overtaken)
    }

    fn dialect(&self) -> &'static Dialect {
        &lock::POSTGRES
    }
}

/// What is asked once for several commands.
#[derive(Default)]
pub struct Common {
    pub asks: Vec<Asked>,
    /// Each of another value; of most there is no row.
    pub rare: Vec<Asked>,
}

/// What bodies will ask first.
pub fn in_common<'b>(bodies: impl Iterator<Item = &'b mut Body>) -> Common {
    let Common { mut asks, mut rare } = Common::default();
    let mut shares: usize = 0;
    for body in bodies {
        let mut listener = Listener::default();
        // It is stopped where it asks, and carried out later.
        let _ = body(&mut listener);
        for asked in listener.0 {
            let known = match asked.lasts {
                Lasts::UntilWritten => continue,
                // They are looked for with one statement.
                Lasts::WhileNone(_) if rare.first().is_some_and(|first: &Asked| first.lasts != asked.lasts) => continue,
                Lasts::WhileNone(_) => &mut rare,
                Lasts::OneEach => {
                    shares += 1;
                    &mut asks
                }
                Lasts::Throughout => &mut asks,
            };
            if !known.contains(&asked) {
                known.push(asked);
            }
        }
    }
    // One who wants others than the rest might be given the same row as they.
    let kinds = asks.iter().filter(|asked| asked.lasts == Lasts::OneEach).count();
    asks.retain(|asked| asked.lasts != Lasts::OneEach || kinds == 1);
    for asked in asks.iter_mut().filter(|asked| asked.lasts == Lasts::OneEach) {
        asked.sent = Some(asked.sql.replacen(" LIMIT 1 FOR", &format!(" LIMIT {shares} FOR"), 1));
    }
    Common { asks, rare }
}

impl Common {
    /// Which of the rare ones have rows.
    pub fn probe(&self) -> Option<Asked> {
        let (Lasts::WhileNone(sql), values) = (self.rare.first()?.lasts, self.rare.len().next_power_of_two()) else {
            return None;
        };
        let mut given: Vec<Owned> = self.rare.iter().flat_map(|asked| asked.given.iter().take(1).cloned()).collect();
        // Few numbers of values, so that few statements are kept.
        given.resize(values, given.last()?.clone());
        let places: Vec<String> = (1..=values).map(|place| format!("?{place}")).collect();
        let sql = format!("{sql} IN ({})", places.join(", "));
        Some(Asked { sql, given, lasts: Lasts::UntilWritten, sent: None })
    }
}

struct Answer<R> {
    asked: Asked,
    rows: VecDeque<R>,
}

impl<R> Answer<R> {
    fn is_of(&self, sql: &str, given: &[Param<'_>]) -> bool {
        let same = || self.asked.given.iter().zip(given).all(|(known, given)| *known == Owned::of(*given));
        self.asked.sql == sql && self.asked.given.len() == given.len() && same()
    }

    /// Nothing more to give: it has to be asked again.
    fn is_used_up(&self) -> bool {
        self.asked.lasts == Lasts::OneEach && self.rows.is_empty()
    }
}

/// Answers, and for whom.
pub struct Answers<R> {
    /// Of the command that is carried out, until it writes.
    own: Vec<Answer<R>>,
    /// Of all commands of the transaction.
    shared: Vec<Answer<R>>,
}

impl<R> Default for Answers<R> {
    fn default() -> Self {
        Self { own: Vec::new(), shared: Vec::new() }
    }
}

impl<R: Row> Answers<R> {
    pub fn written(&mut self) {
        self.own.clear();
    }

    /// Rows that nobody else has were looked for once more: what is still to be given out may be among them.
    pub fn looked_for_more(&mut self) {
        self.shared.retain(|answer| answer.asked.lasts != Lasts::OneEach);
    }

    pub fn knows(&self, asked: &Asked) -> bool {
        self.shared
            .iter()
            .any(|answer| answer.asked.sql == asked.sql && answer.asked.given == asked.given && !answer.is_used_up())
    }

    pub fn keep(&mut self, asked: Asked, rows: Vec<R>) {
        self.own.push(Answer { asked, rows: rows.into() });
    }

    pub fn share(&mut self, asked: Asked, rows: Vec<R>) {
        let lasts = match asked.lasts {
            Lasts::UntilWritten => false,
            Lasts::WhileNone(_) => rows.is_empty(),
            Lasts::Throughout | Lasts::OneEach => true,
        };
        if lasts {
            self.shared.push(Answer { asked, rows: rows.into() });
        }
    }

    /// Those that a probe found no rows of.
    pub fn share_none(&mut self, rare: Vec<Asked>, found: &[R]) -> Result<(), StoreError> {
        let texts = found.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
        let has_rows =
            |asked: &Asked| matches!(asked.given.first(), Some(Owned::Text(text)) if texts.contains(&Some(text)));
        for asked in rare.into_iter().filter(|asked| !has_rows(asked)) {
            self.share(asked, Vec::new());
        }
        Ok(())
    }

    /// Nothing where it is not known.
    pub fn tell(&mut self, sql: &str, given: &[Param<'_>], each: EachRow<'_>) -> Option<Result<(), StoreError>> {
        if let Some(place) = self.own.iter().position(|known| known.is_of(sql, given)) {
            return Some(self.own.swap_remove(place).rows.iter().try_for_each(|row| each(row)));
        }
        let known = self.shared.iter_mut().find(|known| known.is_of(sql, given) && !known.is_used_up())?;
        if known.asked.lasts == Lasts::OneEach {
            return known.rows.pop_front().map(|row| each(&row));
        }
        Some(known.rows.iter().try_for_each(|row| each(row)))
    }
}
