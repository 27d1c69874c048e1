//! The shapes of FISCO BCOS 2's answers: numbers as hexadecimal strings, what does not exist here as zero or empty.

use entente_driver::GroupHandle;
use entente_types::{
    Address, Block, Bloom, FiscoFields, FiscoSigner, FiscoTransaction, GroupId, Hash, NativeTransaction, Receipt,
    Signature, Transaction, hex_bytes,
};
use serde_json::{Value, json};

use crate::{configuration, error::RpcError, ethereum::big_endian, members, views::Place};

/// A number as FISCO BCOS shows it.
pub(crate) fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

/// A group as FISCO BCOS names it: the n of `group<n>`, else our name.
pub(crate) fn group_number(id: &GroupId) -> Option<u64> {
    id.as_str().strip_prefix("group")?.parse().ok().filter(|number| GroupId::from_number(*number) == *id)
}

fn group_text(id: &GroupId) -> String {
    group_number(id).map_or_else(|| id.to_string(), quantity)
}

fn bloom<'a>(receipts: impl IntoIterator<Item = &'a Receipt>) -> String {
    let mut bloom = Bloom::default();
    receipts.into_iter().flat_map(|receipt| &receipt.logs).for_each(|log| bloom.add(log));
    hex_bytes::encode(bloom.as_bytes())
}

/// A transaction where it stands.
pub(crate) fn transaction(place: Place, transaction: &Transaction) -> Value {
    let mut view = match transaction {
        Transaction::Native(native) => native_transaction(native),
        Transaction::Ethereum(ethereum) => json!({ "raw": hex_bytes::encode(ethereum.raw()) }),
        Transaction::Fisco(fisco) => fisco_transaction(fisco),
    };
    if let Some(fields) = view.as_object_mut() {
        fields.insert("blockHash".to_owned(), json!(place.block_hash));
        fields.insert("blockNumber".to_owned(), json!(quantity(place.block)));
        fields.insert("hash".to_owned(), json!(place.hash));
        fields.insert("transactionIndex".to_owned(), json!(quantity(u64::from(place.index))));
    }
    view
}

fn native_transaction(native: &NativeTransaction) -> Value {
    let unsigned = &native.unsigned;
    json!({
        "blockLimit": quantity(unsigned.valid_until),
        "chainId": quantity(unsigned.chain_id),
        "extraData": hex_bytes::encode(&unsigned.extra),
        "from": unsigned.sender,
        "gas": quantity(unsigned.gas_limit),
        "gasPrice": "0x0",
        "groupId": group_text(&unsigned.group_id),
        "input": hex_bytes::encode(&unsigned.input),
        "nonce": hex_bytes::encode(&unsigned.nonce),
        "signature": signature(&native.signature),
        "to": unsigned.to.unwrap_or(Address::ZERO),
        "value": unsigned.value,
    })
}

fn signature(signature: &Signature) -> Value {
    let bytes = signature.as_bytes();
    let part = |from: usize, to: usize| hex_bytes::encode(bytes.get(from..to).unwrap_or_default());
    json!({
        "r": part(0, 32),
        "s": part(32, 64),
        "v": quantity(bytes.get(64).copied().map_or(0, u64::from)),
        "signature": hex_bytes::encode(bytes),
    })
}

/// One of FISCO BCOS's own, as its nodes show it.
fn fisco_transaction(fisco: &FiscoTransaction) -> Value {
    let FiscoFields { nonce, gas_price, gas, block_limit, to, value, chain_id, group, r, s, signer } = fisco.fields();
    let halves = [&r[..], s].concat();
    let (v, signature) = match signer {
        FiscoSigner::RecoveryId(id) => (quantity(u64::from(*id)), [&halves[..], &[*id]].concat()),
        FiscoSigner::Key(key) => (hex_bytes::encode(key), [&halves[..], key].concat()),
    };
    let signature = hex_bytes::encode(&signature);
    json!({
        "blockLimit": quantity(*block_limit),
        "chainId": quantity(*chain_id),
        "extraData": hex_bytes::encode(fisco.extra()),
        "from": fisco.sender().unwrap_or_default(),
        "gas": gas,
        "gasPrice": gas_price,
        "groupId": quantity(*group),
        "input": hex_bytes::encode(fisco.input()),
        "nonce": big_endian(nonce),
        "signature": { "r": hex_bytes::encode(r), "s": hex_bytes::encode(s), "v": v, "signature": signature },
        "to": to.unwrap_or(Address::ZERO),
        "value": value,
    })
}

