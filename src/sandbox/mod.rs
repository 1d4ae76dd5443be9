//! A command that can only have its phase's effects, by the kernel's means. What a phase may do is not decided here.
