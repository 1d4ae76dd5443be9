//! What a person may do to the log itself: have another key sign it, take content out of it. Everything else only adds.

use crate::domain::event::{ErasedRecord, Event};
use crate::domain::facts::{Context, Role};
use crate::domain::refusal::{Code, Refusal};

use super::require;

/// Erased in one act; a person still reads what they erase.
pub const ERASE_MAX: usize = 1000;
/// Without these the log could not be checked any more.
const KEPT: [&str; 3] = ["LogKeyChanged", "RecordErased", "StoreRestored"];

pub fn change_key(old: Option<&str>, new: &str, reason: &str, context: &Context) -> Result<Vec<Event>, Refusal> {
    require(context, &[Role::Operator], "changing the key of the log")?;
    if old == Some(new) {
        return Ok(Vec::new());
    }
    let (old, new) = (old.map(str::to_owned), new.to_owned());
    Ok(vec![Event::LogKeyChanged { old, new, reason: reason.to_owned() }])
}

pub fn erase(records: &[ErasedRecord], reason: &str, context: &Context) -> Result<Vec<Event>, Refusal> {
    require(context, &[Role::Operator], "erasing records")?;
    if reason.trim().is_empty() {
        let message = "erasing needs a reason: it stays in the log in place of what goes";
        return Err(Refusal::new(Code::BadArguments, message, "say why with `--reason`"));
    }
    if records.len() > ERASE_MAX {
        let message = format!("{} records are more than the {ERASE_MAX} that go at once", records.len());
        return Err(Refusal::new(Code::TooMany, message, "erase them in several acts"));
    }
    if let Some(kept) = records.iter().find(|record| KEPT.contains(&record.kind.as_str())) {
        let message = format!("record {} is a {}, without which the log could not be checked", kept.seq, kept.kind);
        return Err(Refusal::new(Code::WrongState, message, "leave it out"));
    }
    if records.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![Event::RecordErased { records: records.to_vec(), reason: reason.to_owned() }])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::domain::facts::{Caller, Settings};
    use crate::domain::ids::{AgentName, Time};

    fn context(role: Role) -> Context {
        let caller = Caller { agent: AgentName("ana".to_owned()), role, capabilities: BTreeSet::new(), claims: 1 };
        Context { now: Time(0), caller, settings: Arc::new(Settings::default()) }
    }

    fn record(kind: &str) -> ErasedRecord {
        ErasedRecord { seq: 3, kind: kind.to_owned(), at: Time(0), task: None }
    }

    #[test]
    fn only_an_operator_erases_and_never_what_the_log_is_checked_by() {
        let many = vec![record("TaskClaimed"); ERASE_MAX + 1];
        let table = [
            (Role::Operator, vec![record("TaskClaimed")], "asked to", "done"),
            (Role::Agent, vec![record("TaskClaimed")], "asked to", "role_required"),
            (Role::Approver, vec![record("TaskClaimed")], "asked to", "role_required"),
            (Role::Operator, vec![record("TaskClaimed")], " ", "bad_arguments"),
            (Role::Operator, vec![record("RecordErased")], "asked to", "wrong_state"),
            (Role::Operator, vec![record("LogKeyChanged")], "asked to", "wrong_state"),
            (Role::Operator, many, "asked to", "too_many"),
            (Role::Operator, Vec::new(), "asked to", "nothing"),
        ];
        for (role, records, reason, wanted) in table {
            let told = match erase(&records, reason, &context(role)) {
                Ok(events) if events.is_empty() => "nothing",
                Ok(_) => "done",
                Err(refusal) => refusal.code.word(),
            };
            assert_eq!(told, wanted);
        }
    }

    #[test]
    fn a_key_is_changed_by_an_operator_and_only_for_another() {
        assert!(change_key(Some("a"), "b", "lost", &context(Role::Agent)).is_err());
        assert_eq!(change_key(Some("a"), "b", "lost", &context(Role::Operator)).unwrap().len(), 1);
        assert_eq!(change_key(Some("a"), "a", "lost", &context(Role::Operator)).unwrap().len(), 0);
    }
}
