//! The files of the board and inbox, out of the binary. What they show comes over REST; nothing here looks at who asks.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::Request;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use super::App;
use super::problem::no_such_page;

struct File {
    path: &'static str,
    media: &'static str,
    bytes: &'static [u8],
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! file {
    ($name:literal, $media:expr) => {
        File { path: concat!("/", $name), media: $media, bytes: include_bytes!(concat!("../../web/", $name)) }
    };
}

const INDEX: File = file!("index.html", "text/html; charset=utf-8");

const FILES: &[File] = &[
    file!("style.css", "text/css; charset=utf-8"),
    file!("inbox.css", "text/css; charset=utf-8"),
    file!("icon.svg", "image/svg+xml"),
    file!("api.js", SCRIPT),
    file!("app.js", SCRIPT),
    file!("board.js", SCRIPT),
    file!("chart.js", SCRIPT),
    file!("costs.js", SCRIPT),
    file!("savings.js", SCRIPT),
    file!("dom.js", SCRIPT),
    file!("events.js", SCRIPT),
    file!("fleet.js", SCRIPT),
    file!("flow.js", SCRIPT),
    file!("graph.js", SCRIPT),
    file!("live.js", SCRIPT),
    file!("notice.js", SCRIPT),
    file!("parts.js", SCRIPT),
    file!("task.js", SCRIPT),
    file!("theme.js", SCRIPT),
    file!("time.js", SCRIPT),
    file!("approval.js", SCRIPT),
    file!("audit.js", SCRIPT),
    file!("inbox.js", SCRIPT),
    file!("keys.js", SCRIPT),
    file!("people.js", SCRIPT),
    file!("sign-in.js", SCRIPT),
    file!("signing.js", SCRIPT),
    file!("verify.js", SCRIPT),
    file!("workflows.js", SCRIPT),
];

/// Where the application stands; it reads the path itself, and says of any other that there is no such page.
const PAGES: [&str; 10] = [
    "/",
    "/tasks/{id}",
    "/inbox",
    "/inbox/{id}",
    "/fleet",
    "/costs",
    "/workflows",
    "/workflows/{id}",
    "/audit",
    "/people",
];

/// The page that stands without a cookie.
const SIGN_IN: &str = "/sign-in";

/// Nothing from elsewhere, nothing inline, in nobody's frame, and no text that turns into markup or script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
];

pub fn routes() -> Router<Arc<App>> {
    let mut router = Router::new();
    for path in PAGES.into_iter().chain([SIGN_IN]) {
        router = router.route(path, get(|headers: HeaderMap| async move { answer(&INDEX, &headers) }));
    }
    for file in FILES {
        router = router.route(file.path, get(move |headers: HeaderMap| async move { answer(file, &headers) }));
    }
    router
}

/// Where nothing stands: a browser gets the application, which says so in words, and everybody else a problem.
pub async fn nothing_here(request: Request) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if !reads || request.uri().path().starts_with("/api/") || !accept.contains("text/html") {
        return no_such_page().await.into_response();
    }
    let mut page = answer(&INDEX, &HeaderMap::new());
    *page.status_mut() = StatusCode::NOT_FOUND;
    page.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    page
}

/// The file, or that the browser has it already. Names stay the same between versions, so a browser asks each time.
fn answer(file: &File, headers: &HeaderMap) -> Response {
    let tag = tag(file);
    let mut response = if headers.get_all(IF_NONE_MATCH).iter().any(|known| names(known, &tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, file.media)], file.bytes).into_response()
    };
    let kept = response.headers_mut();
    kept.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        kept.insert(ETAG, tag);
    }
    for (name, value) in HEADERS {
        kept.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn names(known: &HeaderValue, tag: &str) -> bool {
    known.to_str().is_ok_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag))
}

fn tag(file: &File) -> String {
    static TAGS: OnceLock<Vec<(&'static str, String)>> = OnceLock::new();
    let tags = TAGS.get_or_init(|| FILES.iter().chain([&INDEX]).map(|file| (file.path, hashed(file.bytes))).collect());
    tags.iter().find(|(path, _)| *path == file.path).map(|(_, tag)| tag.clone()).unwrap_or_default()
}

fn hashed(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn folder() -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.map(|name| format!("/{name}")).collect()
    }

    #[test]
    fn each_file_of_the_folder_is_served() {
        let served: BTreeSet<String> = FILES.iter().chain([&INDEX]).map(|file| file.path.to_owned()).collect();
        assert_eq!(served, folder());
    }

    #[test]
    fn each_page_of_the_application_is_known_to_the_server() {
        let text = include_str!("../../web/app.js");
        let paths: BTreeSet<String> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("{ path: \"")?.split('"').next())
            .map(|path| path.replace(":id", "{id}"))
            .collect();
        let known: BTreeSet<String> = PAGES.into_iter().chain([SIGN_IN]).map(str::to_owned).collect();
        assert_eq!(paths, known);
    }

    #[test]
    fn nothing_in_the_files_makes_markup_of_text_or_leads_elsewhere() {
        let banned =
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser"];
        for file in FILES.iter().chain([&INDEX]) {
            let text = String::from_utf8_lossy(file.bytes);
            let found: Vec<_> = banned.iter().filter(|word| text.contains(**word)).collect();
            assert!(found.is_empty(), "{} has {found:?}", file.path);
            let elsewhere =
                text.match_indices("://").map(|(at, _)| text[..at].rsplit(['"', '\'', '`', '(', ' ']).next());
            let elsewhere: Vec<_> = elsewhere.flatten().filter(|scheme| scheme.starts_with("http")).collect();
            let allowed = usize::from(file.path == "/dom.js" || file.path == "/icon.svg");
            assert!(elsewhere.len() <= allowed, "{} names another origin: {elsewhere:?}", file.path);
        }
    }

    #[test]
    fn a_browser_that_has_the_file_is_told_so() {
        let mut headers = HeaderMap::new();
        let first = answer(&INDEX, &headers);
        assert_eq!(first.status(), StatusCode::OK);
        headers.insert(IF_NONE_MATCH, HeaderValue::from_str(&format!("\"other\", W/{}", tag(&INDEX))).unwrap());
        let again = answer(&INDEX, &headers);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers().get("content-security-policy").unwrap(), POLICY);
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("\"other\""));
        assert_eq!(answer(&INDEX, &headers).status(), StatusCode::OK);
    }
}
