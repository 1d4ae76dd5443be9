//! What real counts of tokens say of estimated ones, one row a model. How they are put together is not said here.

use crate::domain::context::TokenFactor;
use crate::domain::ids::{AgentName, Time};

use super::{Backend, Lock, Param, Row, StoreError, Tx, spending};

fn of_row(row: &dyn Row) -> Result<TokenFactor, StoreError> {
    let whole = |column| -> Result<u64, StoreError> {
        Ok(row.int(column)?.and_then(|sum| u64::try_from(sum).ok()).unwrap_or(0))
    };
    let model = row.text(0)?.unwrap_or_default().to_owned();
    let at = Time(row.int(4)?.unwrap_or(0));
    Ok(TokenFactor { model, pairs: whole(1)?, estimated: whole(2)?, counted: whole(3)?, at })
}

pub fn factor(tx: &mut dyn Tx, model: &str) -> Result<Option<TokenFactor>, StoreError> {
    let mut found = None;
    let sql = "SELECT model, pairs, estimated, counted, at FROM token_factors WHERE model = ?1";
    tx.query(sql, &[Param::Text(model)], &mut |row| {
        found = Some(of_row(row)?);
        Ok(())
    })?;
    Ok(found)
}

pub fn all(tx: &mut dyn Tx) -> Result<Vec<TokenFactor>, StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT model, pairs, estimated, counted, at FROM token_factors ORDER BY model";
    tx.query(sql, &[], &mut |row| {
        found.push(of_row(row)?);
        Ok(())
    })?;
    Ok(found)
}

pub fn put(tx: &mut dyn Tx, known: &TokenFactor) -> Result<(), StoreError> {
    let sql = "INSERT INTO token_factors(model, pairs, estimated, counted, at) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT(model) DO UPDATE SET pairs = excluded.pairs, estimated = excluded.estimated, \
               counted = excluded.counted, at = excluded.at";
    let sums = [known.pairs, known.estimated, known.counted].map(Param::id);
    let row = [[Param::Text(&known.model)].as_slice(), &sums, &[Param::Int(known.at.0)]].concat();
    tx.execute(sql, &row).map(drop)
}

/// What is known of one model, or of all, goes; gives how many went.
pub fn forget(backend: &dyn Backend, model: Option<String>) -> Result<u64, StoreError> {
    let gone = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = std::sync::Arc::clone(&gone);
    let body = move |tx: &mut dyn Tx| {
        let done = match &model {
            Some(model) => tx.execute("DELETE FROM token_factors WHERE model = ?1", &[Param::Text(model)])?,
            None => tx.execute("DELETE FROM token_factors", &[])?,
        };
        count.store(done, std::sync::atomic::Ordering::SeqCst);
        Ok(())
    };
    backend.write(Lock::named([spending::COUNTED.to_owned()]), Box::new(body))?;
    Ok(gone.load(std::sync::atomic::Ordering::SeqCst))
}

/// The model that answered an agent last, as far as its transcripts were read.
pub fn model_of(tx: &mut dyn Tx, agent: &AgentName) -> Result<Option<String>, StoreError> {
    let mut found = None;
    let sql = "SELECT model FROM spending WHERE agent = ?1 ORDER BY id DESC LIMIT 1";
    tx.query(sql, &[Param::Text(&agent.0)], &mut |row| {
        found = row.text(0)?.map(str::to_owned);
        Ok(())
    })?;
    Ok(found)
}
