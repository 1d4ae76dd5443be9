//! The form of both kinds of store: committed as text beside the other schemas, compared with the list of what is copied from
//! store to store, and reached from every older form without losing a row.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use phasegate::store::copy::{self, Form, TABLES};
use phasegate::store::{Backend, Lock, snapshot};

use crate::over_both_stores;
use crate::support::stores::{self, Kind};
use crate::surface::{generated, root};

over_both_stores!(
    the_committed_form_is_what_the_migrations_make,
    every_table_is_in_the_list_of_what_is_copied,
    rows_of_every_older_form_are_kept,
    every_value_of_every_table_goes_into_the_other_kind_and_back,
);

/// What PostgreSQL needs for its own work and no copy takes along.
const ITS_OWN: [&str; 3] = ["arrivals", "commits", "schema_version"];

#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    name: String,
    form: Form,
    may_be_null: bool,
    in_key: bool,
}

type Tables = BTreeMap<String, Vec<Column>>;

fn psql(folder: &Path, sql: &str) -> String {
    let url = stores::url(folder).unwrap();
    let (server, schema) = url.split_once("?schema=").unwrap();
    let file = folder.join("statements.sql");
    std::fs::write(&file, sql).unwrap();
    let told = Command::new("psql")
        .args(["-X", "-q", "-At", "-1", "-v", "ON_ERROR_STOP=1", "-d", server, "-f", file.to_str().unwrap()])
        .env("PGOPTIONS", format!("--client-min-messages=warning --search_path={schema}"))
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8(told.stdout).unwrap()
}

fn sqlite(folder: &Path) -> rusqlite::Connection {
    let state = folder.join(".phasegate");
    std::fs::create_dir_all(&state).unwrap();
    rusqlite::Connection::open(state.join("phasegate.db")).unwrap()
}

/// Gives statements to the database without any program of ours.
fn by_hand(kind: Kind, folder: &Path, sql: &str) {
    match kind {
        Kind::Sqlite => sqlite(folder).execute_batch(sql).unwrap(),
        Kind::Postgres => drop(psql(folder, sql)),
    }
}

/// The rows of a statement whose values are texts, by the database's own means.
fn told(kind: Kind, folder: &Path, sql: &str) -> Vec<Vec<String>> {
    match kind {
        Kind::Sqlite => {
            let database = sqlite(folder);
            let mut statement = database.prepare(sql).unwrap();
            let width = statement.column_count();
            let row = |row: &rusqlite::Row<'_>| (0..width).map(|at| row.get::<_, String>(at)).collect();
            statement.query_map([], row).unwrap().map(Result::unwrap).collect()
        }
        Kind::Postgres => psql(folder, sql).lines().map(|line| line.split('|').map(str::to_owned).collect()).collect(),
    }
}

/// Tables and their columns, as the database itself says.
fn tables(kind: Kind, folder: &Path) -> Tables {
    let sql = match kind {
        Kind::Sqlite => {
            "SELECT m.name, c.name, c.type, CAST(c.\"notnull\" AS TEXT), CAST(c.pk > 0 AS TEXT) \
             FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table' ORDER BY m.name, c.cid"
        }
        Kind::Postgres => {
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::int, \
             (SELECT count(*) FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY(i.indkey)) \
             FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid \
             WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 \
             AND NOT a.attisdropped ORDER BY c.relname, a.attnum"
        }
    };
    let mut found = Tables::new();
    for row in told(kind, folder, sql) {
        let [table, name, of, not_null, key] = row.try_into().unwrap();
        if ITS_OWN.contains(&table.as_str()) {
            continue;
        }
        let form = match of.to_lowercase().as_str() {
            "integer" | "bigint" => Form::Whole,
            "text" => Form::Text,
            "blob" | "bytea" => Form::Bytes,
            other => panic!("{table}.{name} is of the type {other}, which `store::copy` does not know"),
        };
        let in_key = key == "1";
        found.entry(table).or_default().push(Column { name, form, may_be_null: not_null == "0" && !in_key, in_key });
    }
    found
}

fn place(kind: Kind) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    stores::keep_to(kind, folder.path());
    folder
}

fn every_table_is_in_the_list_of_what_is_copied(kind: Kind) {
    let folder = place(kind);
    drop(stores::open(folder.path()).unwrap());
    let there = tables(kind, folder.path());
    let columns = |columns: Vec<(&str, Form)>| -> BTreeSet<String> {
        columns.iter().map(|(name, form)| format!("{name} {form:?}")).collect()
    };
    let listed: BTreeMap<&str, BTreeSet<String>> =
        TABLES.iter().map(|table| (table.name, columns(table.columns().collect()))).collect();
    let real: BTreeMap<&str, BTreeSet<String>> = there
        .iter()
        .map(|(table, found)| (table.as_str(), columns(found.iter().map(|c| (c.name.as_str(), c.form)).collect())))
        .collect();
    assert_eq!(listed, real, "src/store/copy/tables.rs and the schema differ");
    for table in &TABLES {
        let key: BTreeSet<&str> =
            there[table.name].iter().filter(|column| column.in_key).map(|column| column.name.as_str()).collect();
        // Sums have no key in PostgreSQL: they are made when they are read.
        if table.name != "task_counts" || kind == Kind::Sqlite {
            assert_eq!(BTreeSet::from_iter(table.names()[..table.key].iter().copied()), key, "key of {}", table.name);
        }
    }
}

