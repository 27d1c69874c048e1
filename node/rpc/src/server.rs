//! The server: its socket, its limits, and the methods registered from the table.

use std::{io, net::SocketAddr, sync::Arc};

use entente_driver::{NodeHandle, RpcConfig};
use jsonrpsee::{
    Extensions, IntoResponse, MethodResponse, Methods, RpcModule,
    core::{RegisterMethodError, middleware::RpcServiceBuilder},
    server::ConnectionId,
    types::{Params, Request},
};
use serde_json::value::RawValue;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};

use crate::{
    acceptor,
    arguments::Arguments,
    calls::{AnswerTogether, Calls, Service, Subscriptions, Together},
    context::Context,
    dev,
    error::{INTERNAL, RpcError},
    feed,
    flow::{self, FlowLayer, Requester},
    limits::{BACKLOG_MAX, SEND_BUFFER_BYTES, STOP_WAIT},
    outbox::Outbox,
    plain::{PlainWordsLayer, over_web_socket_only},
    subscriptions::refuse,
    table::{Family, Handler, Many, Method, methods},
    views::Answer,
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

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) context: Arc<Context>,
    pub(crate) config: RpcConfig,
    pub(crate) stopping: watch::Receiver<bool>,
    methods: Methods,
    together: Arc<Together>,
}

impl Shared {
    /// What answers the requests of a connection.
    pub(crate) fn service(
        &self,
        connection: ConnectionId,
        subscriptions: Option<Subscriptions>,
    ) -> impl Service + use<> {
        let response_bytes_max = self.config.response_bytes_max as usize;
        let (methods, together) = (self.methods.clone(), Arc::clone(&self.together));
        let calls = Calls { methods, together, response_bytes_max, connection, subscriptions };
        let flow = FlowLayer { context: Arc::clone(&self.context) };
        RpcServiceBuilder::new().layer(flow).layer(PlainWordsLayer).service(calls)
    }
}

/// A running server. Dropping it stops it.
pub struct Server {
    address: SocketAddr,
    stopping: watch::Sender<bool>,
    /// One for each connection that may be open; all are back when none is.
    places: Arc<Semaphore>,
    connections_max: u32,
    /// One task for each group, and the one that lets connections in; they end with this.
    _tasks: JoinSet<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Server {
    /// Where it listens: the port that the system chose, where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Begins to stop: takes no more connections, and closes those there are once they have their answers.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Waits until it has stopped and all connections are closed, but no longer than a few seconds after
    /// [`Server::stop`]: a peer that stalls in the middle of a request is not waited for.
    pub async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        stop_begins(&mut stopping).await;
        if tokio::time::timeout(STOP_WAIT, self.places.acquire_many(self.connections_max)).await.is_err() {
            tracing::warn!("rpc_connections_left");
        }
    }
}

/// Waits until the server begins to stop, or is gone.
pub(crate) async fn stop_begins(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Serves JSON-RPC, `/health` and `/metrics` of a node, within the configuration's limits.
///
/// # Errors
/// An address that cannot be listened on; the message says which, and what to do.
pub async fn serve(node: NodeHandle, config: &RpcConfig) -> Result<Server, ServeError> {
    let address = config.listen;
    let listener = listen(address)?;
    let address = listener.local_addr().map_err(|error| ServeError::Listen { address, error })?;
    let context = Arc::new(Context::new(&node, config));
    let methods = Methods::from(module(Arc::clone(&context))?);
    let together = Arc::new(together(&context));
    let mut tasks = JoinSet::new();
    for group in context.groups() {
        // Listened to before the tip is read, so that no block is missed.
        let blocks = group.handle.blocks();
        let next = group.handle.ledger().tip().number + 1;
        tasks.spawn(feed::run(group.handle.clone(), Arc::clone(&group.feed), blocks, next));
    }
    let (stopping, hears_stop) = watch::channel(false);
    let connections_max = config.connections_max;
    let places = Arc::new(Semaphore::new(connections_max as usize));
    let shared = Shared { context, config: config.clone(), stopping: hears_stop.clone(), methods, together };
    tasks.spawn(acceptor::run(listener, Arc::new(shared), Arc::clone(&places), hears_stop));
    tracing::info!(%address, "rpc_started");
    Ok(Server { address, stopping, places, connections_max, _tasks: tasks })
}

fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // As others do it: a port of a server that has just ended is free.
        socket.set_reuseaddr(true)?;
        // Handed on to the sockets of those who connect.
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        socket.bind(address)?;
        socket.listen(BACKLOG_MAX)
    };
    listen().map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => ServeError::Taken(address),
        _ => ServeError::Listen { address, error },
    })
}

/// Registers the whole table.
pub(crate) fn module(context: Arc<Context>) -> Result<RpcModule<Context>, RegisterMethodError> {
    let mut module = RpcModule::from_arc(context);
    for (index, row) in methods().enumerate() {
        register(&mut module, index, row)?;
    }
    Ok(module)
}

