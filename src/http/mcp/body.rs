//! The body of a call before rmcp reads it: within its bound, and one sound JSON-RPC message, by the rules of the stdio door.

use std::borrow::Cow;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use rmcp::model::{ErrorCode, ErrorData, ProtocolVersion, RequestId, ServerJsonRpcMessage};

use crate::mcp::frame::{self, Frame, FrameLimits, Id};
use crate::mcp::{typed, versions};

use super::super::problem::Problem;

pub const VERSION: &str = "mcp-protocol-version";

/// The body of a POST, whole. `Err` is the answer to one that is none.
pub async fn whole(request: Request, bytes_max: usize) -> Result<(Parts, Bytes), Box<Response>> {
    let (parts, body) = request.into_parts();
    match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Ok((parts, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(Box::new(too_large(bytes_max))),
        Err(error) => {
            let problem =
                Problem::new(StatusCode::BAD_REQUEST, "body_broken_off", format!("the body ended early: {error}"));
            Err(Box::new(problem.hint("send it again").into_response()))
        }
    }
}

/// The one sound message in it. `Err` is the answer to what is none; from 2026-07-28 on that to a method that does not
/// exist has a status of its own.
pub fn sound(bytes: &Bytes, is_newest: bool) -> Result<Frame<'_>, Box<Response>> {
    match frame::check(bytes, &FrameLimits::default()) {
        Frame::Refused(frame::Refusal { code, message, id }) => {
            if is_newest
                && code == frame::METHOD_NOT_FOUND
                && let Some(id) = &id
            {
                return Err(Box::new(no_method(message, id)));
            }
            let id = id.as_ref().map(request_id);
            Err(Box::new(wrong(ErrorData::new(ErrorCode(code), message, None), id)))
        }
        Frame::Nothing => {
            let empty = bytes.iter().all(u8::is_ascii_whitespace);
            let code = if empty { ErrorCode::PARSE_ERROR } else { ErrorCode::INVALID_REQUEST };
            let message = "the body is no json-rpc message; send one as json";
            Err(Box::new(wrong(ErrorData::new(code, message, None), None)))
        }
        // rmcp takes an answer that is none for a body of another type.
        Frame::Response(text) if typed::response(text).is_none() => {
            let message =
                "an answer has an `id` and either a `result` or an `error` with `code` and `message`; send that";
            Err(Box::new(wrong(ErrorData::invalid_request(message, None), None)))
        }
        sound => Ok(sound),
    }
}

/// The answer to a message whose version is said twice: another reader may take the other one.
pub fn said_twice(headers: &HeaderMap, frame: &Frame<'_>) -> Option<Response> {
    let _second = headers.get_all(VERSION).iter().nth(1)?;
    let id = match frame {
        Frame::Request { id, .. } => Some(request_id(id)),
        Frame::Notification { .. } | Frame::Response(_) | Frame::Refused(_) | Frame::Nothing => None,
    };
    Some(wrong(ErrorData::header_mismatch("the header `MCP-Protocol-Version` stands twice; send it once", None), id))
}

/// The answer to a request of a version that is not spoken here. What the body names counts, and the header where it names
/// none. That a whole request and a header of a version that there is agree is for rmcp to ask.
pub fn of_no_version(headers: &HeaderMap, id: &Id<'_>, params: Option<&str>) -> Option<Response> {
    let in_body = versions::named(params);
    let in_header = headers.get(VERSION).and_then(|version| version.to_str().ok());
    let spoken = ProtocolVersion::KNOWN_VERSIONS;
    if in_body.as_ref().is_some_and(|named| named.is_whole)
        && in_header.is_some_and(|version| versions::is_spoken(version, spoken))
    {
        return None;
    }
    let named = in_body.as_ref().map(|named| named.version.as_ref()).or(in_header);
    let named = named.filter(|named| !versions::is_spoken(named, spoken))?;
    Some(wrong(versions::unsupported(named, spoken), Some(request_id(id))))
}

fn request_id(id: &Id<'_>) -> RequestId {
    match id {
        Id::Number(number) => RequestId::Number(*number),
        Id::Text(text) => RequestId::String(text.as_ref().into()),
    }
}

pub fn no_method(why: impl Into<Cow<'static, str>>, id: &Id<'_>) -> Response {
    let mut response = wrong(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, why, None), Some(request_id(id)));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// In a session it is an answer like others: a status that says no is for the session itself.
pub fn no_method_of_session(why: String, id: &Id<'_>) -> Response {
    let mut response = wrong(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, why, None), Some(request_id(id)));
    *response.status_mut() = StatusCode::OK;
    response
}

pub fn misfit(why: String, id: &Id<'_>) -> Response {
    wrong(ErrorData::invalid_params(why, None), Some(request_id(id)))
}

fn wrong(error: ErrorData, id: Option<RequestId>) -> Response {
    let body = serde_json::to_vec(&ServerJsonRpcMessage::error(error, id)).unwrap_or_default();
    let mut response = (StatusCode::BAD_REQUEST, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn too_large(bytes_max: usize) -> Response {
    let detail = format!("the body is larger than {bytes_max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_long", detail)
        .hint("send less at once; artifacts can be handed in by their path")
        .into_response()
}