/// A value of its own for each column and row: some are not there where that may be, texts are of more than one alphabet.
fn value(table: &str, column: &Column, row: usize) -> String {
    match (column.form, column.name.as_str()) {
        _ if column.may_be_null && row == 3 => "NULL".to_owned(),
        (Form::Whole, "is_default" | "cancelled" | "closed" | "open") => "1".to_owned(),
        (Form::Whole, _) => format!("{}", row * 7),
        (Form::Text, "body") => format!("{{\"phase\":\"p{row}\",\"text\":\"Ärger {row} 日本 \\u0001\"}}"),
        // An answered one has lost when it runs out, which is as it should be.
        (Form::Text, "state") if table == "approvals" => "pending".to_owned(),
        (Form::Text, name) => format!("{name} {row} _Ü%"),
        (Form::Bytes, _) => format!("{row:02x}00ff"),
    }
}

fn insert(kind: Kind, table: &str, columns: &[Column], values: &[String]) -> String {
    let literal = |(column, value): (&Column, &String)| match (value.as_str(), column.form, kind) {
        ("NULL", _, _) => "NULL".to_owned(),
        (value, Form::Whole, _) => value.to_owned(),
        (value, Form::Text, _) => format!("'{value}'"),
        (value, Form::Bytes, Kind::Sqlite) => format!("x'{value}'"),
        (value, Form::Bytes, Kind::Postgres) => format!("'\\x{value}'"),
    };
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let literals: Vec<String> = columns.iter().zip(values).map(literal).collect();
    format!("INSERT INTO {table}({}) VALUES ({});\n", names.join(", "), literals.join(", "))
}

/// Rows for every table, and the statements that put them there.
fn filling(kind: Kind, tables: &Tables) -> (BTreeMap<String, Vec<Vec<String>>>, String) {
    let (mut rows, mut sql) = (BTreeMap::new(), String::new());
    for (table, columns) in tables {
        for row in 1..=3 {
            let values: Vec<String> = columns.iter().map(|column| value(table, column, row)).collect();
            sql.push_str(&insert(kind, table, columns, &values));
            rows.entry(table.clone()).or_insert_with(Vec::new).push(values);
        }
    }
    (rows, sql)
}

fn read(backend: &dyn Backend, table: &str, columns: &[Column]) -> Vec<Vec<String>> {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let sql = format!("SELECT {} FROM {table}", names.join(", "));
    snapshot(backend, |tx| {
        let mut found = Vec::new();
        tx.query(&sql, &[], &mut |row| {
            let value = |(at, column): (usize, &Column)| match column.form {
                Form::Whole => row.int(at).unwrap().map(|int| int.to_string()),
                Form::Text => row.text(at).unwrap().map(str::to_owned),
                Form::Bytes => row.blob(at).unwrap().map(|bytes| bytes.iter().map(|b| format!("{b:02x}")).collect()),
            };
            found.push(columns.iter().enumerate().map(|c| value(c).unwrap_or_else(|| "NULL".to_owned())).collect());
            Ok(())
        })?;
        Ok(found)
    })
    .unwrap()
}

fn all_there(backend: &dyn Backend, tables: &Tables, rows: &BTreeMap<String, Vec<Vec<String>>>, when: &str) {
    for (table, columns) in tables {
        let found = read(backend, table, columns);
        for row in &rows[table] {
            assert!(found.contains(row), "{when}: {table} lost {row:?}; it has {found:?}");
        }
    }
}

