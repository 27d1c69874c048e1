//! The server: its socket, its limits, and the methods registered from the table.

use std::{io, net::SocketAddr, sync::Arc};

use entente_driver::{NodeHandle, RpcConfig};
use jsonrpsee::{
    Methods, RpcModule,
    core::{RegisterMethodError, middleware::RpcServiceBuilder},
    server::{
        BatchRequestConfig, PingConfig, ServerBuilder, ServerConfig, ServerHandle, serve_with_graceful_shutdown,
        stop_channel,
    },
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{
    connections,
    context::Context,
    feed,
    flow::{self, FlowLayer},
    front::Front,
    limits::{MESSAGES_WAITING_MAX, STOP_WAIT},
    plain::PlainWordsLayer,
    table::{Handler, METHODS, Method},
};

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Somebody listens there already.
    #[error(
        "{0} is taken: another program, or another node, listens there; choose another port with --rpc-port or \
         `rpc.listen` in config.toml"
    )]
    Taken(SocketAddr),
    /// The system refuses the address.
    #[error("cannot listen on {address}: {error}; choose another with --rpc-port or `rpc.listen` in config.toml")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The table of methods names one twice.
    #[error("the table of methods is wrong: {0}")]
    Table(#[from] RegisterMethodError),
}

/// A running server. Dropping it stops it.
pub struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    stopping: watch::Sender<bool>,
    /// One task for each group; they end with this.
    _feeds: JoinSet<()>,
}

impl Server {
    /// Where it listens: the port that the system chose, where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Begins to stop: takes no more connections, and closes those there are once they have their answers.
    pub fn stop(&self) {
        // Stopping twice is stopping.
        let _ = self.handle.stop();
        self.stopping.send_replace(true);
    }

    /// Waits until it has stopped and all connections are closed, but no longer than a few seconds after
    /// [`Server::stop`]: a peer that stalls in the middle of a request is not waited for.
    pub async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        let stopped = self.handle.clone().stopped();
        tokio::pin!(stopped);
        tokio::select! {
            () = &mut stopped => return,
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
        if tokio::time::timeout(STOP_WAIT, stopped).await.is_err() {
            tracing::warn!("rpc_connections_left");
        }
    }
}

/// Serves JSON-RPC, `/health` and `/metrics` of a node, within the configuration's limits.
///
/// # Errors
/// An address that cannot be listened on; the message says which, and what to do.
pub async fn serve(node: NodeHandle, config: &RpcConfig) -> Result<Server, ServeError> {
    let address = config.listen;
    let listener = listen(address).await?;
    let address = listener.local_addr().map_err(|error| ServeError::Listen { address, error })?;
    let context = Arc::new(Context::new(&node, config));
    let module = module(Arc::clone(&context))?;
    let mut feeds = JoinSet::new();
    for group in context.groups() {
        // Listened to before the tip is read, so that no block is missed.
        let blocks = group.handle.blocks();
        let next = group.handle.ledger().tip().number + 1;
        feeds.spawn(feed::run(group.handle.clone(), Arc::clone(&group.feed), blocks, next));
    }
    let handle = start(listener, context, module, limits(config));
    tracing::info!(%address, "rpc_started");
    Ok(Server { address, handle, stopping: watch::Sender::new(false), _feeds: feeds })
}

/// Serves what connects, until it is told to stop.
fn start(
    listener: TcpListener,
    context: Arc<Context>,
    module: RpcModule<Context>,
    config: ServerConfig,
) -> ServerHandle {
    let layers = RpcServiceBuilder::new().layer(FlowLayer { context: Arc::clone(&context) }).layer(PlainWordsLayer);
    let services = ServerBuilder::with_config(config).set_rpc_middleware(layers).to_service_builder();
    let methods = Methods::from(module);
    let (stop, handle) = stop_channel();
    let of_connections = stop.clone();
    let front = Arc::clone(&context);
    tokio::spawn(connections::accept(listener, context, stop, move |accepted| {
        let stop = of_connections.clone();
        let service = services.clone().build(methods.clone(), stop.clone());
        let service = Front::new(service, &front, accepted.work, accepted.place);
        tokio::spawn(async move {
            // What breaks a connection is its peer's affair.
            let _ = serve_with_graceful_shutdown(accepted.stream, service, stop.shutdown()).await;
        });
    }));
    handle
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let fault = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => ServeError::Taken(address),
        _ => ServeError::Listen { address, error },
    };
    TcpListener::bind(address).await.map_err(fault)
}

fn limits(config: &RpcConfig) -> ServerConfig {
    ServerConfig::builder()
        // Connections are counted where they are accepted; this would count requests.
        .max_connections(u32::MAX)
        .max_request_body_size(config.request_bytes_max)
        .max_response_body_size(config.response_bytes_max)
        .set_batch_request_config(BatchRequestConfig::Limit(config.batch_requests_max))
        .max_subscriptions_per_connection(config.subscriptions_max)
        .set_message_buffer_capacity(MESSAGES_WAITING_MAX)
        .enable_ws_ping(PingConfig::new())
        .build()
}

/// Registers the whole table.
pub(crate) fn module(context: Arc<Context>) -> Result<RpcModule<Context>, RegisterMethodError> {
    let mut module = RpcModule::from_arc(context);
    for (index, method) in METHODS.iter().enumerate() {
        register(&mut module, index, method)?;
    }
    Ok(module)
}

fn register(module: &mut RpcModule<Context>, index: usize, method: &'static Method) -> Result<(), RegisterMethodError> {
    match method.handler {
        Handler::Direct(handler) => {
            module.register_method(method.name, move |parameters, context, extensions| {
                context.metrics.request(index);
                flow::arguments(context, method, parameters.as_str(), extensions)
                    .and_then(|arguments| handler(context, &arguments))
            })?;
        }
        Handler::Blocking(handler) => {
            module.register_blocking_method(method.name, move |parameters, context, extensions| {
                context.metrics.request(index);
                flow::arguments(&context, method, parameters.as_str(), &extensions)
                    .and_then(|arguments| handler(&context, &arguments))
            })?;
        }
        Handler::Waiting(handler) => {
            module.register_async_method(method.name, move |parameters, context, extensions| async move {
                context.metrics.request(index);
                let arguments = flow::arguments(&context, method, parameters.as_str(), &extensions)?;
                handler(Arc::clone(&context), arguments).await
            })?;
        }
        Handler::Subscription { notification, unsubscribe, handler } => {
            module.register_subscription(
                method.name,
                notification,
                unsubscribe,
                move |parameters, pending, context, extensions| async move {
                    context.metrics.request(index);
                    let arguments = flow::arguments(&context, method, parameters.as_str(), &extensions);
                    handler(Arc::clone(&context), arguments, pending).await
                },
            )?;
        }
    }
    Ok(())
}
