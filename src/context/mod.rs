//! PURE: how many tokens a text costs, which parts of it a query needs, and what is left when the rest goes. It reads no file,
//! keeps nothing between calls and knows no model: what an earlier call had comes in as fingerprints.

pub mod append;
pub mod bm25;
pub mod choice;
pub mod chunks;
pub mod code;
pub mod delegate;
pub mod duplicates;
pub mod exact;
pub mod kinds;
pub mod marks;
pub mod question;
pub mod rank;
pub mod reduce;
pub mod terms;
pub mod tokens;
pub mod values;

pub use kinds::{Kind, recognise};
pub use reduce::{Ask, Budget, Reduced, reduce};