fn migrations(kind: Kind) -> Vec<String> {
    let kind = if kind == Kind::Sqlite { "sqlite" } else { "postgres" };
    let folder = root().join("src/store/migrations").join(kind);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

/// The form of each version, with rows in every table that it has, opened by this version.
fn rows_of_every_older_form_are_kept(kind: Kind) {
    let all = migrations(kind);
    for version in 1..=all.len() {
        let folder = place(kind);
        let mut sql = all[..version].concat();
        if kind == Kind::Sqlite {
            write!(sql, "PRAGMA user_version = {version};").unwrap();
        } else {
            let url = stores::url(folder.path()).unwrap();
            let schema = url.split_once("?schema=").unwrap().1;
            sql = format!(
                "CREATE SCHEMA {schema}; {sql} CREATE TABLE schema_version(version BIGINT NOT NULL); \
                 INSERT INTO schema_version VALUES ({version});"
            );
        }
        by_hand(kind, folder.path(), &sql);
        let tables = tables(kind, folder.path());
        let (rows, sql) = filling(kind, &tables);
        by_hand(kind, folder.path(), &sql);
        let backend = stores::open(folder.path()).unwrap();
        all_there(backend.as_ref(), &tables, &rows, &format!("version {version}"));
    }
}

fn every_value_of_every_table_goes_into_the_other_kind_and_back(kind: Kind) {
    let other = if kind == Kind::Sqlite { Kind::Postgres } else { Kind::Sqlite };
    let (here, there, back) = (place(kind), place(other), place(kind));
    drop(stores::open(here.path()).unwrap());
    let tables = tables(kind, here.path());
    let (rows, sql) = filling(kind, &tables);
    by_hand(kind, here.path(), &sql);
    let open = |folder: &tempfile::TempDir| stores::open(folder.path()).unwrap();
    let (first, second, third) = (open(&here), open(&there), open(&back));
    copied(first.as_ref(), second.as_ref());
    all_there(second.as_ref(), &tables, &rows, "on the way out");
    copied(second.as_ref(), third.as_ref());
    all_there(third.as_ref(), &tables, &rows, "on the way back");
    for table in &TABLES {
        let digest = |of: &dyn Backend| snapshot(of, |tx| copy::digest(tx, table, &mut |_| {})).unwrap();
        assert_eq!(digest(first.as_ref()), digest(second.as_ref()), "{}", table.name);
        assert_eq!(digest(first.as_ref()), digest(third.as_ref()), "{}", table.name);
    }
    // The next number is one that nobody has.
    let sql = "INSERT INTO spending(task, phase, agent, session, model, calls, input, cache_write, cache_write_long, cache_read, \
               output, micro_usd, guessed_micro_usd) VALUES (99, '', '', '', '', 0, 0, 0, 0, 0, 0, 0, 0)";
    second.write(Lock::Whole, Box::new(|tx| tx.execute(sql, &[]).map(drop))).unwrap();
}

fn copied(from: &dyn Backend, to: &dyn Backend) {
    snapshot(from, |from| {
        let mut batches = Vec::new();
        for table in &TABLES {
            let batch = copy::Reader::new(table, None).next(from)?;
            assert!(!batch.more, "{} has few rows", table.name);
            batches.push((table, batch));
        }
        let body = move |to: &mut dyn phasegate::store::Tx| {
            copy::clear(to)?;
            batches.iter().try_for_each(|(table, batch)| copy::write(to, table, &batch.rows))?;
            copy::end(to)
        };
        to.write(Lock::Whole, Box::new(body))
    })
    .unwrap();
}

fn the_committed_form_is_what_the_migrations_make(kind: Kind) {
    let folder = place(kind);
    drop(stores::open(folder.path()).unwrap());
    let (name, text) = match kind {
        Kind::Sqlite => ("store.sqlite.sql", form_in_sqlite(folder.path())),
        Kind::Postgres => ("store.postgres.sql", form_in_postgres(folder.path())),
    };
    generated(&root().join("schemas").join(name), &text);
}

const HEAD: &str =
    "-- What the migrations make, as the database tells it: PHASEGATE_UPDATE=1 cargo test --test it surface\n";

fn form_in_sqlite(folder: &Path) -> String {
    let sql = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name";
    told(Kind::Sqlite, folder, sql).concat().iter().fold(HEAD.to_owned(), |text, sql| format!("{text}\n{sql};\n"))
}

fn form_in_postgres(folder: &Path) -> String {
    let mut text = HEAD.to_owned();
    let columns = "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) \
         || coalesce(' COLLATE \"' || l.collname || '\"', '') \
         || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END \
         || CASE a.attidentity WHEN 'a' THEN ' GENERATED ALWAYS AS IDENTITY' WHEN 'd' THEN ' GENERATED BY DEFAULT AS IDENTITY' \
            ELSE coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') END \
         FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid \
         LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum \
         LEFT JOIN pg_collation AS l ON l.oid = a.attcollation \
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped \
         ORDER BY c.relname COLLATE \"C\", a.attnum";
    let rest = "SELECT * FROM (SELECT i.tablename::text AS tabled, replace(i.indexdef, i.schemaname || '.', '') AS made \
         FROM pg_indexes AS i WHERE i.schemaname = current_schema() \
         UNION ALL SELECT c.relname::text, 'ALTER TABLE ' || c.relname || ' ADD ' || pg_get_constraintdef(o.oid) \
         FROM pg_constraint AS o JOIN pg_class AS c ON c.oid = o.conrelid \
         WHERE c.relnamespace = current_schema()::regnamespace AND o.contype <> 'n') AS more \
         ORDER BY tabled COLLATE \"C\", made COLLATE \"C\"";
    let mut tables: BTreeMap<String, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for row in told(Kind::Postgres, folder, columns) {
        tables.entry(row[0].clone()).or_default().0.push(format!("  {} {}", row[1], row[2]));
    }
    for row in told(Kind::Postgres, folder, rest) {
        tables.entry(row[0].clone()).or_default().1.push(row[1].clone());
    }
    for (table, (columns, rest)) in tables {
        write!(text, "\nCREATE TABLE {table}(\n{}\n);\n", columns.join(",\n")).unwrap();
        rest.iter().for_each(|line| writeln!(text, "{line};").unwrap());
    }
    text
}
