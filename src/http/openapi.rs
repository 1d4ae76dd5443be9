use axum::Router; use std::sync::Arc; use super::App; pub fn routes()->Router<Arc<App>>{Router::new()}
