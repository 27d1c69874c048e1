//! Reading calls, what they override, and what is to be traced, as Ethereum's tools write them. Fields of other kinds of
//! chains are passed over, as Ethereum's nodes do.

use std::collections::BTreeMap;

use entente_executor::{AccountOverride, BlockOverride, Overrides, Simulation, StepOptions, TraceKind, Word};
use entente_types::{AccessListEntry, Address, Amount, Authorization, Hash, limits::AUTHORIZATIONS_MAX};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    fields::Fields,
    parameters::{data, digits, hash, quantity, slot},
    quantity::big_endian,
};
use crate::{
    arguments::{Arguments, number, object, parse, parse_text, refuse},
    error::RpcError,
    limits::{ACCESS_ADDRESSES_MAX, OVERRIDDEN_ACCOUNTS_MAX, SLOTS_MAX},
    values::Values,
};

pub(super) const CALL: &str = "a call {\"from\", \"to\", \"gas\", \"gasPrice\", \"maxFeePerGas\", \"maxPriorityFeePerGas\", \
                               \"value\", \"input\" or \"data\", \"accessList\", \"authorizationList\"}, whose fields may be absent";
pub(super) const OVERRIDES: &str = "an object of at most 1024 addresses, each with {\"balance\", \"nonce\", \"code\", \
                                    \"state\" or \"stateDiff\"}, whose fields may be absent";
pub(super) const BLOCK_OVERRIDES: &str = "an object {\"number\", \"time\", \"gasLimit\", \"feeRecipient\", \"prevRandao\", \
                                          \"baseFeePerGas\", \"blobBaseFee\"}, whose fields may be absent";
pub(super) const TRACING: &str = "an object {\"tracer\": callTracer or prestateTracer, \"tracerConfig\"}, or without a \
                                  tracer {\"enableMemory\", \"disableStack\", \"disableStorage\", \"enableReturnData\", \
                                  \"limit\"}, whose fields may be absent";
const ADDRESS: &str = "an address: 0x and 40 hexadecimal digits";
const QUANTITY: &str = "a number: 0x and at most 16 hexadecimal digits";
const AMOUNT: &str = "a number: 0x and at most 64 hexadecimal digits";
const DATA: &str = "bytes: 0x and hexadecimal digits, two a byte";
const WORD: &str = "32 bytes: 0x and 64 hexadecimal digits";
const SLOTS: &str = "an object of at most 16384 slots, each with 32 bytes";
const ACCESS_LIST: &str =
    "a list of at most 1024 {\"address\", \"storageKeys\"}, each with at most 16384 keys of 32 bytes";
const AUTHORIZATIONS: &str = "a list of at most 1024 {\"chainId\", \"address\", \"nonce\", \"yParity\", \"r\", \"s\"}";
const FLAG: &str = "true or false";

pub(super) type Raw<'a> = Option<&'a RawValue>;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawCall<'a> {
    #[serde(borrow, default)]
    from: Raw<'a>,
    #[serde(borrow, default)]
    to: Raw<'a>,
    #[serde(borrow, default)]
    gas: Raw<'a>,
    #[serde(borrow, default)]
    gas_price: Raw<'a>,
    #[serde(borrow, default)]
    max_fee_per_gas: Raw<'a>,
    #[serde(borrow, default)]
    max_priority_fee_per_gas: Raw<'a>,
    #[serde(borrow, default)]
    value: Raw<'a>,
    #[serde(borrow, default)]
    data: Raw<'a>,
    #[serde(borrow, default)]
    input: Raw<'a>,
    #[serde(borrow, default)]
    access_list: Raw<'a>,
    #[serde(borrow, default)]
    authorization_list: Raw<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAuthorization<'a> {
    #[serde(borrow, default)]
    chain_id: Raw<'a>,
    #[serde(borrow, default)]
    address: Raw<'a>,
    #[serde(borrow, default)]
    nonce: Raw<'a>,
    #[serde(borrow, default)]
    y_parity: Raw<'a>,
    #[serde(borrow, default)]
    r: Raw<'a>,
    #[serde(borrow, default)]
    s: Raw<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAccess<'a> {
    #[serde(borrow, default)]
    address: Raw<'a>,
    #[serde(borrow, default)]
    storage_keys: Raw<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAccount<'a> {
    #[serde(borrow, default)]
    balance: Raw<'a>,
    #[serde(borrow, default)]
    nonce: Raw<'a>,
    #[serde(borrow, default)]
    code: Raw<'a>,
    #[serde(borrow, default)]
    state: Raw<'a>,
    #[serde(borrow, default)]
    state_diff: Raw<'a>,
    #[serde(borrow, default)]
    move_precompile_to_address: Raw<'a>,
}

