//! Who seals and who observes, and how the sealer set came to be what it is.

use std::collections::VecDeque;

use entente_driver::GroupHandle;
use entente_types::{
    Address, BlockNumber, CertifiedHeader, Member, PublicKey, RulingSet, SealerChange, SealerHistory, hex_bytes,
    read_observers,
};
use parity_scale_codec::Encode as _;
use serde::Serialize;

use crate::{
    arguments::Arguments,
    context::Context,
    error::{INTERNAL, RESPONSE_TOO_LARGE, RpcError},
    limits::{PROOF_CHANGES_BYTES_MAX, PROOF_CHANGES_MAX, SEALER_CHANGES_MAX},
    views::{Answer, answer},
};

/// What FISCO BCOS calls a node's identifier: the public key's digits, without 0x.
pub(crate) fn node_id(key: &PublicKey) -> String {
    hex::encode(key.as_bytes())
}

/// The identifiers of a set's nodes, in its order.
pub(crate) fn node_ids(sealers: &[Member]) -> Vec<String> {
    sealers.iter().map(|member| node_id(&member.key)).collect()
}

/// The sealer set that rules a height not above the one that follows the tip.
pub(crate) fn ruling(group: &GroupHandle, height: BlockNumber) -> Result<RulingSet, RpcError> {
    let state = group.ledger().state();
    Ok(SealerHistory::new(state.as_ref(), group.genesis())?.ruling(height)?)
}

#[derive(Serialize)]
struct NodeView {
    node_id: String,
    account: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
}

impl NodeView {
    fn sealers(set: &RulingSet) -> Vec<Self> {
        let view = |Member { key, weight }: &Member| Self {
            node_id: node_id(key),
            account: key.address(),
            weight: Some(*weight),
        };
        set.sealers.iter().map(view).collect()
    }

    fn observer(key: &PublicKey) -> Self {
        Self { node_id: node_id(key), account: key.address(), weight: None }
    }
}

#[derive(Serialize)]
struct DecidedView {
    from: BlockNumber,
    sealers: Vec<NodeView>,
}

#[derive(Serialize)]
struct MembersView {
    next_height: BlockNumber,
    sealers: Vec<NodeView>,
    decided: Vec<DecidedView>,
    observers: Vec<NodeView>,
}

/// `entente_members`.
pub(crate) fn all(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let (sealers, next) = group.sealers()?;
    let decided = |set: &RulingSet| DecidedView { from: set.from, sealers: NodeView::sealers(set) };
    answer(&MembersView {
        next_height: next,
        sealers: NodeView::sealers(sealers.set_at(next)),
        decided: sealers.above(next).map(decided).collect(),
        observers: observers(group)?.iter().map(NodeView::observer).collect(),
    })
}

fn observers(group: &GroupHandle) -> Result<Vec<PublicKey>, RpcError> {
    Ok(read_observers(group.ledger().state().as_ref())?)
}

/// `getSealerList`: as it was decided last, which FISCO BCOS's tools look for once their transaction is in a block.
pub(crate) fn sealer_list(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let (sealers, _) = arguments.group(context, 0)?.handle.sealers()?;
    answer(&node_ids(&sealers.last().sealers))
}

/// `getObserverList`.
pub(crate) fn observer_list(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let keys = observers(&arguments.group(context, 0)?.handle)?;
    answer(&keys.iter().map(node_id).collect::<Vec<_>>())
}

/// `getGroupPeers`: those of both lists.
pub(crate) fn group_peers(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let mut peers = node_ids(&group.sealers()?.0.last().sealers);
    peers.extend(observers(group)?.iter().map(node_id));
    answer(&peers)
}

/// The oldest sets, at most so many, that headers from `known` on and below `below` name as another one than before,
/// ascending; and whether there are more.
fn changes(
    group: &GroupHandle,
    known: BlockNumber,
    below: BlockNumber,
    count_max: usize,
) -> Result<(VecDeque<RulingSet>, bool), RpcError> {
    let state = group.ledger().state();
    let mut found = VecDeque::new();
    let mut more = false;
    let mut newer: Option<RulingSet> = None;
    for set in SealerHistory::new(state.as_ref(), group.genesis())? {
        let set = set?;
        // One can be decided that is the same as the one before it.
        if let Some(newer) = newer.take().filter(|newer| newer.hash != set.hash) {
            found.push_front(newer);
            if found.len() > count_max {
                found.pop_back();
                more = true;
            }
        }
        // The header before the height names it.
        let named_in = set.from.checked_sub(1).filter(|number| *number >= known);
        let Some(named_in) = named_in else { break };
        newer = (named_in < below).then_some(set);
    }
    Ok((found, more))
}

/// A set that rules from a height on, with the header that names it.
fn change(group: &GroupHandle, set: &RulingSet) -> Result<SealerChange, RpcError> {
    let number = set.from.saturating_sub(1);
    let missing = || RpcError::new(INTERNAL, format!("block {number} is missing"));
    let block = group.ledger().certified_header(number)?.ok_or_else(missing)?;
    Ok(SealerChange { block, sealers: set.sealers.to_vec() })
}

/// What stands in a proof about a block for one who knows the changes below a height.
pub(crate) fn of_proof(
    group: &GroupHandle,
    known: BlockNumber,
    block: BlockNumber,
) -> Result<Vec<SealerChange>, RpcError> {
    let (sets, mut more) = changes(group, known, block, PROOF_CHANGES_MAX)?;
    let mut bytes = 0_usize;
    let mut found = Vec::with_capacity(sets.len());
    for set in &sets {
        let change = change(group, set)?;
        bytes = bytes.saturating_add(change.encoded_size());
        more |= bytes > PROOF_CHANGES_BYTES_MAX;
        if more {
            break;
        }
        found.push(change);
    }
    if more {
        let message = format!(
            "the sealer set changed too often between block {known} and block {block} for one proof: follow the changes \
             by entente_sealerChanges, and name as `known` the height up to which you did"
        );
        return Err(RpcError::new(RESPONSE_TOO_LARGE, message));
    }
    Ok(found)
}

#[derive(Serialize)]
struct ChangeView {
    block: BlockNumber,
    from: BlockNumber,
    #[serde(flatten)]
    certified: CertifiedHeader,
    sealers: Vec<NodeView>,
    /// The SCALE encoding of the [`SealerChange`].
    #[serde(with = "hex_bytes")]
    change: Vec<u8>,
}

/// `entente_sealerChanges`.
pub(crate) fn sealer_changes(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let above_tip = group.ledger().tip().number.saturating_add(1);
    let (sets, _) = changes(group, arguments.number(1)?, above_tip, SEALER_CHANGES_MAX)?;
    let view = |set: &RulingSet| -> Result<ChangeView, RpcError> {
        let change = change(group, set)?;
        let encoded = change.to_bytes();
        Ok(ChangeView {
            block: change.block.header.number,
            from: set.from,
            certified: change.block,
            sealers: NodeView::sealers(set),
            change: encoded,
        })
    };
    answer(&sets.iter().map(view).collect::<Result<Vec<_>, _>>()?)
}
