//! What lies behind a check of requests: the routes, or one of them that is reached without looking for it. A layer of the
//! router is a service that each request clones, and checks need none of that.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

pub trait Inside: Send {
    fn answer(self, request: Request) -> impl Future<Output = Response> + Send;
}

impl Inside for Next {
    fn answer(self, request: Request) -> impl Future<Output = Response> + Send {
        self.run(request)
    }
}