/// The fields of a block: geth's names, and older ones that it took.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct RawBlock<'a> {
    #[serde(borrow, default)]
    number: Raw<'a>,
    #[serde(borrow, default, alias = "timestamp")]
    time: Raw<'a>,
    #[serde(borrow, default)]
    gas_limit: Raw<'a>,
    #[serde(borrow, default, alias = "coinbase")]
    fee_recipient: Raw<'a>,
    #[serde(borrow, default, alias = "random")]
    prev_randao: Raw<'a>,
    #[serde(borrow, default, alias = "baseFee")]
    base_fee_per_gas: Raw<'a>,
    #[serde(borrow, default)]
    blob_base_fee: Raw<'a>,
}

/// go-ethereum's own client writes the names with a capital letter.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct RawTracing<'a> {
    #[serde(borrow, default, alias = "Tracer")]
    tracer: Raw<'a>,
    #[serde(borrow, default, alias = "TracerConfig")]
    tracer_config: Raw<'a>,
    #[serde(borrow, default, alias = "EnableMemory")]
    enable_memory: Raw<'a>,
    #[serde(borrow, default, alias = "DisableStack")]
    disable_stack: Raw<'a>,
    #[serde(borrow, default, alias = "DisableStorage")]
    disable_storage: Raw<'a>,
    #[serde(borrow, default, alias = "EnableReturnData")]
    enable_return_data: Raw<'a>,
    #[serde(borrow, default, alias = "Limit")]
    limit: Raw<'a>,
    #[serde(borrow, default)]
    state_overrides: Raw<'a>,
    #[serde(borrow, default)]
    block_overrides: Raw<'a>,
    #[serde(borrow, default)]
    tx_index: Raw<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct RawTracerConfig<'a> {
    #[serde(borrow, default)]
    only_top_call: Raw<'a>,
    #[serde(borrow, default)]
    with_log: Raw<'a>,
    #[serde(borrow, default)]
    diff_mode: Raw<'a>,
}

/// Whose fields are read, for errors.
pub(super) struct Reader {
    name: String,
}

impl Reader {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    pub(super) fn within(&self, field: &str) -> Self {
        Self { name: format!("{}.{field}", self.name) }
    }

    pub(super) fn refuse(&self, value: &RawValue, expected: &str) -> RpcError {
        refuse(&self.name, value.get(), expected)
    }

    fn read<'a, T>(
        &self,
        field: &str,
        value: Raw<'a>,
        expected: &str,
        read: impl FnOnce(&'a RawValue) -> Option<T>,
    ) -> Result<Option<T>, RpcError> {
        value.map(|value| read(value).ok_or_else(|| self.within(field).refuse(value, expected))).transpose()
    }

    fn address(&self, field: &str, value: Raw<'_>) -> Result<Option<Address>, RpcError> {
        self.read(field, value, ADDRESS, |value| digits(value).and_then(|_| parse_text(value)))
    }

    pub(super) fn quantity(&self, field: &str, value: Raw<'_>) -> Result<Option<u64>, RpcError> {
        self.read(field, value, QUANTITY, quantity)
    }

