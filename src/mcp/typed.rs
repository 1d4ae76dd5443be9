//! A checked frame as rmcp's typed message, chosen by its method.
//! rmcp's own parser tries every request type in turn: slow, and bad params of a known method look like an unknown one.
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, CustomRequest, Extensions, JsonObject, MetaObject,
    Notification, NotificationMetaObject, NotificationNoParam, Request, RequestMetaObject, RequestNoParam,
    RequestOptionalParam,
};
use serde::de::DeserializeOwned;
use serde_json::{Error, Value};

/// Error texts quote the client's own values; they are cut here.
const MESSAGE_CHARS: usize = 240;

/// How what serde expects begins, and what that is in JSON.
const EXPECTED: [(&str, &str); 11] = [
    ("struct ", "an object"),
    ("internally tagged enum ", "an object"),
    ("adjacently tagged enum ", "an object"),
    ("enum ", "a string"),
    ("variant identifier", "a string"),
    ("a map", "an object"),
    ("a sequence", "a list"),
    ("string or map", "a string or an object"),
    ("u64", "a whole number"),
    ("i64", "a whole number"),
    ("f64", "a number"),
];

/// Where rmcp's own parser takes parameters that do not fit for none.
const LISTS: [&str; 4] = ["prompts/list", "resources/list", "resources/templates/list", "tools/list"];

/// Why the parameters of a request do not fit, where rmcp reads it itself and would answer it all the same.
#[derive(Clone, Debug)]
pub struct Misfit(pub String);

pub fn misfit(method: &str, params: Option<&str>) -> Option<Misfit> {
    let why = LISTS.contains(&method).then(|| request(method, params))?;
    why.err().map(Misfit)
}

/// The typed request, or why its params do not fit.
pub fn request(method: &str, params: Option<&str>) -> Result<ClientRequest, String> {
    dispatch(method, params).map_err(|error| {
        let why = in_plain_words(&error.to_string());
        let text = format!("the params do not fit `{method}`: {why}; see the schema of this method");
        text.chars().take(MESSAGE_CHARS).collect()
    })
}

/// What serde says is expected is named after types of the program; a client knows those of JSON.
fn in_plain_words(said: &str) -> String {
    if said.starts_with("data did not match any variant") {
        return "a value has none of the forms that it may have".to_owned();
    }
    let said = said.replace("type: map,", "type: object,").replace("type: sequence,", "type: list,");
    let Some((before, expected)) = said.rsplit_once("expected ") else { return said };
    match EXPECTED.iter().find(|(start, _)| expected.starts_with(*start)) {
        Some((_, plain)) => format!("{before}expected {plain}"),
        None => said,
    }
}

fn dispatch(method: &str, params: Option<&str>) -> Result<ClientRequest, Error> {
    use ClientRequest as R;
    Ok(match method {
        "tools/call" => R::CallToolRequest(with_params(params)?),
        "tools/list" => R::ListToolsRequest(maybe_params(params)?),
        "ping" => R::PingRequest(no_params(params)?),
        "initialize" => R::InitializeRequest(with_params(params)?),
        "server/discover" => R::DiscoverRequest(only_meta(params)?),
        "completion/complete" => R::CompleteRequest(with_params(params)?),
        "logging/setLevel" => R::SetLevelRequest(with_params(params)?),
        "prompts/get" => R::GetPromptRequest(with_params(params)?),
        "prompts/list" => R::ListPromptsRequest(maybe_params(params)?),
        "resources/list" => R::ListResourcesRequest(maybe_params(params)?),
        "resources/templates/list" => R::ListResourceTemplatesRequest(maybe_params(params)?),
        "resources/read" => R::ReadResourceRequest(with_params(params)?),
        "resources/subscribe" => R::SubscribeRequest(with_params(params)?),
        "resources/unsubscribe" => R::UnsubscribeRequest(with_params(params)?),
        "resources/directory/read" => R::ReadResourceDirectoryRequest(with_params(params)?),
        "subscriptions/listen" => R::SubscriptionsListenRequest(with_params(params)?),
        "tasks/get" => R::GetTaskRequest(with_params(params)?),
        "tasks/update" => R::UpdateTaskRequest(with_params(params)?),
        "tasks/cancel" => R::CancelTaskRequest(with_params(params)?),
        "skills/list" => R::ListSkillsRequest(maybe_params(params)?),
        "skills/get" => R::GetSkillRequest(with_params(params)?),
        _ => {
            let (params, meta) = parts(params)?;
            let mut request = CustomRequest::new(method, params.map(Value::Object));
            request.extensions = request_extensions(meta);
            R::CustomRequest(request)
        }
    })
}

