//! Results of Claude Code's tools: where the text stands that its model reads. Another result must have the tool's own shape,
//! else the client drops it without a word (seen with 2.1.329), so only this text is ever changed.

use serde_json::Value;

pub fn text_at(tool: &str, result: &Value) -> Option<&'static str> {
    let is = |key: &str| result.get(key).is_some_and(|value| !value.is_null() && *value != Value::Bool(false));
    match tool {
        // Long output goes to a file, and the model gets a short preview, which is less than would be left of it here. A
        // command that still runs, that was broken off or that drew a picture has no whole text.
        "Bash" => {
            let other = ["interrupted", "isImage", "backgroundTaskId", "persistedOutputPath"];
            (!other.into_iter().any(is) && result.get("stdout")?.is_string()).then_some("/stdout")
        }
        "Grep" => {
            (result.get("mode")?.as_str()? == "content" && result.get("content")?.is_string()).then_some("/content")
        }
        "WebFetch" => (!is("persistedPath") && result.get("result")?.is_string()).then_some("/result"),
        "Agent" => {
            let done = result.get("status").and_then(Value::as_str) == Some("completed");
            (done && is_one_text(result.get("content")?)).then_some("/content/0/text")
        }
        _ if tool.starts_with("mcp__") => match result {
            Value::String(_) => Some(""),
            content => is_one_text(content).then_some("/0/text"),
        },
        _ => None,
    }
}

/// A list of content with one text and nothing else, such as a picture.
fn is_one_text(content: &Value) -> bool {
    match content.as_array().map(Vec::as_slice) {
        Some([part]) => {
            part.get("type").and_then(Value::as_str) == Some("text") && part.get("text").is_some_and(Value::is_string)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_of_a_result_is_where_the_client_shows_it_from() {
        let shell = |more: Value| {
            let mut result =
                json!({"stdout": "a", "stderr": "", "interrupted": false, "isImage": false, "noOutputExpected": false});
            result.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            result
        };
        let text = || json!({"type": "text", "text": "a"});
        for (tool, result, wanted) in [
            ("Bash", shell(json!({})), Some("/stdout")),
            ("Bash", shell(json!({"stderr": "b"})), Some("/stdout")),
            ("Bash", shell(json!({"interrupted": true})), None),
            ("Bash", shell(json!({"isImage": true})), None),
            ("Bash", shell(json!({"backgroundTaskId": "b1"})), None),
            ("Bash", shell(json!({"persistedOutputPath": "/x", "persistedOutputSize": 9})), None),
            ("Bash", json!("a"), None),
            ("Grep", json!({"mode": "content", "content": "a:1:b", "numLines": 1}), Some("/content")),
            ("Grep", json!({"mode": "files_with_matches", "filenames": ["a"]}), None),
            ("WebFetch", json!({"code": 200, "result": "a"}), Some("/result")),
            ("Agent", json!({"status": "completed", "content": [text()]}), Some("/content/0/text")),
            ("Agent", json!({"status": "async_launched", "content": [text()]}), None),
            ("mcp__s__t", json!([text()]), Some("/0/text")),
            ("mcp__s__t", json!("{}"), Some("")),
            ("mcp__s__t", json!([text(), {"type": "image", "data": "AAAA"}]), None),
            ("mcp__s__t", json!([]), None),
            ("Read", json!({"type": "text", "file": {"content": "a"}}), None),
            ("Edit", json!({"filePath": "a"}), None),
        ] {
            let found = text_at(tool, &result);
            assert_eq!(found, wanted, "{tool} {result}");
            assert!(found.is_none_or(|at| result.pointer(at).is_some_and(Value::is_string)), "{tool} {result}");
        }
    }
}