    fn amount(&self, field: &str, value: Raw<'_>) -> Result<Option<Amount>, RpcError> {
        self.read(field, value, AMOUNT, |value| slot(value).map(|bytes| big_endian(&bytes)))
    }

    fn hash(&self, field: &str, value: Raw<'_>) -> Result<Option<Hash>, RpcError> {
        self.read(field, value, WORD, hash)
    }

    fn data(&self, field: &str, value: Raw<'_>) -> Result<Option<Vec<u8>>, RpcError> {
        self.read(field, value, DATA, data)
    }

    pub(super) fn flag(&self, field: &str, value: Raw<'_>) -> Result<bool, RpcError> {
        Ok(self.read(field, value, FLAG, parse::<bool>)?.unwrap_or(false))
    }

    pub(super) fn call(&self, raw: &RawCall<'_>) -> Result<Simulation, RpcError> {
        let (data, input) = (self.data("data", raw.data)?, self.data("input", raw.input)?);
        if data.is_some() && input.is_some() && data != input {
            let message = format!("`{0}.input` and `{0}.data` differ: leave `data` out", self.name);
            return Err(RpcError::parameters(message));
        }
        let (to, authorizations) = (self.address("to", raw.to)?, self.authorizations(raw.authorization_list)?);
        if to.is_none() && !authorizations.is_empty() {
            let message =
                format!("`{0}` has `authorizationList` and no `to`: what sets code creates no contract", self.name);
            return Err(RpcError::parameters(message));
        }
        let price = self.amount("gasPrice", raw.gas_price)?;
        let (fee, tip) = (
            self.amount("maxFeePerGas", raw.max_fee_per_gas)?,
            self.amount("maxPriorityFeePerGas", raw.max_priority_fee_per_gas)?,
        );
        if price.is_some() && (fee.is_some() || tip.is_some()) {
            let message = format!("`{0}` has `gasPrice` beside `maxFeePerGas` or `maxPriorityFeePerGas`", self.name);
            return Err(RpcError::parameters(message));
        }
        Ok(Simulation {
            from: self.address("from", raw.from)?.unwrap_or_default(),
            to,
            input: input.or(data).unwrap_or_default(),
            value: self.amount("value", raw.value)?.unwrap_or_default(),
            gas: self.quantity("gas", raw.gas)?.filter(|gas| *gas > 0),
            max_fee: price.or(fee).unwrap_or_default(),
            max_priority_fee: price.or(tip).unwrap_or_default(),
            access_list: self.access_list(raw.access_list)?,
            authorizations,
            is_free: false,
        })
    }

    fn access_list(&self, value: Raw<'_>) -> Result<Vec<AccessListEntry>, RpcError> {
        let Some(value) = value else { return Ok(Vec::new()) };
        let read = || -> Option<Vec<AccessListEntry>> {
            let entries = Values::read(value.get(), ACCESS_ADDRESSES_MAX)?;
            let entry = |value: &RawValue| {
                let raw: RawAccess<'_> = object(value)?;
                let keys = Values::read(raw.storage_keys.map_or("[]", RawValue::get), SLOTS_MAX)?;
                if keys.count > SLOTS_MAX {
                    return None;
                }
                let keys = keys.first.into_iter().map(|key| hash(key).map(|hash| hash.0)).collect::<Option<_>>()?;
                Some(AccessListEntry { address: raw.address.and_then(parse_text)?, keys })
            };
            let is_short = entries.count <= ACCESS_ADDRESSES_MAX;
            is_short.then(|| entries.first.into_iter().map(entry).collect()).flatten()
        };
        read().ok_or_else(|| self.within("accessList").refuse(value, ACCESS_LIST))
    }