/// One of the notifications MCP knows, or nothing.
pub fn notification(method: &str, params: Option<&str>) -> Option<ClientNotification> {
    use ClientNotification as N;
    match method {
        "notifications/cancelled" => told(params).map(N::CancelledNotification),
        "notifications/progress" => told(params).map(N::ProgressNotification),
        "notifications/initialized" => told_plainly(params).map(N::InitializedNotification),
        "notifications/roots/list_changed" => told_plainly(params).map(N::RootsListChangedNotification),
        _ => None,
    }
}

/// The client's answer to something the server asked.
pub fn response(line: &str) -> Option<ClientJsonRpcMessage> {
    serde_json::from_str(line).ok()
}

/// Where serde would take a list for the fields of an object in their order.
const OBJECTS: &[&str] = &["argument", "arguments", "capabilities", "clientInfo", "notifications", "ref"];

/// `params` without its `_meta`, and the `_meta`.
fn parts(params: Option<&str>) -> Result<(Option<JsonObject>, Option<JsonObject>), Error> {
    let Some(text) = params else { return Ok((None, None)) };
    let mut params: JsonObject = serde_json::from_str(text)?;
    if let Some(name) = OBJECTS.iter().find(|name| params.get(**name).is_some_and(Value::is_array)) {
        return Err(<Error as serde::de::Error>::custom(format!("`{name}` is a list, and no object")));
    }
    let meta = match params.shift_remove("_meta") {
        Some(Value::Object(meta)) => Some(meta),
        _ => None,
    };
    Ok((Some(params), meta))
}

fn request_extensions(meta: Option<JsonObject>) -> Extensions {
    let mut extensions = Extensions::new();
    if let Some(meta) = meta {
        extensions.insert(RequestMetaObject(MetaObject(meta)));
    }
    extensions
}

fn with_params<M: Default, P: DeserializeOwned>(params: Option<&str>) -> Result<Request<M, P>, Error> {
    let (params, meta) = parts(params)?;
    let params = params.ok_or_else(|| <Error as serde::de::Error>::custom("`params` is missing"))?;
    let mut request = Request::new(serde_json::from_value(Value::Object(params))?);
    request.extensions = request_extensions(meta);
    Ok(request)
}

/// What else the parameters hold says nothing to this method.
fn only_meta<M: Default, P: Default>(params: Option<&str>) -> Result<Request<M, P>, Error> {
    let (params, meta) = parts(params)?;
    params.ok_or_else(|| <Error as serde::de::Error>::custom("`params` is missing"))?;
    let mut request = Request::new(P::default());
    request.extensions = request_extensions(meta);
    Ok(request)
}

fn maybe_params<M: Default, P: DeserializeOwned>(params: Option<&str>) -> Result<RequestOptionalParam<M, P>, Error> {
    let (params, meta) = parts(params)?;
    let params = params.map(|params| serde_json::from_value(Value::Object(params))).transpose()?;
    Ok(RequestOptionalParam { method: M::default(), params, extensions: request_extensions(meta) })
}

fn no_params<M: Default>(params: Option<&str>) -> Result<RequestNoParam<M>, Error> {
    let (_, meta) = parts(params)?;
    Ok(RequestNoParam { method: M::default(), extensions: request_extensions(meta) })
}

fn notification_extensions(meta: Option<JsonObject>) -> Extensions {
    let mut extensions = Extensions::new();
    if let Some(meta) = meta {
        extensions.insert(NotificationMetaObject(MetaObject(meta)));
    }
    extensions
}

fn told<M: Default, P: DeserializeOwned>(params: Option<&str>) -> Option<Notification<M, P>> {
    let (params, meta) = parts(params).ok()?;
    let mut notification = Notification::new(serde_json::from_value(Value::Object(params.unwrap_or_default())).ok()?);
    notification.extensions = notification_extensions(meta);
    Some(notification)
}

fn told_plainly<M: Default>(params: Option<&str>) -> Option<NotificationNoParam<M>> {
    let (_, meta) = parts(params).ok()?;
    Some(NotificationNoParam { method: M::default(), extensions: notification_extensions(meta) })
}