/// A transaction that waits, in fewer words; nothing of Ethereum's.
pub(crate) fn pending(hash: Hash, transaction: &Transaction) -> Option<Value> {
    let whole = match transaction {
        Transaction::Native(native) => native_transaction(native),
        Transaction::Fisco(fisco) => fisco_transaction(fisco),
        Transaction::Ethereum(_) => return None,
    };
    let mut view = json!({ "hash": hash });
    for name in ["from", "gas", "gasPrice", "input", "nonce", "to", "value"] {
        if let (Some(fields), Some(value)) = (view.as_object_mut(), whole.get(name)) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    Some(view)
}

/// Who sent a transaction, to whom, and with what.
fn ends(transaction: &Transaction) -> (Address, Address, Vec<u8>) {
    let (from, to, input) = match transaction {
        Transaction::Native(native) => {
            let unsigned = &native.unsigned;
            (Some(unsigned.sender), unsigned.to, unsigned.input.to_vec())
        }
        Transaction::Fisco(fisco) => (fisco.sender(), fisco.fields().to, fisco.input().to_vec()),
        Transaction::Ethereum(ethereum) => {
            let sender = ethereum.origin().map(|origin| origin.sender);
            ethereum
                .payload()
                .map_or((sender, None, Vec::new()), |payload| (sender, payload.to, payload.input.to_vec()))
        }
    };
    (from.unwrap_or_default(), to.unwrap_or_default(), input)
}

/// A receipt among those of its block.
pub(crate) fn short_receipt(hash: Hash, index: usize, transaction: &Transaction, receipt: &Receipt) -> Value {
    let (from, to, _) = ends(transaction);
    json!({
        "contractAddress": receipt.contract.unwrap_or(Address::ZERO),
        "from": from,
        "gasUsed": quantity(receipt.gas_used),
        "logs": receipt.logs,
        "output": hex_bytes::encode(&receipt.output),
        "status": quantity(u64::from(receipt.status.code())),
        "to": to,
        "transactionHash": hash,
        "transactionIndex": quantity(index as u64),
    })
}

/// A receipt with its transaction, where it stands.
pub(crate) fn receipt(place: Place, transaction: &Transaction, receipt: &Receipt, state_root: Hash) -> Value {
    let (from, to, input) = ends(transaction);
    json!({
        "blockHash": place.block_hash,
        "blockNumber": quantity(place.block),
        "contractAddress": receipt.contract.unwrap_or(Address::ZERO),
        "from": from,
        "gasUsed": quantity(receipt.gas_used),
        "input": hex_bytes::encode(&input),
        "logs": receipt.logs,
        "logsBloom": bloom([receipt]),
        "output": hex_bytes::encode(&receipt.output),
        "root": state_root,
        "status": quantity(u64::from(receipt.status.code())),
        "to": to,
        "transactionHash": place.hash,
        "transactionIndex": quantity(u64::from(place.index)),
    })
}

/// A block's header, with the sealers that ruled it; the block's receipts are for its Bloom filter.
pub(crate) fn header(
    group: &GroupHandle,
    block: &Block,
    receipts: &[Receipt],
    signatures: bool,
) -> Result<Value, RpcError> {
    let (genesis, header) = (group.genesis(), &block.header);
    let sealers = members::ruling(group, header.number)?.sealers;
    let sealer = sealers.iter().position(|member| member.key.address() == header.proposer).unwrap_or(0);
    let mut view = json!({
        "dbHash": header.change_root,
        "extraData": [],
        "gasLimit": quantity(configuration::block_gas(group, header.number).unwrap_or(0)),
        "gasUsed": quantity(header.gas_used),
        "hash": header.hash(genesis.suite),
        "logsBloom": bloom(receipts),
        "number": quantity(header.number),
        "parentHash": header.parent,
        "receiptsRoot": header.receipt_root,
        "sealer": quantity(sealer as u64),
        "sealerList": members::node_ids(&sealers),
        "stateRoot": header.state_root,
        "timestamp": quantity(header.timestamp_ms),
        "transactionsRoot": header.transaction_root,
    });
    if signatures && let Some(fields) = view.as_object_mut() {
        let votes = block.certificate.votes.iter().map(|vote| {
            json!({
                "index": quantity(u64::from(vote.member)),
                "signature": hex_bytes::encode(vote.signature.as_bytes()),
            })
        });
        fields.insert("signatureList".to_owned(), votes.collect());
    }
    Ok(view)
}

/// A block with its transactions, in full or their hashes.
pub(crate) fn block(group: &GroupHandle, block: &Block, receipts: &[Receipt], full: bool) -> Result<Value, RpcError> {
    let suite = group.genesis().suite;
    let mut view = header(group, block, receipts, true)?;
    let block_hash = block.header.hash(suite);
    let entry = |(index, one): (usize, &Transaction)| {
        let hash = one.hash(suite);
        let place = Place { hash, block: block.header.number, block_hash, index: index as u32 };
        if full { transaction(place, one) } else { json!(hash) }
    };
    if let Some(fields) = view.as_object_mut() {
        fields.insert("transactions".to_owned(), block.transactions.iter().enumerate().map(entry).collect());
    }
    Ok(view)
}
