//! What a program with alloy does: use-alloy URL TOKEN, in the folder where the clients are installed.

use std::{env, error::Error, fs, pin::pin, time::Duration};

use alloy::{
    consensus::transaction::SignerRecoverable,
    contract::{ContractInstance, Interface, RawCallBuilder},
    dyn_abi::DynSolValue,
    eips::{BlockNumberOrTag, Encodable2718, eip7702::Authorization},
    json_abi::JsonAbi,
    network::{Ethereum, TransactionBuilder, TransactionBuilder7702, TransactionResponse},
    primitives::{Address, B256, Bytes, U256, hex, keccak256},
    providers::{DynProvider, PendingTransactionBuilder, Provider, ProviderBuilder, ext::DebugApi},
    rpc::types::{
        AccessList, AccessListItem, SyncStatus, TransactionReceipt, TransactionRequest,
        state::{AccountOverride, StateOverridesBuilder},
        trace::geth::{CallConfig, GethDebugTracingOptions, PreStateConfig},
    },
    signers::{SignerSync, local::PrivateKeySigner},
    sol,
    sol_types::{SolCall, SolConstructor, SolValue},
    transports::ws::WsConnect,
};
use futures_util::{Stream, StreamExt};
use serde_json::Value;

sol! {
    #[sol(rpc)]
    #[derive(Debug, PartialEq)]
    contract Coin {
        event Transfer(address indexed from, address indexed to, uint256 value);
        error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
        constructor(string name, string symbol, uint256 supply);
        function name() external view returns (string);
        function decimals() external view returns (uint8);
        function balanceOf(address account) external view returns (uint256);
        function transfer(address to, uint256 value) external returns (bool);
    }

    #[sol(rpc)]
    #[derive(Debug, PartialEq)]
    contract Deed {
        error ERC721NonexistentToken(uint256 tokenId);
        function mint(address to, uint256 id) external;
        function ownerOf(uint256 tokenId) external view returns (address);
        function safeTransferFrom(address from, address to, uint256 tokenId) external;
    }

    #[sol(rpc)]
    #[derive(Debug, PartialEq)]
    contract Counter {
        error NotOwner(address caller, address owner);
        function initialize(address owner) external;
        function increase() external;
        function count() external view returns (uint256);
        function upgradeToAndCall(address implementation, bytes data) external payable;
    }

    contract CounterProxy {
        constructor(address implementation, bytes call);
    }
}

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Whose provider signs with a key of their own.
struct Person {
    signer: PrivateKeySigner,
    address: Address,
    provider: DynProvider,
}

impl Person {
    fn new(url: &str) -> Outcome<Self> {
        let signer = PrivateKeySigner::random();
        // Numbers that alloy counts by itself go up for what is refused before it is sent too, and then wait for ever.
        let provider = ProviderBuilder::new().with_simple_nonce_management();
        let provider = provider.wallet(signer.clone()).connect_http(url.parse()?).erased();
        Ok(Self { address: signer.address(), signer, provider })
    }
}

struct Use {
    url: String,
    module: String,
    contracts: Value,
    alice: Person,
    bob: Person,
    coin: Coin::CoinInstance<DynProvider>,
    transfer: TransactionReceipt,
}

macro_rules! steps {
    ($of:ident: $($step:ident)*) => {$(
        $of.$step().await.map_err(|error| format!("{}: {error}", stringify!($step)))?;
        println!(stringify!($step));
    )*};
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let mut parameters = env::args().skip(1);
    let (Some(url), Some(module)) = (parameters.next(), parameters.next()) else { return Err("URL TOKEN".into()) };
    let (alice, bob) = (Person::new(&url)?, Person::new(&url)?);
    let contracts: Value = serde_json::from_slice(&fs::read("contracts.json")?)?;
    chain(&alice).await?;
    println!("chain");
    let (coin, transfer) = erc20(&contracts, &alice, &bob).await?;
    println!("erc20");
    let user = Use { url, module, contracts, alice, bob, coin, transfer };
    steps!(user: erc721 proxy logs subscriptions errors gas traces fields nonces delegations wasm);
    Ok(())
}

