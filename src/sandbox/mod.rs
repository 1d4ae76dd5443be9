//! A command that can only have its phase's effects, by the kernel's means. What a phase may do is not decided here.

mod bounds;
mod explain;
mod ticket;

pub use bounds::{Bounds, Rung, Sockets};
pub use explain::explain;
pub use ticket::{Taken, Ticket, TicketError, TicketId, rewritten, sweep};
