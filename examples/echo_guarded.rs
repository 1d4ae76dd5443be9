//! A server of three tools over the guarded stdio transport, for its tests and for measuring it.
use std::sync::Arc;
use std::time::Duration;

use phasegate::mcp::guard::Guard;
use phasegate::mcp::stdio::{self, StdioLimits};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, JsonObject, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;

struct Echo;

impl Echo {
    fn tool(name: &'static str) -> Tool {
        let mut schema = JsonObject::new();
        schema.insert("type".into(), Value::from("object"));
        Tool::new(name, name, Arc::new(schema))
    }
}

fn text(arguments: &JsonObject) -> Result<String, ErrorData> {
    arguments
        .get("text")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| ErrorData::invalid_params("`text` is missing", None))
}

#[expect(clippy::panic, reason = "the tool `boom` is there to panic")]
fn boom() {
    panic!("boom");
}

impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("echo-guarded", "0.1.0"))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(["echo", "sleep", "boom"].map(Self::tool).to_vec()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let said = match request.name.as_ref() {
            "echo" => text(&arguments)?,
            "sleep" => {
                let ms = arguments.get("ms").and_then(Value::as_u64).unwrap_or(0);
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(ms)) => format!("slept {ms}"),
                    () = context.ct.cancelled() => {
                        tracing::warn!("sleep cancelled");
                        "cancelled".to_owned()
                    }
                }
            }
            "boom" => {
                boom();
                String::new()
            }
            other => return Err(ErrorData::invalid_params(format!("no tool `{other}`; see `tools/list`"), None)),
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(said)]).into())
    }
}

fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let many = std::env::args().any(|arg| arg == "--threads");
    let mut builder =
        if many { tokio::runtime::Builder::new_multi_thread() } else { tokio::runtime::Builder::new_current_thread() };
    let runtime = builder.enable_all().build()?;
    let ended = runtime.block_on(async {
        let transport = stdio::open(StdioLimits::default())?;
        let service = Guard::new(Echo).counting(transport.handle());
        stdio::serve(service, transport, std::future::pending()).await.map_err(std::io::Error::other)
    });
    // A blocked read of a terminal must not hold the process.
    runtime.shutdown_background();
    ended.map(|_| ())
}
