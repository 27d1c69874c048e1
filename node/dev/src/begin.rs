//! How a chain begins.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use entente_crypto::SecretKey;
use entente_executor::{AccountOverride, CodeOptions, Executor, genesis_block};
use entente_group::{Signing, identity, native_modules};
use entente_host::gas::{PROTOCOL_VERSION_1, PROTOCOL_VERSION_2, ProtocolVersion};
use entente_ledger::{DevLedger, GenesisRecord};
use entente_pool::{Pool, PoolLimits, PoolRules};
use entente_types::{Block, Certificate, ConsensusKind, Genesis, Hash, Suite, Version};

use crate::{Accounts, BeginError, DevChain, DevError, chain::Settings, clock::Clock};

/// The versions of the rules, but for how long EVM code may be: what is made for tests alone is often longer than Ethereum
/// allows, and Hardhat's node has a switch for that. Less than the bytes of a transaction, it is bounded by those.
const VERSIONS: &[ProtocolVersion] = &[longer(PROTOCOL_VERSION_1), longer(PROTOCOL_VERSION_2)];
/// The bytes of a contract's EVM code.
const CODE_BYTES_MAX: u32 = 512 << 10;

const fn longer(version: ProtocolVersion) -> ProtocolVersion {
    ProtocolVersion { evm_code_bytes_max: CODE_BYTES_MAX, ..version }
}

impl DevChain {
    /// Begins the chain of a genesis document whose only sealer has this key. The accounts whose keys everybody knows
    /// hold coin, where the document has any.
    ///
    /// # Errors
    /// The document is not of a chain that one node orders alone, or is refused.
    pub fn begin(genesis: &Genesis, key: SecretKey, limits: PoolLimits, unix_ms: u64) -> Result<Self, BeginError> {
        genesis.validate()?;
        check(genesis)?;
        let rooms = |error: &dyn std::error::Error| BeginError::Rooms(error.to_string());
        let ledger = ledger(genesis)?;
        let natives = native_modules(genesis.suite).map_err(|error| rooms(&error))?;
        let executor = Arc::new(Executor::with(genesis, natives, VERSIONS, &CodeOptions::default()));
        let identity = identity(ledger.ledger(), &Signing::new(key));
        let rules = PoolRules {
            suite: genesis.suite,
            scheme: Arc::clone(&identity.scheme),
            genesis: genesis.hash(),
            chain_id: genesis.chain_id,
            group_id: genesis.group_id.clone(),
            transaction_gas: 0,
            ethereum: None,
            verified: Arc::default(),
        };
        let settings =
            Settings { clock: Clock::default(), coinbase: identity.key.public_key().address(), prevrandao: Hash::ZERO };
        let mut chain = Self {
            ledger,
            executor,
            identity,
            pool: Pool::new(rules, limits, 0),
            door: (0, None),
            accounts: Accounts::default(),
            impersonated: BTreeSet::new(),
            impersonates_all: false,
            settings,
            automine: true,
            interval_ms: None,
            snapshots: BTreeMap::new(),
            last_snapshot: 0,
            begun: None,
            resets: 0,
            begun_ms: unix_ms,
            blocks: Vec::new(),
        };
        chain.allow()?;
        chain.follow_configuration().map_err(DevError::from)?;
        chain.begun = Some(chain.taken(unix_ms));
        Ok(chain)
    }

    /// Gives the known accounts what they begin with.
    fn allow(&mut self) -> Result<(), DevError> {
        if !self.ledger().genesis().balances {
            return Ok(());
        }
        let addresses: Vec<_> = self.accounts.addresses().collect();
        for address in addresses {
            let balance = Some(Accounts::allowance());
            self.set_account(&address, &AccountOverride { balance, ..AccountOverride::default() })?;
        }
        Ok(())
    }
}

fn check(genesis: &Genesis) -> Result<(), BeginError> {
    let sealers = genesis.sealers.len();
    if genesis.consensus != ConsensusKind::Solo || sealers != 1 {
        let consensus = format!("{:?}", genesis.consensus).to_lowercase();
        return Err(BeginError::NotAlone { sealers, consensus });
    }
    if genesis.suite != Suite::Standard {
        return Err(BeginError::Guomi);
    }
    Ok(())
}

fn ledger(genesis: &Genesis) -> Result<DevLedger, BeginError> {
    let first = genesis_block(genesis).map_err(|error| BeginError::Rooms(error.to_string()))?;
    let block0 = Block {
        version: Version,
        header: first.header,
        certificate: Certificate::default(),
        view: 0,
        access: None,
        left_out: Vec::new(),
        transactions: Vec::new(),
    };
    let (genesis, changes, commitment) = (genesis.clone(), first.changes, first.commitment);
    Ok(DevLedger::create(GenesisRecord { genesis, block0, changes, commitment })?)
}
