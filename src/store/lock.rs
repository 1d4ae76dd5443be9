//! What a write keeps others from, and what a row that is read for a decision is held by. In SQLite there is one writer at a
//! time, and both say nothing. No write takes a weaker lock first and a stronger one later.

/// Taken before anything is read, names in one order, so that no two wait for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Nobody else writes to the workspace meanwhile.
    Whole,
    /// Others write too. What is named here is nobody else's meanwhile; rows that decide are locked as they are read:
    /// tasks before leases, leases before accounts, accounts upwards.
    Beside(Vec<String>),
    /// The same, of a command that takes no number and waits for no account: it may be committed with others like it. It
    /// begins by saying what it will ask (`Tx::ahead`), and is carried out that far twice.
    Together(Vec<String>),
}

impl Lock {
    /// Others write too, and no name is needed: rows say all.
    pub const ROWS: Self = Self::Beside(Vec::new());

    pub fn named(names: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_unstable();
        Self::Beside(names)
    }
}

/// Of a row that is read in a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowLock {
    /// Waits for whoever has it.
    Wait,
    /// Passes over rows that others have.
    Skip,
}

/// Where one text does not serve both kinds of store. All of it is here.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// A record on its way into the log.
    pub put_event: &'static str,
    /// So many tasks more or fewer in one place.
    pub put_count: &'static str,
    /// In a transaction that reads for long, and waits in between.
    pub before_copying: &'static [&'static str],
    /// Where rows came in with the numbers they had.
    pub after_copying: &'static [&'static str],
    /// What goes with the log where all of it goes.
    pub clear_beside: &'static [&'static str],
}

pub const SQLITE: Dialect = Dialect {
    put_event: "INSERT INTO events(at, kind, task, agent, body) VALUES (?1, ?2, ?3, ?4, ?5)",
    put_count: "INSERT INTO task_counts(workflow, phase, status, tasks) VALUES (?1, ?2, ?3, ?4) \
                ON CONFLICT(workflow, phase, status) DO UPDATE SET tasks = task_counts.tasks + excluded.tasks",
    before_copying: &[],
    after_copying: &[],
    clear_beside: &[],
};

/// Commits of different commands must not wait for each other, so numbers of records and sums are made by a pass of their own.
pub const POSTGRES: Dialect = Dialect {
    put_event: "INSERT INTO arrivals(at, kind, task, agent, body) VALUES (?1, ?2, ?3, ?4, ?5)",
    put_count: "INSERT INTO task_counts(workflow, phase, status, tasks) VALUES (?1, ?2, ?3, ?4)",
    before_copying: &["SET LOCAL idle_in_transaction_session_timeout = 0"],
    after_copying: &[
        "SELECT setval(pg_get_serial_sequence('spending', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM spending",
        "SELECT setval(pg_get_serial_sequence('tries', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM tries",
        // Plans are made by what tables hold, and nobody else would tell them for a minute.
        "ANALYZE tasks, task_links, task_labels, events, approvals, handles, blobs, spending, answers, sessions",
    ],
    clear_beside: &["DELETE FROM arrivals"],
};
