//! The page behind a signed link of a message: it shows one approval and takes one answer, without a script and without signing
//! in. Looking never answers, since programs look at the links in mails.

use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::domain::command::Decision;
use crate::domain::refusal::Refusal;
use crate::engine::inbox::shown::Shown;
use crate::engine::inbox::{BadLink, Link, Press};
use crate::engine::{Engine, Failure};

use super::{App, apart};

const ANSWER_BYTES_MAX: usize = 16 << 10;
const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    // The address of this page is a secret. With `no-referrer` a browser would not say that the answer comes from here.
    ("referrer-policy", "same-origin"),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-robots-tag", "noindex, nofollow"),
];

pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/a/{token}", get(look).post(answer))
}

async fn look(State(app): State<Arc<App>>, Path(token): Path<String>) -> Response {
    told(move || looked_at(&app, &token)).await
}

async fn answer(State(app): State<Arc<App>>, Path(token): Path<String>, body: Bytes) -> Response {
    told(move || answered(&app, &token, &body)).await
}

async fn told(work: impl FnOnce() -> Response + Send + 'static) -> Response {
    let stopping =
        || said(StatusCode::SERVICE_UNAVAILABLE, "phasegate is stopping", "open this page again in a moment");
    apart(work).await.unwrap_or_else(|_| stopping())
}

fn looked_at(app: &App, token: &str) -> Response {
    match opened(app, token) {
        Ok((link, shown)) => {
            page(StatusCode::OK, &headed(&shown), &format!("{}{}", described(&shown), form(&link, &shown)))
        }
        Err(response) => *response,
    }
}

fn answered(app: &App, token: &str, body: &[u8]) -> Response {
    let (link, shown) = match opened(app, token) {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    if body.len() > ANSWER_BYTES_MAX {
        return said(StatusCode::PAYLOAD_TOO_LARGE, "This answer is too long", "go back and shorten the reason");
    }
    let (mut word, mut reason, mut choice) = (String::new(), String::new(), None);
    for (name, value) in url::form_urlencoded::parse(body) {
        match name.as_ref() {
            "answer" => word = value.into_owned(),
            "reason" => reason = value.trim().to_owned(),
            "choice" => choice = Some(value.into_owned()).filter(|choice| !choice.is_empty()),
            _ => {}
        }
    }
    let decision = match word.as_str() {
        "approve" => Decision::Approve { reason, choice },
        "reject" => Decision::Reject { reason },
        _ => {
            return said(StatusCode::BAD_REQUEST, "This is neither yes nor no", "go back and press one of the buttons");
        }
    };
    match app.engine.answer_link(&link, decision) {
        Ok(after) => {
            let state = after.first().map_or("closed", |after| after.state.word());
            said(StatusCode::OK, &format!("{} is {state}", shown.id), "the agent is told; you can close this page")
        }
        Err(Failure::Refused(refusal)) => refused(&refusal),
        Err(Failure::Broken(error)) => broken(&error.to_string()),
    }
}

/// What the link stands for, as it is now; or the page that says why it does not count.
fn opened(app: &App, token: &str) -> Result<(Link, Shown), Box<Response>> {
    let link = match app.engine.link(token) {
        Ok(Ok(link)) => link,
        Ok(Err(bad)) => {
            let status = match bad {
                BadLink::Malformed | BadLink::Forged => StatusCode::NOT_FOUND,
                BadLink::Expired | BadLink::OtherContent => StatusCode::GONE,
            };
            return Err(Box::new(said(status, "This link does not count", &bad.to_string())));
        }
        Err(error) => return Err(Box::new(broken(&error.to_string()))),
    };
    match app.engine.shown(&Engine::link_caller(&link), link.approval) {
        Ok(shown) => Ok((link, shown)),
        Err(Failure::Refused(refusal)) => Err(Box::new(refused(&refusal))),
        Err(Failure::Broken(error)) => Err(Box::new(broken(&error.to_string()))),
    }
}

fn refused(refusal: &Refusal) -> Response {
    said(StatusCode::CONFLICT, &refusal.message, &refusal.hint)
}

fn broken(error: &str) -> Response {
    tracing::error!(error, "a page behind a link failed");
    said(StatusCode::INTERNAL_SERVER_ERROR, "phasegate could not do this", "try again; its log says what went wrong")
}

fn said(status: StatusCode, title: &str, hint: &str) -> Response {
    page(status, title, &format!("<p class=\"muted\">{}</p>", escaped(hint)))
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escaped(title);
    let text = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title} · phasegate</title>\
         <link rel=\"icon\" href=\"/icon.svg\" type=\"image/svg+xml\"><link rel=\"stylesheet\" href=\"/style.css\">\
         <link rel=\"stylesheet\" href=\"/inbox.css\"></head><body class=\"bare\">\
         <main class=\"one-approval\"><div class=\"page\"><h1>{title}</h1>{body}</div></main></body></html>"
    );
    let mut response = (status, Html(text)).into_response();
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn headed(shown: &Shown) -> String {
    format!("{}: {}", shown.id, if shown.ask_by_agent { "the agent asks" } else { shown.ask.as_str() })
}

