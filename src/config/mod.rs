//! What people write in files and the environment, read once and checked: settings, the place of the workspace, workflows.

pub mod channels;
pub mod issuers;
pub mod json_schema;
pub mod keyring;
pub mod postgres;
pub mod routing;
pub mod screening;
pub mod settings;
pub mod starters;
pub mod telemetry;
pub mod workflow_file;
pub mod workflow_text;
pub mod workspace;
