//! The tools and the reads as plain HTTP. Router and OpenAPI document come from one table; what a row is, is in `operation`.

mod approvals;
mod audit;
mod inbox;
pub mod operation;
mod tasks;
pub mod tools;
mod views;
mod workflows;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::{get, post};
use serde_json::Value;

use super::App;
use super::events;
use operation::Operation;

pub static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let all = [
        views::operations(),
        tasks::operations(),
        approvals::operations(),
        workflows::operations(),
        audit::operations(),
        vec![events::operation()],
        inbox::operations(),
    ];
    all.into_iter().flatten().collect()
});

pub fn routes() -> Router<Arc<App>> {
    let router = Router::new().route("/api/v1/tools/{name}", post(tools::call));
    OPERATIONS.iter().fold(router, |router, operation| {
        let answer = move |State(app): State<Arc<App>>, request: Request| operation.answer(app, request);
        router.route(operation.path, if operation.is_post() { post(answer) } else { get(answer) })
    })
}

/// The shape of an answer as it is written: what is always there is required, and what can be null says so.
pub fn shape<T: schemars::JsonSchema>() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// An object of which these fields are promised.
pub fn object(required: &[&str]) -> Value {
    serde_json::json!({ "type": "object", "required": required })
}

pub fn list_of(item: Value) -> Value {
    serde_json::json!({ "type": "array", "items": item })
}