async fn mined(pending: PendingTransactionBuilder<Ethereum>) -> Outcome<TransactionReceipt> {
    let receipt = pending.get_receipt().await?;
    assert!(receipt.status(), "{receipt:?}");
    Ok(receipt)
}

async fn deploy(by: &Person, contracts: &Value, name: &str, arguments: &[u8]) -> Outcome<Address> {
    let code: Bytes = contracts[name]["bytecode"].as_str().ok_or(name)?.parse()?;
    let input = [&code, arguments].concat();
    Ok(RawCallBuilder::new_raw_deploy(&by.provider, input.into()).deploy().await?)
}

/// The one that is looked for, when it is told.
async fn heard<T>(told: impl Stream<Item = T>, sought: impl Fn(&T) -> bool) -> Outcome<T> {
    let mut found = pin!(told.filter(|value| std::future::ready(sought(value))));
    let first = tokio::time::timeout(Duration::from_secs(60), found.next()).await?;
    Ok(first.ok_or("nothing more is told")?)
}

fn number(value: u64) -> U256 {
    U256::from(value)
}

fn supply() -> U256 {
    U256::from(10).pow(number(21))
}

async fn chain(alice: &Person) -> Outcome {
    let provider = &alice.provider;
    assert_eq!(provider.get_chain_id().await?, provider.get_net_version().await?);
    let version = provider.get_client_version().await?;
    assert!(version.to_lowercase().starts_with("entente"), "{version}");
    assert_eq!((provider.get_gas_price().await?, provider.get_max_priority_fee_per_gas().await?), (0, 0));
    let history = provider.get_fee_history(2, BlockNumberOrTag::Latest, &[50.0]).await?;
    assert!(history.base_fee_per_gas.iter().all(|fee| *fee == 0), "{history:?}");
    assert_eq!(provider.get_balance(alice.address).await?, U256::ZERO);
    assert_eq!(provider.syncing().await?, SyncStatus::None);
    Ok(())
}

async fn erc20(
    contracts: &Value,
    alice: &Person,
    bob: &Person,
) -> Outcome<(Coin::CoinInstance<DynProvider>, TransactionReceipt)> {
    let arguments = Coin::constructorCall { name: "Coin".into(), symbol: "COIN".into(), supply: supply() };
    let address = deploy(alice, contracts, "Coin", &arguments.abi_encode()).await?;
    let coin = Coin::new(address, alice.provider.clone());
    assert!(!alice.provider.get_code_at(address).await?.is_empty());
    assert_eq!(coin.name().call().await?, "Coin");
    let transfer = mined(coin.transfer(bob.address, number(25)).send().await?).await?;
    assert_eq!(coin.balanceOf(bob.address).call().await?, number(25));
    let before = transfer.block_number.ok_or("it is in no block")? - 1;
    assert_eq!(coin.balanceOf(bob.address).block(before.into()).call().await?, U256::ZERO);
    let event = transfer.decoded_log::<Coin::Transfer>().ok_or("there is no event")?;
    assert_eq!(event.data, Coin::Transfer { from: alice.address, to: bob.address, value: number(25) });
    // How many there are lies in the third slot.
    assert_eq!(alice.provider.get_storage_at(address, number(2)).await?, supply());
    Ok((coin, transfer))
}

impl Use {
    async fn erc721(&self) -> Outcome {
        let (alice, bob) = (self.alice.address, self.bob.address);
        let address = deploy(&self.alice, &self.contracts, "Deed", &[]).await?;
        let deed = Deed::new(address, &self.alice.provider);
        mined(deed.mint(alice, number(7)).send().await?).await?;
        mined(deed.safeTransferFrom(alice, bob, number(7)).send().await?).await?;
        assert_eq!(deed.ownerOf(number(7)).call().await?, bob);
        let refused = deed.ownerOf(number(8)).call().await.unwrap_err();
        assert_eq!(refused.as_decoded_error(), Some(Deed::ERC721NonexistentToken { tokenId: number(8) }), "{refused}");
        Ok(())
    }

