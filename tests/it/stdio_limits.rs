//! The stdio transport over in-memory ends: small limits, questions to the client, subscriptions, and the guard.
//! What needs a real process is in `stdio.rs`.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use phasegate::mcp::guard::Guard;
use phasegate::mcp::stdio::{StdioHandle, StdioLimits, StdioTransport, serve};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomRequest, ServerCapabilities,
    ServerConfig, ServerRequest, SubscriptionFilter,
};
use rmcp::service::{QuitReason, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

#[derive(Clone, Default)]
struct Service {
    begun: Arc<AtomicUsize>,
    listeners_done: Arc<AtomicUsize>,
    answered: Arc<Notify>,
}

impl ServerHandler for Service {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let said = match request.name.as_ref() {
            "deaf" => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                "deaf".to_owned()
            }
            "request_approval" => {
                self.answered.notified().await;
                "yes".to_owned()
            }
            "ask" => {
                let question = ServerRequest::CustomRequest(CustomRequest::new("x/question", None));
                let answer = context.peer.send_request(question).await;
                if answer.is_ok() { "answered".to_owned() } else { "not answered".to_owned() }
            }
            other => other.to_owned(),
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(said)]).into())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        context.cancelled().await;
        self.listeners_done.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

struct Client {
    input: Option<DuplexStream>,
    output: BufReader<DuplexStream>,
    handle: StdioHandle,
    served: JoinHandle<QuitReason>,
    stop: Arc<Notify>,
    service: Service,
}

impl Client {
    fn start(limits: StdioLimits) -> Self {
        let (input, source) = tokio::io::duplex(1 << 16);
        let (target, output) = tokio::io::duplex(1 << 12);
        let transport = StdioTransport::new(source, target, limits);
        let handle = transport.handle();
        let service = Service::default();
        let guard = Guard::new(service.clone()).counting(handle.clone());
        let stop = Arc::new(Notify::new());
        let stopped = stop.clone().notified_owned();
        let served = tokio::spawn(async move { serve(guard, transport, stopped).await.unwrap() });
        Self { input: Some(input), output: BufReader::new(output), handle, served, stop, service }
    }

