//! Every test that is not inline, in one binary. `tidy` fails when a file of this folder is not named here.
#![allow(
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests start programs, read clocks, and fail by panicking"
)]

mod approvals;
mod approvals_shown;
mod approvals_ways;
mod audit_query;
mod before_asking;
mod board_tui;
mod budgets;
mod claims_at_once;
mod command_line;
mod confinement;
mod context;
mod credentials;
mod decisions;
mod decisions_gates;
mod dialogs;
mod examples;
mod faults;
mod frames;
mod fuzzish;
mod gates_files;
mod gates_run;
mod guarded;
mod history;
mod hook;
mod http_edge;
mod http_identity;
mod http_inbox;
mod http_metrics;
mod http_rest;
mod http_rest_events;
mod http_straight;
mod http_tls;
mod init;
mod learning;
mod long_answers;
mod migrate;
mod model;
mod notify;
mod outcomes;
mod phase_tokens;
mod policy_command;
mod postgres_pooler;
mod postgres_reach;
mod postgres_tls;
mod protocol;
mod publishing;
mod refusals;
mod routes;
mod routing_command;
mod savings;
mod screening;
mod screening_service;
mod sealing;
mod self_approval;
mod shell_differential;
mod spenders;
mod spending;
mod stdio_limits;
mod stdio_process;
mod store_contract;
mod submissions;
mod support;
mod surface;
mod surface_stores;
mod tamper;
mod tidy;
mod token_counts;
mod traces;
mod two_stores;
mod used_approvals;
mod views;
mod workflow_of_a_task;
mod worktree;