    async fn proxy(&self) -> Outcome {
        let (alice, bob) = (self.alice.address, self.bob.address);
        let first = deploy(&self.alice, &self.contracts, "Counter", &[]).await?;
        let second = deploy(&self.alice, &self.contracts, "CounterByTen", &[]).await?;
        let call = Counter::initializeCall { owner: alice }.abi_encode();
        let arguments = CounterProxy::constructorCall { implementation: first, call: call.into() };
        let behind = deploy(&self.alice, &self.contracts, "CounterProxy", &arguments.abi_encode()).await?;
        let counter = Counter::new(behind, &self.alice.provider);
        mined(counter.increase().send().await?).await?;
        // Before it is sent: its gas cannot be estimated.
        let others = Counter::new(behind, &self.bob.provider);
        let refused = others.upgradeToAndCall(second, Bytes::new()).send().await.unwrap_err();
        assert_eq!(refused.as_decoded_error(), Some(Counter::NotOwner { caller: bob, owner: alice }), "{refused}");
        mined(counter.upgradeToAndCall(second, Bytes::new()).send().await?).await?;
        mined(counter.increase().send().await?).await?;
        assert_eq!(counter.count().call().await?, number(11));
        Ok(())
    }

    async fn send(&self, value: u64) -> Outcome<TransactionReceipt> {
        mined(self.coin.transfer(self.bob.address, number(value)).send().await?).await
    }

    async fn logs(&self) -> Outcome {
        let (alice, bob) = (self.alice.address, self.bob.address);
        let transfers = self.coin.Transfer_filter().topic1(alice).topic2(bob);
        let (event, log) = transfers.from_block(0).query().await?.pop().ok_or("there is no event")?;
        assert_eq!((event.value, log.transaction_hash), (number(25), Some(self.transfer.transaction_hash)));
        // Of one block, by its hash.
        let hash = self.transfer.block_hash.ok_or("it is in no block")?;
        assert_eq!(self.coin.Transfer_filter().at_block_hash(hash).query_raw().await?, self.transfer.logs());
        // By filters that the node keeps.
        let blocks = self.alice.provider.watch_blocks().await?.into_stream();
        let transfers = self.coin.Transfer_filter().topic2(bob).watch().await?.into_stream();
        let receipt = self.send(1).await?;
        let (_, log) = heard(transfers, |_| true).await??;
        assert_eq!(Some(&log), receipt.logs().first());
        heard(blocks, |hashes| hashes.iter().any(|hash| Some(*hash) == receipt.block_hash)).await?;
        Ok(())
    }

    async fn subscriptions(&self) -> Outcome {
        let socket = WsConnect::new(self.url.replacen("http", "ws", 1));
        let listening = ProviderBuilder::new().connect_pubsub_with(socket).await?;
        let heads = listening.subscribe_blocks().await?.into_stream();
        let pending = listening.subscribe_pending_transactions().await?.into_stream();
        let coin = Coin::new(*self.coin.address(), &listening);
        let transfers = coin.Transfer_filter().topic2(self.bob.address).subscribe().await?.into_stream();
        let receipt = self.send(2).await?;
        let head = heard(heads, |head| Some(head.hash) == receipt.block_hash).await?;
        // What alloy hashes of the fields that it was told.
        assert_eq!(head.inner.hash_slow(), head.hash);
        let (event, log) = heard(transfers, |_| true).await??;
        assert_eq!((event.value, Some(&log)), (number(2), receipt.logs().first()));
        heard(pending, |hash| *hash == receipt.transaction_hash).await?;
        Ok(())
    }

    async fn errors(&self) -> Outcome {
        let (alice, bob) = (self.alice.address, self.bob.address);
        let coin = Coin::new(*self.coin.address(), &self.bob.provider);
        let balance = coin.balanceOf(bob).call().await?;
        let expected = Coin::ERC20InsufficientBalance { sender: bob, balance, needed: supply() };
        let transfer = coin.transfer(alice, supply()).from(bob);
        let called = transfer.call().await.unwrap_err();
        let estimated = transfer.estimate_gas().await.unwrap_err();
        let sent = transfer.send().await.unwrap_err();
        for refused in [called, estimated, sent] {
            assert_eq!(refused.as_decoded_error().as_ref(), Some(&expected), "{refused}");
        }
        // In a block all the same.
        let receipt = transfer.gas(100_000).send().await?.get_receipt().await?;
        assert!(!receipt.status() && receipt.logs().is_empty(), "{receipt:?}");
        let again = TransactionRequest::default().with_to(alice).with_gas_limit(21_000).with_nonce(0);
        let low = self.bob.provider.send_transaction(again).await.unwrap_err();
        assert!(low.as_error_resp().is_some_and(|error| error.message.contains("nonce too low")), "{low}");
        Ok(())
    }