    fn authorizations(&self, value: Raw<'_>) -> Result<Vec<Authorization>, RpcError> {
        let Some(value) = value else { return Ok(Vec::new()) };
        let read = || -> Option<Vec<Authorization>> {
            let entries = Values::read(value.get(), AUTHORIZATIONS_MAX)?;
            let is_short = entries.count <= AUTHORIZATIONS_MAX;
            is_short.then(|| entries.first.into_iter().map(authorization).collect()).flatten()
        };
        read().ok_or_else(|| self.within("authorizationList").refuse(value, AUTHORIZATIONS))
    }

    pub(super) fn accounts(&self, value: &RawValue) -> Result<BTreeMap<Address, AccountOverride>, RpcError> {
        let fields = Fields::read(value, OVERRIDDEN_ACCOUNTS_MAX).ok_or_else(|| self.refuse(value, OVERRIDES))?;
        let account = |(name, value): (&str, &RawValue)| {
            let address: Address = name.parse().map_err(|_| self.within(name).refuse(value, OVERRIDES))?;
            Ok((address, self.within(name).account(value)?))
        };
        fields.into_iter().map(account).collect()
    }

    fn account(&self, value: &RawValue) -> Result<AccountOverride, RpcError> {
        let raw: RawAccount<'_> = object(value).ok_or_else(|| self.refuse(value, OVERRIDES))?;
        if raw.state.is_some() && raw.state_diff.is_some() {
            let message = format!("`{}` has both `state` and `stateDiff`", self.name);
            return Err(RpcError::parameters(message));
        }
        if let Some(value) = raw.move_precompile_to_address {
            let expected = "nothing: precompiles stay where they are";
            return Err(self.within("movePrecompileToAddress").refuse(value, expected));
        }
        Ok(AccountOverride {
            balance: self.amount("balance", raw.balance)?,
            nonce: self.quantity("nonce", raw.nonce)?,
            code: self.data("code", raw.code)?,
            storage: self.read("state", raw.state, SLOTS, slots)?,
            slots: self.read("stateDiff", raw.state_diff, SLOTS, slots)?.unwrap_or_default(),
        })
    }

    pub(super) fn block(&self, value: &RawValue) -> Result<BlockOverride, RpcError> {
        let raw: RawBlock<'_> = object(value).ok_or_else(|| self.refuse(value, BLOCK_OVERRIDES))?;
        Ok(BlockOverride {
            number: self.quantity("number", raw.number)?,
            timestamp: self.quantity("time", raw.time)?,
            gas_limit: self.quantity("gasLimit", raw.gas_limit)?,
            proposer: self.address("feeRecipient", raw.fee_recipient)?,
            prevrandao: self.hash("prevRandao", raw.prev_randao)?,
            base_fee: self.amount("baseFeePerGas", raw.base_fee_per_gas)?,
            blob_base_fee: self.amount("blobBaseFee", raw.blob_base_fee)?,
        })
    }

