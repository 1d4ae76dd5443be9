//! What a shell command would start, read without running it. Which of it may run is not here.

pub mod script;
