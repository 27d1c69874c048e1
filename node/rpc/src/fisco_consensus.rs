//! FISCO BCOS 2's methods about consensus, catching up and other nodes.

use entente_driver::{GroupHandle, GroupStatus};
use entente_types::ConsensusKind;
use serde_json::{Value, json};

use crate::{
    arguments::Arguments,
    context::Context,
    error::{NO_VIEW, RpcError},
    fisco_views::{group_number, quantity},
    members::{self, node_id},
    reading::block_hash,
    views::{Answer, answer},
};

/// `getPbftView`.
pub(crate) fn pbft_view(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let consensus = match group.genesis().consensus {
        ConsensusKind::Pbft => return answer(&quantity(group.status().position.view)),
        ConsensusKind::Solo => "solo",
        ConsensusKind::Rpbft => "rpbft",
        ConsensusKind::Raft => "raft",
    };
    let message = format!("Only pbft consensus supports the view property: this group's consensus is {consensus}");
    Err(RpcError::new(NO_VIEW, message))
}

/// `getConsensusStatus`, in the shape that FISCO BCOS has where there are views, or where there are none.
pub(crate) fn consensus_status(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let status = group.status();
    let (sets, next) = group.sealers()?;
    let ids = members::node_ids(&sets.at(next));
    let own = node_id(group.node_key());
    let place = |id: &String| ids.iter().position(|sealer| sealer == id);
    let mut view = json!({
        "accountType": u8::from(group.is_sealer()),
        "allowFutureBlocks": false,
        "cfgErr": !group.is_sealer(),
        "consensusedBlockNumber": status.position.certified.saturating_add(1),
        "groupId": group_number(group.id()).map_or_else(|| json!(group.id()), |number| json!(number)),
        "highestblockHash": status.hash,
        "highestblockNumber": status.height,
        "nodeId": own,
        "nodeNum": ids.len(),
        "omitEmptyBlock": true,
        "protocolId": 0,
    });
    let views = group.genesis().consensus == ConsensusKind::Pbft;
    let index = place(&own).unwrap_or(ids.len());
    let more = if views { with_views(group, &status, index, ids.len()) } else { with_leader(&ids, index) };
    if let (Some(fields), Value::Object(more)) = (view.as_object_mut(), more) {
        let sealer = |(place, id): (usize, &String)| (format!("sealer.{place}"), json!(id));
        fields.extend(ids.iter().enumerate().map(sealer));
        fields.extend(more);
    }
    // What the others last said of their views is not kept.
    let own_view = json!([{ "nodeId": own, "view": status.position.view }]);
    if views { answer(&[view, own_view]) } else { answer(&[view]) }
}

fn with_views(group: &GroupHandle, status: &GroupStatus, index: usize, sealers: usize) -> Value {
    let position = &status.position;
    let begun = if position.active { position.view } else { position.view.saturating_sub(1) };
    json!({
        "connectedNodes": group.connected().len(),
        "currentView": begun,
        "leaderFailed": !position.active,
        // Of equal votes, so many may lie (Castro and Liskov 1999, section 3).
        "max_faulty_leader": sealers.saturating_sub(1) / 3,
        "node_index": index,
        "toView": position.view,
    })
}

fn with_leader(ids: &[String], index: usize) -> Value {
    json!({
        // The first sealer leads.
        "leaderId": ids.first().map(String::as_str).unwrap_or_default(),
        "leaderIdx": 0,
        "max_faulty_leader": 0,
        "node index": index,
    })
}

/// `getSyncStatus`.
pub(crate) fn sync_status(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let status = group.status();
    let genesis = block_hash(group, 0)?;
    let highest = status.best_peer_height.max(status.height);
    // The hash of a block that is not here yet is not known.
    let hash_at = |height| block_hash(group, height).unwrap_or_default();
    let connected = group.connected();
    let peer = |(key, height)| json!({ "blockNumber": height, "genesisHash": genesis, "latestHash": hash_at(height), "nodeId": node_id(key) });
    let heights = status.peer_heights.iter().filter(|(key, _)| connected.contains(key));
    let peers: Vec<Value> = heights.map(|(key, height)| peer((key, *height))).collect();
    answer(&json!({
        "blockNumber": status.height,
        "genesisHash": genesis,
        "isSyncing": highest > status.height,
        "knownHighestNumber": highest,
        "knownLatestHash": if highest > status.height { hash_at(highest) } else { status.hash },
        "latestHash": status.hash,
        "nodeId": node_id(group.node_key()),
        "peers": peers,
        "protocolId": 0,
        "txPoolSize": status.pool_transactions.to_string(),
    }))
}

/// `getPeers`: who is connected, whatever its groups.
pub(crate) fn peers(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let suite = arguments.group(context, 0)?.handle.genesis().suite;
    let peers: Vec<Value> = context
        .node
        .peers()
        .iter()
        .filter_map(|peer| {
            let id = node_id(peer.node.key(suite)?);
            Some(json!({ "IPAndPort": peer.address, "nodeId": id, "Topic": [] }))
        })
        .collect();
    answer(&peers)
}

/// `getNodeIDList`: this node, and those it is connected to.
pub(crate) fn node_ids(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let suite = group.genesis().suite;
    let peers = context.node.peers();
    let others = peers.iter().filter_map(|peer| peer.node.key(suite)).map(node_id);
    answer(&std::iter::once(node_id(group.node_key())).chain(others).collect::<Vec<_>>())
}
