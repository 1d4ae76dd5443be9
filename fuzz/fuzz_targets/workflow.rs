//! A workflow file: never a panic; a refusal says where, and what is read survives being stored.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phasegate::config::workflow_file;
use phasegate::domain::canonical;
use phasegate::domain::workflow::Workflow;

fuzz_target!(|text: &str| {
    let mut none = |_: &str| Err("there is no such file".to_owned());
    match workflow_file::read(text, &mut none) {
        Ok(workflow) => {
            let body = serde_json::to_string(&workflow).expect("a workflow is json");
            let again: Workflow = serde_json::from_str(&body).expect("and reads back");
            assert_eq!(canonical::hash(&again), canonical::hash(&workflow));
        }
        Err(problems) => {
            assert!(!problems.is_empty() && problems.iter().all(|problem| problem.line > 0 && problem.column > 0));
        }
    }
});
