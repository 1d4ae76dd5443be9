//! Prompts a person can pick in their client: start a task, resume one, hand one over.

use rmcp::ErrorData;
use rmcp::model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role};
use serde_json::Value;

use super::server::invalid;

pub fn all() -> Vec<Prompt> {
    let argument = |name: &str, description: &str| {
        vec![PromptArgument::new(name).with_description(description).with_required(false)]
    };
    vec![
        Prompt::new(
            "start",
            Some("Take up a piece of work"),
            Some(argument("title", "What to do; left out: the next ready task")),
        ),
        Prompt::new(
            "resume",
            Some("Go on with a task where it was left"),
            Some(argument("task", "Such as T-12; left out: yours")),
        ),
        Prompt::new("hand_over", Some("Leave a task so that another can go on"), None::<Vec<PromptArgument>>),
    ]
}

pub fn get(name: &str, arguments: Option<&JsonObject>) -> Result<GetPromptResult, ErrorData> {
    if let Some(prompt) = all().iter().find(|prompt| prompt.name == name) {
        fit(prompt, arguments)?;
    }
    let given = |key: &str| {
        let text = arguments.and_then(|arguments| arguments.get(key)).and_then(Value::as_str);
        text.map(str::trim).filter(|text| !text.is_empty())
    };
    let text = match name {
        "start" => match given("title") {
            Some(title) => {
                let call = serde_json::json!({ "new": { "title": title.chars().take(200).collect::<String>() } });
                format!("Call claim_task with {call}. {LOOP}")
            }
            None => format!("Call claim_task without arguments to get the next ready task. {LOOP}"),
        },
        "resume" => match given("task") {
            Some(task) => {
                let call = serde_json::json!({ "id": task });
                format!("Call claim_task with {call}. Read its checkpoint and last progress first. {LOOP}")
            }
            None => format!("Call claim_task without arguments: it gives back the brief of the task you hold. {LOOP}"),
        },
        "hand_over" => HAND_OVER.to_owned(),
        _ => {
            let shown: String = name.chars().take(80).collect();
            return Err(invalid(format!("there is no prompt `{shown}`; prompts/list shows what there is")));
        }
    };
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]))
}

/// What is left out is no matter, what cannot be meant is.
fn fit(prompt: &Prompt, arguments: Option<&JsonObject>) -> Result<(), ErrorData> {
    for (key, value) in arguments.into_iter().flatten() {
        let shown: String = key.chars().take(80).collect();
        if !takes(prompt, key) {
            let known: Vec<&str> = prompt.arguments.iter().flatten().map(|argument| argument.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(invalid(format!("the prompt `{}` has no argument `{shown}`; it takes: {known}", prompt.name)));
        }
        if !value.is_string() {
            return Err(invalid(format!("the argument `{shown}` of the prompt `{}` is no text", prompt.name)));
        }
    }
    Ok(())
}

pub fn takes(prompt: &Prompt, argument: &str) -> bool {
    prompt.arguments.iter().flatten().any(|known| known.name == argument)
}

const LOOP: &str = "Work within what the brief says is open. Hand in what the phase asks for with submit_artifact, then call \
                    transition_phase; where something is missing it says what and how. Go on until the task is done.";

const HAND_OVER: &str = "Save what the next agent needs with update_task {\"checkpoint\": {…}}: what is done, what is left, what \
                         was tried and failed, and the very next step. Then update_task {\"release\": \"handed over\"}.";
