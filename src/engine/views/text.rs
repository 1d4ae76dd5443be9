//! The board as lines of text: what needs looking at, in the order in which it does. Colours and keys are not here.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::domain::session::Guard;
use crate::domain::spending::dollars;
use crate::domain::task::Status;
use crate::domain::view::{Board, Card};

use super::{one_line, shortened};

/// Of each status.
const ROWS: usize = 20;

pub fn board(board: &Board) -> String {
    let mut text = String::new();
    let total: Vec<String> = board.counts.iter().map(|(status, count)| format!("{count} {}", status.word())).collect();
    let _ = write!(text, "{}", if total.is_empty() { "No tasks yet.".to_owned() } else { total.join(", ") });
    if board.micro_usd_today > 0 {
        let _ = write!(text, "; {} today", dollars(board.micro_usd_today));
    }
    text.push('\n');
    let mut by_status: BTreeMap<Status, Vec<&Card>> = BTreeMap::new();
    for card in board.columns.iter().flat_map(|column| &column.cards) {
        by_status.entry(card.row.status).or_default().push(card);
    }
    for status in [Status::Claimed, Status::Blocked, Status::Ready, Status::Waiting, Status::Failed] {
        let Some(mut cards) = by_status.remove(&status) else { continue };
        cards.sort_by_key(|card| card.row.id);
        let _ = writeln!(text, "\n{}", status.word().to_uppercase());
        for card in cards.iter().take(ROWS) {
            let _ = writeln!(text, "{}", line(card, board));
        }
        let shown = u64::try_from(ROWS.min(cards.len())).unwrap_or(0);
        let more = board.counts.get(&status).copied().unwrap_or(0).saturating_sub(shown);
        if more > 0 {
            let _ = writeln!(text, "  … and {more} more");
        }
    }
    bypasses(&mut text, board);
    unguarded(&mut text, board);
    waiting(&mut text, board);
    text
}

fn line(card: &Card, board: &Board) -> String {
    let row = &card.row;
    let mut text =
        format!("  {:<7} {:<44} {}/{}", row.id.to_string(), shortened(&row.title, 44), row.workflow, row.phase);
    if let Some(agent) = &row.agent {
        let left = row.lease_until.map_or(0, |until| board.at.seconds_until(until));
        let _ = write!(text, "  {agent}, lease {left} s");
    }
    if !card.account.spent.is_nothing() {
        let _ = write!(text, "  {}", dollars(card.account.spent.micro_usd));
    }
    if let Some(percent) = card.near_its_end() {
        let _ = write!(text, "  {percent} % of its budget");
    }
    if !row.waiting_on.is_empty() {
        let _ = write!(text, "  waits for {}", crate::domain::decide::words(row.waiting_on.iter()));
    }
    if !row.blocked_by.is_empty() {
        let _ = write!(text, "  {}", one_line(&row.blocked_by.join("; ")));
    }
    if !card.approvals.is_empty() {
        let _ = write!(text, "  a person is asked: {}", crate::domain::decide::words(card.approvals.iter()));
    }
    text
}

fn bypasses(text: &mut String, board: &Board) {
    for open in &board.bypasses {
        let left = (board.at.seconds_until(open.until) + 59) / 60;
        let rules = one_line(&open.rules.join(", "));
        let only = open.task.map(|task| format!(" for {task}")).unwrap_or_default();
        let _ = writeln!(text, "\nBYPASS {} OPEN{only}, {left} min left: {rules} ({})", open.id, open.by);
    }
}

/// What works here and is not held by hooks that block.
fn unguarded(text: &mut String, board: &Board) {
    let weak = board.sessions.iter().filter(|session| session.guard != Guard::Enforced);
    let mut lines: Vec<String> = weak
        .map(|session| {
            let why = shortened(&session.why, 70);
            format!("  {:<24} {} ({why})", shortened(&session.agent.0, 24), session.guard.word())
        })
        .collect();
    lines.extend(
        board
            .blind
            .iter()
            .map(|agent| format!("  {:<24} blind (no hook of its client has shown itself)", shortened(&agent.0, 24))),
    );
    if !lines.is_empty() {
        let _ = writeln!(text, "\nNOT GUARDED");
    }
    for line in lines.iter().take(2 * ROWS) {
        let _ = writeln!(text, "{line}");
    }
}

fn waiting(text: &mut String, board: &Board) {
    if board.waiting.asks.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nWAITING FOR A PERSON");
    for ask in &board.waiting.asks {
        let task = ask.task.map(|task| task.to_string()).unwrap_or_default();
        let _ = writeln!(text, "  {:<7} {:<7} {}", ask.approval.to_string(), task, shortened(&ask.ask, 60));
    }
}