fn described(shown: &Shown) -> String {
    let mut text = String::new();
    if shown.ask_by_agent {
        let _ = write!(text, "<blockquote class=\"quote\">{}</blockquote>", escaped(&shown.ask));
    }
    if let Some(call) = &shown.call {
        let lines = escaped(&call.lines.join("\n"));
        let _ = write!(text, "<h2>The call, exactly as it would run</h2><pre>{}\n{lines}</pre>", escaped(&call.tool));
        for warning in &call.warnings {
            let _ = write!(text, "<p class=\"banner warn\">Warning: {}</p>", escaped(warning));
        }
        if let Some(starts) = &call.starts {
            let doubt = starts.doubt.as_ref().map(|why| format!(" (and maybe more: {})", escaped(why)));
            let _ = write!(
                text,
                "<h3>It starts{}</h3><pre>{}</pre>",
                doubt.unwrap_or_default(),
                escaped(&starts.commands.join("\n"))
            );
        }
        for line in &call.changes {
            let class = match line.sign {
                "+" => "added",
                "-" => "gone",
                _ => "same",
            };
            let _ = write!(text, "<div class=\"change {class}\">{}{}</div>", line.sign, escaped(&line.text));
        }
    }
    let _ = write!(text, "<p><strong>After a yes:</strong> {}</p>", escaped(&shown.on_yes));
    if !shown.claim.is_empty() {
        let claim = escaped(&shown.claim);
        let _ = write!(
            text,
            "<p class=\"quote-by\">The agent says (its claim):</p><blockquote class=\"quote\">{claim}</blockquote>"
        );
    }
    for artifact in &shown.artifacts {
        let (name, by, lines) = (escaped(&artifact.name), escaped(&artifact.by.0), escaped(&artifact.lines.join("\n")));
        let cut = if artifact.cut { " Not all of it is here." } else { "" };
        let _ = write!(
            text,
            "<details><summary>artifact {name} v{}, handed in by {by} (claimed), {} bytes.{cut}</summary><pre>{lines}</pre></details>",
            artifact.version, artifact.bytes
        );
    }
    let task = shown.task.map(|task| format!("{task} “{}”", shown.title)).unwrap_or_default();
    text.push_str("<dl class=\"facts\">");
    for (name, value) in [
        ("task", task),
        ("phase", shown.phase.clone()),
        ("asked by", shown.requested_by.to_string()),
        ("until", shown.expires_at.to_string()),
        ("from", shown.from.join(", ")),
        ("takes", shown.level_words.to_owned()),
        ("digest", shown.digest.clone()),
    ] {
        if !value.is_empty() {
            let _ = write!(text, "<dt>{name}</dt><dd>{}</dd>", escaped(&value));
        }
    }
    text.push_str("</dl>");
    text
}

fn form(link: &Link, shown: &Shown) -> String {
    let closed = shown.void.clone().or_else(|| {
        let by = shown.answered.as_ref().map(|answer| format!(" by {}", answer.by)).unwrap_or_default();
        (shown.state != "pending").then(|| format!("It is {}{by}, and cannot be answered any more.", shown.state))
    });
    if let Some(why) = closed {
        return format!("<p class=\"banner info\">{}</p>", escaped(&why));
    }
    let elsewhere = format!("<p><a class=\"button\" href=\"/inbox/{}\">Answer in the inbox</a></p>", shown.id);
    if shown.not_by_author || !shown.you.answer || shown.you.sign > 0 || shown.together.len() > 1 {
        let why = if shown.you.why.is_empty() { "A link does not show who answers." } else { shown.you.why.as_str() };
        return format!("<p class=\"banner warn\">{}</p>{elsewhere}", escaped(why));
    }
    let mut text = "<form method=\"post\" class=\"stack\">".to_owned();
    if link.press != Press::Reject {
        for (number, choice) in shown.choices.iter().enumerate() {
            let value = escaped(choice);
            let label = escaped(&crate::domain::visible::visible(choice));
            let _ = write!(
                text,
                "<label class=\"choice\"><input type=\"radio\" name=\"choice\" id=\"c{number}\" value=\"{value}\"> {label}</label>"
            );
        }
        if shown.ask_by_agent && shown.choices.is_empty() {
            text.push_str(
                "<label class=\"field\">Your answer <textarea name=\"choice\" maxlength=\"2000\"></textarea></label>",
            );
        }
    }
    text.push_str("<label class=\"field\">Reason <textarea name=\"reason\" maxlength=\"2000\"></textarea></label><div class=\"answers\">");
    if link.press != Press::Reject {
        text.push_str("<button class=\"primary\" name=\"answer\" value=\"approve\">Approve</button>");
    }
    if link.press != Press::Approve {
        text.push_str("<button class=\"danger\" name=\"answer\" value=\"reject\">Reject</button>");
    }
    text.push_str("</div></form>");
    text
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(escaped("<a href=\"x\" b='y'>&"), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;");
    }
}