    async fn gas(&self) -> Outcome {
        let (alice, bob, coin) = (self.alice.address, self.bob.address, *self.coin.address());
        let transfer = self.coin.transfer(bob, number(3)).from(alice);
        let estimate = transfer.estimate_gas().await?;
        let request = transfer.clone().into_transaction_request();
        let used = mined(transfer.gas(estimate).send().await?).await?.gas_used;
        assert!(used <= estimate && estimate < 2 * used, "{estimate}, {used}");
        let listed = self.alice.provider.create_access_list(&request).await?;
        let is_listed = listed.access_list.iter().any(|entry| entry.address == coin);
        assert!(is_listed && listed.gas_used > number(21_000), "{listed:?}");
        // A balance that is not there, by an override of the state: that of the account at slot 0.
        let slot = keccak256((alice, U256::ZERO).abi_encode());
        let account = AccountOverride::default().with_state_diff([(slot, B256::from(number(77)))]);
        let state = StateOverridesBuilder::default().append(coin, account).build();
        assert_eq!(self.coin.balanceOf(alice).state(state).call().await?, number(77));
        Ok(())
    }

    async fn traces(&self) -> Outcome {
        let (provider, hash) = (&self.alice.provider, self.transfer.transaction_hash);
        let options = GethDebugTracingOptions::call_tracer(CallConfig::default().with_log());
        let frame = provider.debug_trace_transaction_call(hash, options).await?;
        assert_eq!((frame.typ.as_str(), frame.to), ("CALL", Some(*self.coin.address())));
        assert_eq!((frame.gas_used, frame.logs.len()), (number(self.transfer.gas_used), 1));
        // Step by step, as the node traces by itself.
        let trace = provider.debug_trace_transaction(hash, GethDebugTracingOptions::default()).await?;
        let steps = trace.try_into_default_frame()?;
        assert_eq!((steps.failed, steps.gas), (false, self.transfer.gas_used));
        assert!(steps.struct_logs.len() > 100, "{}", steps.struct_logs.len());
        let options = GethDebugTracingOptions::prestate_tracer(PreStateConfig::default());
        let state = provider.debug_trace_transaction(hash, options).await?.try_into_pre_state_frame()?;
        assert!(state.pre_state().contains_key(self.coin.address()), "{state:?}");
        Ok(())
    }

    async fn fields(&self) -> Outcome {
        let entry = AccessListItem { address: *self.coin.address(), storage_keys: vec![B256::ZERO] };
        let transfer = || self.coin.transfer(self.bob.address, number(4));
        let legacy = transfer().gas_price(0);
        let listed = transfer().gas_price(0).access_list(AccessList(vec![entry]));
        for (kind, form) in [(0, legacy), (1, listed), (2, transfer())] {
            let receipt = mined(form.send().await?).await?;
            assert_eq!(u8::from(receipt.transaction_type()), kind);
            self.agreed(&receipt).await?;
        }
        Ok(())
    }

    /// The node tells the same of a transaction wherever it tells of it.
    async fn agreed(&self, receipt: &TransactionReceipt) -> Outcome {
        let (provider, hash) = (&self.alice.provider, receipt.transaction_hash);
        let transaction = provider.get_transaction_by_hash(hash).await?.ok_or("it is not there")?;
        // What alloy hashes of the fields that it was told, and who signed that.
        assert_eq!(keccak256(transaction.inner.encoded_2718()), hash);
        assert_eq!(transaction.inner.inner().recover_signer()?, self.alice.address);
        assert_eq!((transaction.from(), transaction.block_hash), (self.alice.address, receipt.block_hash));
        let block_hash = receipt.block_hash.ok_or("it is in no block")?;
        let block = provider.get_block_by_hash(block_hash).full().await?.ok_or("the block is not there")?;
        assert_eq!(block.header.inner.hash_slow(), block_hash);
        let place = usize::try_from(receipt.transaction_index.ok_or("it has no place")?)?;
        assert_eq!(block.transactions.txns().nth(place), Some(&transaction));
        let receipts = provider.get_block_receipts(block_hash.into()).await?.ok_or("the block is not there")?;
        assert_eq!(receipts.get(place), Some(receipt));
        let parent = provider.get_block_by_number((block.header.number - 1).into()).await?.ok_or("it has no parent")?;
        assert_eq!(parent.header.hash, block.header.parent_hash);
        let used = block.header.gas_used;
        assert!((receipt.gas_used..=block.header.gas_limit).contains(&used), "{used}");
        Ok(())
    }

