//! The way of front doors and of the engine to the router and its table of models.

mod asked;
mod learner;
pub mod learning;
mod lesson;
mod routes;
pub mod table;

pub use crate::routing::catalogue;
pub use crate::routing::learned::{Piece, index};
pub use crate::routing::router::Router;
pub use crate::routing::{complexity, estimate, features, route};
pub use routes::{OwnRoutes, unlearned};
