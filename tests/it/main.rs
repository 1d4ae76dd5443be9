//! Every test that is not inline, in one binary. `tidy` fails when a file of this folder is not named here.

mod gates_files;
mod gates_run;
mod support;
mod workflow_of_a_task;
