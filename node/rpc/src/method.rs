//! What a row of the table of methods is.

use std::{future::Future, pin::Pin, sync::Arc};

use jsonrpsee::{PendingSubscriptionSink, SubscriptionCloseResponse};

use crate::{
    arguments::{Arguments, Parameter},
    context::Context,
    dev::Read,
    error::RpcError,
    outbox::Outbox,
    views::Answer,
};

/// An answer that is waited for.
pub(crate) type Pending<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;
/// Answers that are waited for together, one for each request in their order.
pub(crate) type PendingMany<'a> = Pin<Box<dyn Future<Output = Vec<Answer>> + Send + 'a>>;
/// A subscription as long as it lives.
pub(crate) type Subscribed<'a> = Pin<Box<dyn Future<Output = SubscriptionCloseResponse> + Send + 'a>>;

/// Answers several requests.
pub(crate) type Many = for<'a> fn(Arc<Context>, Vec<Result<Arguments<'a>, RpcError>>) -> PendingMany<'a>;

/// Who answers a method, and on which thread.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// At once, on the thread that read the request: point reads.
    Direct(fn(&Context, &Arguments<'_>) -> Answer),
    /// On a thread that may be held up: whole blocks.
    Blocking(fn(&Context, &Arguments<'_>) -> Answer),
    /// Once others have done their part.
    Waiting(for<'a> fn(Arc<Context>, Arguments<'a>) -> Pending<'a>),
    /// The same, for as many requests as a batch has of it: an answer to each, in their order.
    Together(Many),
    /// By doing something with the chain of those who test contracts, once the parameters are read this way.
    Test(Read),
    /// Again and again, over WebSocket.
    Subscription {
        /// The name in each notification.
        notification: &'static str,
        /// The method that ends it.
        unsubscribe: &'static str,
        handler: for<'a> fn(
            Arc<Context>,
            Result<Arguments<'a>, RpcError>,
            PendingSubscriptionSink,
            Outbox,
        ) -> Subscribed<'a>,
    },
}

/// A method.
pub(crate) struct Method {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [Parameter],
    /// The result's shape.
    pub(crate) result: &'static str,
    /// One sentence.
    pub(crate) documentation: &'static str,
    /// The parameters of an example. Names in braces stand for what a chain has: `{transaction}`, a hash; `{contract}`,
    /// an address; and so on.
    pub(crate) example: &'static str,
    pub(crate) handler: Handler,
}

impl std::fmt::Debug for Method {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}