    async fn initialized(limits: StdioLimits) -> Self {
        let mut client = Self::start(limits);
        client
            .say(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"},
            }}))
            .await;
        assert_eq!(client.hear().await["id"], 0);
        client
    }

    async fn say(&mut self, message: &Value) {
        self.input.as_mut().unwrap().write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn call(&mut self, id: u32, tool: &str) {
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}})).await;
    }

    async fn cancel(&mut self, id: u32) {
        self.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})).await;
    }

    async fn hear(&mut self) -> Value {
        let mut line = String::new();
        timeout(Duration::from_secs(5), self.output.read_line(&mut line)).await.unwrap().unwrap();
        if line.is_empty() { Value::Null } else { serde_json::from_str(&line).unwrap() }
    }

    async fn end(mut self) -> Vec<Value> {
        drop(self.input.take());
        let mut rest = Vec::new();
        loop {
            let message = self.hear().await;
            if message.is_null() {
                break;
            }
            rest.push(message);
        }
        let reason = timeout(Duration::from_secs(1), self.served).await.unwrap().unwrap();
        assert!(matches!(reason, QuitReason::Closed), "{reason:?}");
        rest
    }
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn no_more_handlers_run_than_allowed_even_for_cancelled_requests() {
    let mut client = Client::initialized(StdioLimits { in_flight: 2, ..StdioLimits::default() }).await;
    for id in 1..=6 {
        client.call(id, "deaf").await;
    }
    for id in 1..=4 {
        client.cancel(id).await;
    }
    settle().await;
    assert_eq!((client.handle.working(), client.handle.in_flight()), (2, 2));
    assert_eq!(client.service.begun.load(Ordering::SeqCst), 2);
    let service = client.service.clone();
    let mut ids: Vec<u64> = client.end().await.iter().map(|reply| reply["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [5, 6]);
    assert_eq!(service.begun.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn what_waits_for_a_person_keeps_nobody_else_waiting() {
    let mut client = Client::initialized(StdioLimits { in_flight: 2, ..StdioLimits::default() }).await;
    let waits = |id: u32| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": "request_approval", "arguments": {"question": "well?", "wait_seconds": 60}}})
    };
    for id in 1..=3 {
        client.say(&waits(id)).await;
    }
    let refused = client.hear().await;
    assert_eq!(refused["id"], 3);
    assert!(refused["error"]["message"].as_str().unwrap().contains("call without `wait_seconds`"), "{refused}");
    settle().await;
    assert_eq!((client.handle.working(), client.handle.in_flight()), (2, 2));
    client.call(4, "deaf").await;
    client.call(5, "deaf").await;
    client.call(6, "x").await;
    client.say(&json!({"jsonrpc": "2.0", "id": 7, "method": "ping"})).await;
    assert_eq!(client.hear().await, json!({"jsonrpc": "2.0", "id": 7, "result": {}}));
    let ids: Vec<Value> =
        [client.hear().await, client.hear().await, client.hear().await].map(|it| it["id"].clone()).into();
    assert!(ids.contains(&json!(6)), "{ids:?}");
    client.cancel(1).await;
    settle().await;
    assert_eq!((client.handle.working(), client.handle.in_flight()), (2, 1), "its handler is still at work");
    client.say(&waits(8)).await;
    assert_eq!(client.hear().await["id"], 8);
    client.service.answered.notify_waiters();
    settle().await;
    client.say(&waits(9)).await;
    settle().await;
    assert_eq!(client.handle.in_flight(), 1);
    client.service.answered.notify_waiters();
    let mut ids: Vec<u64> = client.end().await.iter().map(|reply| reply["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [2, 9]);
}

#[tokio::test]
async fn requests_keep_their_order_when_they_wait() {
    let mut client = Client::initialized(StdioLimits { in_flight: 1, parked: 3, ..StdioLimits::default() }).await;
    for id in 1..=50 {
        client.call(id, "x").await;
    }
    let ids: Vec<u64> = client.end().await.iter().map(|reply| reply["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (1..=50).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_request_larger_than_the_budget_still_runs() {
    let limits = StdioLimits { in_flight_bytes: 10, parked_bytes: 10, unsent_bytes: 10, ..StdioLimits::default() };
    let mut client = Client::initialized(limits).await;
    for id in 1..=5 {
        client.call(id, &"n".repeat(9000)).await;
    }
    assert_eq!(client.end().await.len(), 5);
}

#[tokio::test]
async fn a_question_to_the_client_is_answered_by_it_or_by_its_end() {
    let mut client = Client::initialized(StdioLimits::default()).await;
    client.say(&json!({"jsonrpc": "2.0", "id": 0, "result": {"well": 1}})).await;
    client.call(1, "ask").await;
    let question = client.hear().await;
    assert_eq!(question["method"], "x/question");
    client.say(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {"well": 1}})).await;
    assert_eq!(client.hear().await["result"]["content"][0]["text"], "answered");
    client.call(2, "ask").await;
    assert_eq!(client.hear().await["method"], "x/question");
    let rest = client.end().await;
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0]["result"]["content"][0]["text"], "not answered");
}

#[tokio::test]
async fn a_subscription_does_not_hold_the_end_back() {
    let mut client = Client::start(StdioLimits { in_flight: 1, ..StdioLimits::default() });
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    client
        .say(&json!({"jsonrpc": "2.0", "id": "l", "method": "subscriptions/listen",
            "params": {"notifications": {"toolsListChanged": true}, "_meta": meta}}))
        .await;
    assert_eq!(client.hear().await["method"], "notifications/subscriptions/acknowledged");
    client
        .say(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x", "_meta": meta}}))
        .await;
    assert_eq!(client.hear().await["id"], 1);
    let service = client.service.clone();
    assert!(client.end().await.is_empty());
    assert_eq!(service.listeners_done.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_handle_tells_when_a_lifecycle_was_chosen() {
    let mut client = Client::start(StdioLimits::default());
    client.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).await;
    assert_eq!(client.hear().await["id"], 1);
    assert!(!client.handle.lifecycle_chosen());
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "1999-01-01"});
    client.say(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {"_meta": meta}})).await;
    let error = client.hear().await["error"].clone();
    assert_eq!((&error["code"], &error["data"]["requested"]), (&json!(-32022), &json!("1999-01-01")));
    client.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    client.say(&json!({"jsonrpc": "2.0", "id": 3, "method": "ping"})).await;
    assert_eq!(client.hear().await["id"], 3);
    assert!(client.end().await.is_empty());
}

#[tokio::test]
async fn lines_arrive_whole_however_they_are_cut() {
    let mut client = Client::initialized(StdioLimits { line_bytes: 200, ..StdioLimits::default() }).await;
    let line = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "é"}}).to_string() + "\n";
    for byte in line.bytes() {
        client.input.as_mut().unwrap().write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(client.hear().await["result"]["content"][0]["text"], "é");
    client.call(2, &"n".repeat(300)).await;
    assert_eq!(client.hear().await["error"]["code"], -32600);
    client.call(3, "x").await;
    assert_eq!(client.hear().await["id"], 3);
    client.input.as_mut().unwrap().write_all("n".repeat(500).as_bytes()).await.unwrap();
    assert_eq!(client.end().await.len(), 1);
}

#[tokio::test]
async fn a_stop_leaves_time_to_answer_what_is_at_work() {
    let mut client = Client::initialized(StdioLimits::default()).await;
    client.call(1, "deaf").await;
    settle().await;
    client.stop.notify_one();
    assert_eq!(client.hear().await["id"], 1);
    assert!(matches!(client.served.await.unwrap(), QuitReason::Cancelled));
    let client = Client::start(StdioLimits::default());
    client.stop.notify_one();
    assert!(matches!(client.served.await.unwrap(), QuitReason::Cancelled));
}
