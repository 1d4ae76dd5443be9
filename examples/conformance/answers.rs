//! What the fixtures say is answered, as rmcp's types.

use std::io::{Error, Result};

use rmcp::ErrorData;
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, GetPromptResult, JsonObject, ReadResourceResult};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const TEXT: &str = include_str!("fixtures.json");

pub struct Fixtures(Value);

impl Fixtures {
    pub fn read() -> Result<Self> {
        let mut all: Value = serde_json::from_str(TEXT).map_err(Error::other)?;
        let named = all.get_mut("named").map(Value::take).unwrap_or_default();
        put_in(&mut all, &named);
        Ok(Self(all))
    }

    fn of(&self, kind: &str, name: &str) -> Option<&Value> {
        self.0.get(kind)?.get(name)
    }

    pub fn list<T: DeserializeOwned>(&self, kind: &str) -> std::result::Result<Vec<T>, ErrorData> {
        typed(self.0.get(kind).cloned().unwrap_or_default())
    }

    pub fn result(&self, name: &str) -> std::result::Result<CallToolResponse, ErrorData> {
        match self.of("results", name) {
            Some(result) => typed::<CallToolResult>(complete(result.clone())).map(Into::into),
            None if self.0["tools"].as_array().is_some_and(|tools| tools.iter().any(|tool| tool["name"] == name)) => {
                text(&format!("{name} is done"), false)
            }
            None => Err(ErrorData::invalid_params(format!("there is no tool `{name}`"), None)),
        }
    }

    pub fn elicitation(&self, name: &str) -> Value {
        self.of("elicitations", name).cloned().unwrap_or_default()
    }

    pub fn rounds(&self, name: &str) -> Option<&Vec<Value>> {
        self.of("rounds", name)?.as_array()
    }

    pub fn resource(&self, uri: &str) -> std::result::Result<ReadResourceResult, ErrorData> {
        let templated = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data")).map(|id| {
            let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            json!({ "uri": uri, "mimeType": "application/json", "text": data.to_string() })
        });
        let content = templated.or_else(|| self.of("contents", uri).cloned());
        let Some(content) = content else {
            return Err(ErrorData::resource_not_found("there is no such resource", Some(json!({ "uri": uri }))));
        };
        typed(complete(json!({ "contents": [content] })))
    }

    pub fn prompt(
        &self,
        name: &str,
        arguments: Option<&JsonObject>,
    ) -> std::result::Result<GetPromptResult, ErrorData> {
        let Some(messages) = self.of("messages", name) else {
            return Err(ErrorData::invalid_params(format!("there is no prompt `{name}`"), None));
        };
        let mut messages = messages.to_string();
        for (name, value) in arguments.into_iter().flatten() {
            messages = messages.replace(&format!("${name}"), value.as_str().unwrap_or_default());
        }
        let messages: Value = serde_json::from_str(&messages).unwrap_or_default();
        typed(complete(json!({ "messages": messages })))
    }
}

/// What the newest protocol asks of every result; rmcp takes it away for older ones.
fn complete(mut result: Value) -> Value {
    result["resultType"] = json!("complete");
    result
}

/// Puts what is named in place of its name.
fn put_in(value: &mut Value, named: &Value) {
    if let Some(meant) = value.as_str().and_then(|name| named.get(name)) {
        *value = meant.clone();
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| put_in(item, named)),
        Value::Object(fields) => fields.values_mut().for_each(|field| put_in(field, named)),
        _ => {}
    }
}

pub fn typed<T: DeserializeOwned>(value: Value) -> std::result::Result<T, ErrorData> {
    serde_json::from_value(value)
        .map_err(|error| ErrorData::internal_error(format!("a fixture is wrong: {error}"), None))
}

pub fn text(text: &str, failed: bool) -> std::result::Result<CallToolResponse, ErrorData> {
    let content = vec![ContentBlock::text(text)];
    Ok(if failed { CallToolResult::error(content) } else { CallToolResult::success(content) }.into())
}