    async fn nonces(&self) -> Outcome {
        let carol = Person::new(&self.url)?;
        let count = || carol.provider.get_transaction_count(carol.address);
        let mut sent = Vec::new();
        for nonce in [2, 3, 4, 1, 0] {
            let to_bob = TransactionRequest::default().with_to(self.bob.address).with_gas_limit(21_000);
            sent.push(carol.provider.send_transaction(to_bob.with_nonce(nonce)).await?);
            if nonce == 2 {
                assert_eq!(count().pending().await?, 0);
            }
        }
        assert_eq!(count().pending().await?, 5);
        for pending in sent {
            mined(pending).await?;
        }
        assert_eq!((count().await?, count().pending().await?), (5, 5));
        Ok(())
    }

    async fn delegations(&self) -> Outcome {
        let (carol, provider) = (Person::new(&self.url)?, &self.alice.provider);
        let chain_id = U256::from(provider.get_chain_id().await?);
        let authorization = Authorization { chain_id, address: *self.coin.address(), nonce: 0 };
        let signature = carol.signer.sign_hash_sync(&authorization.signature_hash())?;
        let signed = authorization.into_signed(signature);
        let sent = TransactionRequest::default().with_to(self.bob.address).with_authorization_list(vec![signed]);
        let receipt = mined(provider.send_transaction(sent).await?).await?;
        assert_eq!(u8::from(receipt.transaction_type()), 4);
        self.agreed(&receipt).await?;
        let code = provider.get_code_at(carol.address).await?;
        assert_eq!(*code, [&hex!("ef0100")[..], self.coin.address().as_slice()].concat());
        assert_eq!(Coin::new(carol.address, provider).decimals().call().await?, 18);
        Ok(())
    }

    /// The Rust token: what deploys it is the container of a Wasm contract, and the node tells its ABI.
    async fn wasm(&self) -> Outcome {
        let module = fs::read(&self.module)?;
        let container = [&hex!("ef5741")[..], &u32::try_from(module.len())?.to_le_bytes(), &module].concat();
        let provider = &self.alice.provider;
        let address = RawCallBuilder::new_raw_deploy(provider, container.into()).deploy().await?;
        let abi: JsonAbi = provider.raw_request("entente_abi".into(), ("group1", address)).await?;
        let token = ContractInstance::<_, Ethereum>::new(address, provider, Interface::new(abi));
        let (alice, bob) = (self.alice.address, self.bob.address);
        assert_eq!(token.function("symbol", &[])?.call().await?, [DynSolValue::String("ENT".into())]);
        assert_eq!(token.function("decimals", &[])?.call().await?, [DynSolValue::Uint(number(18), 8)]);
        let amount = |value| DynSolValue::Uint(number(value), 256);
        let transfer = token.function("transfer", &[DynSolValue::Address(bob), amount(25)])?;
        let receipt = mined(transfer.send().await?).await?;
        let event = receipt.decoded_log::<Coin::Transfer>().ok_or("there is no event")?;
        assert_eq!(event.data, Coin::Transfer { from: alice, to: bob, value: number(25) });
        let balance = token.function("balanceOf", &[DynSolValue::Address(bob)])?;
        assert_eq!(balance.call().await?, [amount(25)]);
        let much = token.function("transfer", &[DynSolValue::Address(alice), amount(26)])?.from(bob);
        let refused = much.call().await.unwrap_err();
        let expected = Coin::ERC20InsufficientBalance { sender: bob, balance: number(25), needed: number(26) };
        assert_eq!(refused.as_decoded_error(), Some(expected), "{refused}");
        Ok(())
    }
}