    fn tracing(&self, raw: &RawTracing<'_>) -> Result<Tracing, RpcError> {
        let accounts = raw.state_overrides.map(|value| self.within("stateOverrides").accounts(value));
        let block = raw.block_overrides.map(|value| self.within("blockOverrides").block(value));
        if let Some(value) = raw.tx_index {
            return Err(self.within("txIndex").refuse(value, "nothing: calls are traced after whole blocks"));
        }
        let overrides = Overrides {
            accounts: accounts.transpose()?.unwrap_or_default(),
            block: block.transpose()?.unwrap_or_default(),
        };
        let config = self.read("tracerConfig", raw.tracer_config, TRACING, object::<RawTracerConfig<'_>>)?;
        let (config, within) = (config.unwrap_or_default(), self.within("tracerConfig"));
        let kind = match raw.tracer.map(|tracer| (tracer, tracer.get())) {
            None | Some((_, r#""""# | r#""structLogger""#)) => TraceKind::Steps(self.steps(raw)?),
            Some((_, r#""callTracer""#)) => TraceKind::Calls {
                top_only: within.flag("onlyTopCall", config.only_top_call)?,
                logs: within.flag("withLog", config.with_log)?,
            },
            Some((_, r#""prestateTracer""#)) => {
                TraceKind::State { changed_only: within.flag("diffMode", config.diff_mode)? }
            }
            Some((tracer, _)) => return Err(self.within("tracer").refuse(tracer, TRACING)),
        };
        Ok(Tracing { kind, overrides })
    }

    fn steps(&self, raw: &RawTracing<'_>) -> Result<StepOptions, RpcError> {
        let limit = self.read("limit", raw.limit, "a number", number)?.filter(|limit| *limit > 0);
        Ok(StepOptions {
            memory: self.flag("enableMemory", raw.enable_memory)?,
            stack: !self.flag("disableStack", raw.disable_stack)?,
            storage: !self.flag("disableStorage", raw.disable_storage)?,
            returned: self.flag("enableReturnData", raw.enable_return_data)?,
            steps_max: limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        })
    }
}

fn authorization(value: &RawValue) -> Option<Authorization> {
    let raw: RawAuthorization<'_> = object(value)?;
    let mut signature = [0; 65];
    let (r, rest) = signature.split_first_chunk_mut::<32>()?;
    let (s, parity) = rest.split_first_chunk_mut::<32>()?;
    (*r, *s) = (slot(raw.r?)?, slot(raw.s?)?);
    *parity.first_mut()? = quantity(raw.y_parity?)?.try_into().ok()?;
    Some(Authorization {
        chain_id: big_endian(&slot(raw.chain_id?)?).0,
        address: raw.address.and_then(parse_text)?,
        nonce: quantity(raw.nonce?)?,
        signature,
    })
}

fn slots(value: &RawValue) -> Option<BTreeMap<Word, Word>> {
    let word = |text: &str| -> Option<Word> { Some(text.strip_prefix("0x")?.parse::<Hash>().ok()?.0) };
    let slot = |(name, value): (&str, &RawValue)| Some((word(name)?, hash(value)?.0));
    Fields::read(value, SLOTS_MAX)?.into_iter().map(slot).collect()
}

/// What is traced, and over what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tracing {
    pub(crate) kind: TraceKind,
    pub(crate) overrides: Overrides,
}

impl Arguments<'_> {
    /// What would be sent.
    pub(crate) fn simulation(&self, index: usize) -> Result<Simulation, RpcError> {
        let raw: RawCall<'_> = self.required(index, object)?;
        Reader::new(self.name(index)).call(&raw)
    }

    /// What differs of the state and of the block.
    pub(crate) fn overrides(&self, state: usize, block: usize) -> Result<Overrides, RpcError> {
        let accounts = self.value(state).map(|value| Reader::new(self.name(state)).accounts(value));
        let block = self.value(block).map(|value| Reader::new(self.name(block)).block(value));
        Ok(Overrides {
            accounts: accounts.transpose()?.unwrap_or_default(),
            block: block.transpose()?.unwrap_or_default(),
        })
    }

    /// What is to be told of a transaction.
    pub(crate) fn tracing(&self, index: usize) -> Result<Tracing, RpcError> {
        let raw: RawTracing<'_> = self.read(index, object)?.unwrap_or_default();
        Reader::new(self.name(index)).tracing(&raw)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).unwrap()
    }

    fn call(value: &Value) -> Result<Simulation, String> {
        let value = raw(value);
        let read = Reader::new("call").call(&object(&value).unwrap());
        read.map_err(|error| error.message)
    }

    fn accounts(value: &Value) -> Result<BTreeMap<Address, AccountOverride>, String> {
        Reader::new("overrides").accounts(&raw(value)).map_err(|error| error.message)
    }

    fn tracing(value: &Value) -> Result<Tracing, String> {
        let value = raw(value);
        Reader::new("options").tracing(&object(&value).unwrap()).map_err(|error| error.message)
    }

    #[test]
    fn a_call_has_all_that_a_transaction_says() {
        let (from, to, key) = (Address([1; 20]), Address([2; 20]), Hash([3; 32]));
        let found = call(&json!({
            "from": from, "to": to, "gas": "0x5208", "maxFeePerGas": "0x2", "maxPriorityFeePerGas": "0x1", "value": "0x7",
            "input": "0x0102", "data": "0x0102", "nonce": "0x9", "type": "0x2", "chainId": "0x1",
            "accessList": [{ "address": to, "storageKeys": [key] }],
            "authorizationList": [
                { "chainId": "0x1", "address": to, "nonce": "0x2", "yParity": "0x1", "r": "0x3", "s": "0x4" },
            ],
        }));
        let mut signature = [0; 65];
        (signature[31], signature[63], signature[64]) = (3, 4, 1);
        let authorization = Authorization { chain_id: Amount::from(1).0, address: to, nonce: 2, signature };
        let expected = Simulation {
            from,
            to: Some(to),
            input: vec![1, 2],
            value: Amount::from(7),
            gas: Some(21_000),
            max_fee: Amount::from(2),
            max_priority_fee: Amount::from(1),
            access_list: vec![AccessListEntry { address: to, keys: vec![key.0] }],
            authorizations: vec![authorization],
            is_free: false,
        };
        assert_eq!(found, Ok(expected));
        assert_eq!(call(&json!({ "to": null })), Ok(Simulation::default()));
        let priced = call(&json!({ "gasPrice": "0x5" })).unwrap();
        assert_eq!((priced.max_fee, priced.max_priority_fee), (Amount::from(5), Amount::from(5)));
        for (value, named) in [
            (json!({ "from": "0x12" }), "`call.from` is \"0x12\""),
            (json!({ "to": 5 }), "`call.to` is 5"),
            (json!({ "gas": 21_000 }), "`call.gas` is 21000"),
            (json!({ "value": format!("0x1{}", "0".repeat(64)) }), "`call.value` is"),
            (json!({ "data": "0x0" }), "`call.data` is"),
            (json!({ "input": "0x01", "data": "0x02" }), "`call.input` and `call.data` differ"),
            (json!({ "gasPrice": "0x1", "maxFeePerGas": "0x1" }), "`call` has `gasPrice` beside"),
            (json!({ "accessList": [{ "storageKeys": [] }] }), "`call.accessList` is"),
            (json!({ "accessList": [{ "address": to, "storageKeys": ["0x1"] }] }), "`call.accessList` is"),
            (json!({ "accessList": vec![json!({ "address": to }); 1_025] }), "`call.accessList` is"),
            (json!({ "authorizationList": [{ "address": to }] }), "`call.authorizationList` is"),
        ] {
            let error = call(&value).unwrap_err();
            assert!(error.starts_with(named), "{error}");
        }
    }

    #[test]
    fn overrides_are_of_accounts_and_slots() {
        let (address, word) = (Address([1; 20]), Hash([2; 32]));
        let account =
            json!({ "balance": "0x5", "nonce": "0x6", "code": "0x00", "stateDiff": { word.to_string(): word } });
        let found = accounts(&json!({ address.to_string(): account })).unwrap();
        let expected = AccountOverride {
            balance: Some(Amount::from(5)),
            nonce: Some(6),
            code: Some(vec![0]),
            storage: None,
            slots: BTreeMap::from([(word.0, word.0)]),
        };
        assert_eq!(found, BTreeMap::from([(address, expected)]));
        let replaced = accounts(&json!({ address.to_string(): { "state": {} } })).unwrap();
        assert_eq!(replaced[&address].storage, Some(BTreeMap::new()));
        let many: BTreeMap<String, Value> =
            (0..1_025_u32).map(|number| (format!("0x{number:040x}"), json!({}))).collect();
        for (value, named) in [
            (json!([]), "`overrides` is []"),
            (json!({ "0x12": {} }), "`overrides.0x12` is {}"),
            (json!(many), "`overrides` is {"),
            (
                json!({ address.to_string(): { "state": {}, "stateDiff": {} } }),
                &format!("`overrides.{address}` has both"),
            ),
            (
                json!({ address.to_string(): { "state": { "0x1": word } } }),
                &format!("`overrides.{address}.state` is {{"),
            ),
            (
                json!({ address.to_string(): { "movePrecompileToAddress": address } }),
                &format!("`overrides.{address}.movePrecompileToAddress` is"),
            ),
        ] {
            let error = accounts(&value).unwrap_err();
            assert!(error.starts_with(named), "{error}");
        }
    }

    #[test]
    fn blocks_are_overridden_by_new_and_old_names() {
        let block = |value: &Value| Reader::new("block").block(&raw(value)).map_err(|error| error.message);
        let found = block(&json!({ "number": "0x1", "time": "0x2", "coinbase": Address([3; 20]), "baseFee": "0x4" }));
        let expected = BlockOverride {
            number: Some(1),
            timestamp: Some(2),
            proposer: Some(Address([3; 20])),
            base_fee: Some(Amount::from(4)),
            ..BlockOverride::default()
        };
        assert_eq!(found, Ok(expected));
        assert!(block(&json!({ "time": 5 })).unwrap_err().starts_with("`block.time` is 5"));
        assert!(block(&json!(5)).unwrap_err().starts_with("`block` is 5"));
    }

    #[test]
    fn a_tracer_has_its_options() {
        let kind = |value: &Value| tracing(value).map(|tracing| tracing.kind);
        let usual = StepOptions { stack: true, storage: true, ..StepOptions::default() };
        assert_eq!(kind(&json!({})), Ok(TraceKind::Steps(usual.clone())));
        let other = json!({ "enableMemory": true, "disableStack": true, "disableStorage": true, "enableReturnData": true,
                            "limit": 7, "timeout": "10s" });
        let expected = StepOptions { memory: true, stack: false, storage: false, returned: true, steps_max: Some(7) };
        assert_eq!(kind(&other), Ok(TraceKind::Steps(expected)));
        let calls = json!({ "tracer": "callTracer", "tracerConfig": { "onlyTopCall": true, "withLog": true } });
        assert_eq!(kind(&calls), Ok(TraceKind::Calls { top_only: true, logs: true }));
        let capital = json!({ "Tracer": "callTracer", "Timeout": null, "TracerConfig": { "withLog": true } });
        assert_eq!(kind(&capital), Ok(TraceKind::Calls { top_only: false, logs: true }));
        let capital = json!({ "EnableMemory": true, "DisableStack": false, "Limit": 0, "Tracer": null,
                              "TracerConfig": null });
        assert_eq!(kind(&capital), Ok(TraceKind::Steps(StepOptions { memory: true, ..usual })));
        let state = json!({ "tracer": "prestateTracer", "tracerConfig": { "diffMode": true } });
        assert_eq!(kind(&state), Ok(TraceKind::State { changed_only: true }));
        let over =
            json!({ "stateOverrides": { Address([1; 20]).to_string(): {} }, "blockOverrides": { "number": "0x5" } });
        let overrides = tracing(&over).unwrap().overrides;
        assert_eq!((overrides.accounts.len(), overrides.block.number), (1, Some(5)));
        for (value, named) in [
            (json!({ "tracer": "4byteTracer" }), "`options.tracer` is \"4byteTracer\""),
            (json!({ "tracer": "callTracer", "tracerConfig": 5 }), "`options.tracerConfig` is 5"),
            (json!({ "limit": -1 }), "`options.limit` is -1"),
            (json!({ "enableMemory": 1 }), "`options.enableMemory` is 1"),
            (json!({ "txIndex": "0x0" }), "`options.txIndex` is"),
        ] {
            let error = tracing(&value).unwrap_err();
            assert!(error.starts_with(named), "{error}");
        }
    }
}