/// The methods of the table of which several requests of a batch are answered at the same time.
pub(crate) fn together(context: &Arc<Context>) -> Together {
    let several = |(index, row): (usize, (Family, &'static Method))| {
        let Handler::Together(handler) = row.1.handler else { return None };
        let context = Arc::clone(context);
        let answer: AnswerTogether = Box::new(move |requests, response_bytes_max| {
            Box::pin(answers_together(Arc::clone(&context), (index, row), handler, requests, response_bytes_max))
        });
        Some((row.1.name, answer))
    };
    methods().enumerate().filter_map(several).collect()
}

async fn answers_together(
    context: Arc<Context>,
    (index, row): (usize, (Family, &'static Method)),
    handler: Many,
    requests: Vec<Request<'_>>,
    response_bytes_max: usize,
) -> Vec<MethodResponse> {
    let arguments = requests.iter().map(|request| {
        context.metrics.request(index);
        flow::arguments(&context, row, request.params.as_deref().map(RawValue::get), request.extensions())
    });
    let answers = handler(Arc::clone(&context), arguments.collect()).await;
    let response = |(request, answer): (&Request<'_>, Answer)| {
        let answer = answer.map_err(|error| row.0.error(error));
        MethodResponse::response(request.id.clone(), answer.into_response(), response_bytes_max)
    };
    requests.iter().zip(answers).map(response).collect()
}

fn unanswered() -> Answer {
    Err(RpcError::new(INTERNAL, "the request was not answered"))
}

fn outbox(extensions: &Extensions) -> Option<&Outbox> {
    Requester::of(extensions)?.outbox.as_ref()
}

/// Waits for a place among those who read whole blocks. One whose client does not read what it has gets none.
async fn reader_place(context: &Context, outbox: Option<&Outbox>) -> Option<OwnedSemaphorePermit> {
    loop {
        if let Some(outbox) = outbox {
            outbox.answers_sent().await;
        }
        let place = Arc::clone(&context.block_readers).acquire_owned().await.ok()?;
        if outbox.is_none_or(Outbox::has_room_for_answers) {
            return Some(place);
        }
    }
}

/// Does something with the chain of those who test contracts, where the group has one.
async fn test(
    context: &Context,
    row: (Family, &'static Method),
    read: dev::Read,
    parameters: Option<&str>,
    extensions: &Extensions,
) -> Answer {
    let group = flow::spoken_for(context, extensions)?;
    if !group.handle.is_dev() {
        return Err(dev::not_offered(row.1.name));
    }
    let act = read(&flow::arguments(context, row, parameters, extensions)?)?;
    let before = group.handle.ledger().tip().number;
    let answer = group.handle.test(act).await?;
    let tip = group.handle.ledger().tip().number;
    if tip < before {
        group.filters.go_back(tip);
    }
    answer
}

/// Answers on a thread of its own, once there is a place among those who read whole blocks.
async fn read(
    context: Arc<Context>,
    row: (Family, &'static Method),
    handler: fn(&Context, &Arguments<'_>) -> Answer,
    parameters: Params<'static>,
    extensions: Extensions,
) -> Answer {
    let stopped = || RpcError::new(INTERNAL, "the node is stopping");
    let place = reader_place(&context, outbox(&extensions)).await.ok_or_else(stopped)?;
    let read = tokio::task::spawn_blocking(move || {
        // A reader that has begun goes on even where nobody waits for it any more.
        let _place = place;
        let arguments = flow::arguments(&context, row, parameters.as_str(), &extensions)?;
        handler(&context, &arguments)
    });
    read.await.map_err(|_| stopped())?
}

fn register(
    module: &mut RpcModule<Context>,
    index: usize,
    row: (Family, &'static Method),
) -> Result<(), RegisterMethodError> {
    let (family, method) = row;
    match method.handler {
        Handler::Direct(handler) => {
            module.register_method(method.name, move |parameters, context, extensions| {
                context.metrics.request(index);
                flow::arguments(context, row, parameters.as_str(), extensions)
                    .and_then(|arguments| handler(context, &arguments))
                    .map_err(|error| family.error(error))
            })?;
        }
        Handler::Blocking(handler) => {
            module.register_async_method(method.name, move |parameters, context, extensions| async move {
                context.metrics.request(index);
                let read = read(context, row, handler, parameters, extensions);
                read.await.map_err(|error| family.error(error))
            })?;
        }
        Handler::Waiting(handler) => {
            module.register_async_method(method.name, move |parameters, context, extensions| async move {
                context.metrics.request(index);
                let answer = async {
                    let arguments = flow::arguments(&context, row, parameters.as_str(), &extensions)?;
                    handler(Arc::clone(&context), arguments).await
                };
                answer.await.map_err(|error| family.error(error))
            })?;
        }
        Handler::Together(handler) => {
            module.register_async_method(method.name, move |parameters, context, extensions| async move {
                context.metrics.request(index);
                let arguments = flow::arguments(&context, row, parameters.as_str(), &extensions);
                let answer = handler(context, vec![arguments]).await.pop().unwrap_or_else(unanswered);
                answer.map_err(|error| family.error(error))
            })?;
        }
        Handler::Test(read) => {
            module.register_async_method(method.name, move |parameters, context, extensions| async move {
                context.metrics.request(index);
                test(&context, row, read, parameters.as_str(), &extensions).await.map_err(|error| family.error(error))
            })?;
        }
        Handler::Subscription { notification, unsubscribe, handler } => {
            module.register_subscription(
                method.name,
                notification,
                unsubscribe,
                move |parameters, pending, context, extensions| async move {
                    context.metrics.request(index);
                    let Some(outbox) = outbox(&extensions).cloned() else {
                        return refuse(pending, over_web_socket_only(method.name)).await;
                    };
                    let arguments = flow::arguments(&context, row, parameters.as_str(), &extensions);
                    let arguments = arguments.map_err(|error| family.error(error));
                    handler(Arc::clone(&context), arguments, pending, outbox).await
                },
            )?;
        }
    }
    Ok(())
}
