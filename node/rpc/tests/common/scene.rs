//! A chain that Ethereum's methods are asked about.

use entente_types::{Address, Hash};
use serde_json::Value;

use super::{PATIENCE, TestNode, account, deploy_token, signed};

/// A node with a token and two transfers in blocks of their own: of 5 in block 2, of 6 in block 3.
pub struct Scene {
    pub node: TestNode,
    pub token: Address,
    pub sender: Address,
    pub transfers: [Hash; 2],
}

impl Scene {
    pub async fn new() -> Self {
        Self::of(TestNode::start("memory").await).await
    }

    pub async fn of(node: TestNode) -> Self {
        let (group, owner) = (node.group().await, account());
        let token = deploy_token(&group, &owner).await;
        let mut transfers = [Hash::ZERO; 2];
        for (amount, hash) in (5..).zip(&mut transfers) {
            let transaction = signed(&group, &owner, token, amount);
            *hash = group.send(&transaction).await.unwrap();
            group.wait_receipt(hash, PATIENCE).await.unwrap();
        }
        Self { node, token, sender: owner.address(), transfers }
    }

    pub async fn result(&self, method: &str, parameters: Value) -> Value {
        self.node.result(method, parameters).await
    }
}
