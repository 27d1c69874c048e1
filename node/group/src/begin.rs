//! How a group begins on its ledger.

use std::sync::Arc;

use entente_consensus::{Certified, Engine, Identity, Pbft, PbftOptions, SealerSet, Solo, Sound};
use entente_crypto::{SecretKey, SignatureScheme, SigningKey};
use entente_executor::{Configuration, Executor, Sealers};
use entente_host::NodeFault;
use entente_ledger::{Ledger, ReplayEntry};
use entente_pool::{Pool, PoolLimits, PoolRules, ReplayKey};
use entente_types::{BlockNumber, ConsensusKind};

use crate::{
    Group, GroupError, GroupOptions,
    accounts::{Accounts, DoorRules},
    catching_up::CatchingUp,
    chain::{Base, Chain},
    headers::{HEADERS_REMEMBERED, HeaderChain, HeaderRules},
    joining::Join,
    loss::Promises,
    proposals::Proposals,
    remembered,
    retelling::Retelling,
    room::Room,
};

/// How signatures are made and read in a group. Nodes use their key and the suite.
#[derive(Debug, Clone)]
pub struct Signing {
    /// This node's consensus key.
    pub key: Arc<dyn SigningKey>,
    /// Finds signers.
    pub scheme: Arc<dyn SignatureScheme>,
}

impl Signing {
    /// A node's own key, and the suite that it is of.
    pub fn new(key: SecretKey) -> Self {
        let suite = key.public_key().suite();
        Self { key: Arc::new(key), scheme: Arc::new(suite) }
    }
}

impl Group {
    /// Begins above the ledger's tip, with the engine that genesis names.
    ///
    /// # Errors
    /// A ledger that cannot be read, an engine that is not there, or a key that is no sealer's where there is one.
    pub fn new(
        ledger: &Arc<Ledger>,
        executor: &Executor,
        signing: Signing,
        options: GroupOptions,
    ) -> Result<Self, GroupError> {
        let genesis = ledger.genesis();
        let identity = identity(ledger, &signing);
        let found = remembered::read(ledger)?;
        let tip = ledger.tip().number;
        let consensus: Box<dyn Engine> = match genesis.consensus {
            ConsensusKind::Solo => {
                let (own, sealer) = (signing.key.public_key(), genesis.sealers.first());
                if let Some(sealer) = sealer.filter(|sealer| sealer.key != own) {
                    return Err(GroupError::NotASealer { found: own.address(), expected: sealer.key.address() });
                }
                Box::new(Solo::new(identity, tip, options.interval_ms_min))
            }
            ConsensusKind::Pbft => {
                let sets = sealer_sets(ledger, executor)?;
                let pbft = pbft_options(ledger, &options);
                Box::new(Pbft::<Sound>::new(identity, pbft, certified_tip(ledger)?, sets, found.recovered.clone()))
            }
            other => return Err(GroupError::Consensus(other)),
        };
        Self::with_engine(ledger, executor, signing, options, consensus)
    }

    /// The same with an engine from outside, which took up what [`recovered`] tells: for simulations.
    ///
    /// # Errors
    /// A ledger that cannot be read.
    pub fn with_engine(
        ledger: &Arc<Ledger>,
        executor: &Executor,
        signing: Signing,
        options: GroupOptions,
        consensus: Box<dyn Engine>,
    ) -> Result<Self, GroupError> {
        let genesis = ledger.genesis();
        let tip = ledger.tip();
        refuse_if_recovering(ledger)?;
        let configuration = Configuration::read(ledger.state().as_ref())?;
        let (next, ethereum) = (tip.number.saturating_add(1), executor.ethereum_versions());
        let door = (configuration.limits(next)?.transaction_gas, ethereum.rules(&configuration, next)?);
        let pool_rules = PoolRules {
            suite: genesis.suite,
            scheme: signing.scheme,
            genesis: ledger.genesis_hash(),
            chain_id: genesis.chain_id,
            group_id: genesis.group_id.clone(),
            transaction_gas: door.0,
            ethereum: door.1.map(|rules| Arc::new(DoorRules(rules)) as _),
            verified: Arc::default(),
        };
        let pool = empty_pool(ledger, pool_rules, options.pool)?;
        let header = ledger.header(tip.number)?.ok_or(GroupError::NoTip(tip.number))?;
        let mut proposals = Proposals::default();
        let found = remembered::read(ledger)?;
        for stored in found.proposals.into_iter().filter(|stored| stored.proposal.number > tip.number) {
            proposals.insert_whole(stored.proposal.digest(genesis.suite), stored, Vec::new());
        }
        let own = signing.key.public_key();
        let sealers = executor.sealers(ledger.state().as_ref())?;
        let headers = HeaderChain::new(header_rules(ledger, &pool), &header, sealers.at(next));
        let join = Join::new(ledger.staged(HEADERS_REMEMBERED as u64)?);
        Ok(Self {
            suite: genesis.suite,
            genesis: ledger.genesis_hash(),
            own,
            proposer: own.address(),
            depth: u64::from(genesis.pipeline_depth),
            written: tip.number,
            alone: genesis.consensus == ConsensusKind::Solo,
            consensus,
            pool,
            accounts: Accounts::new(ledger),
            ethereum,
            door,
            chain: Chain::new(Base { header, commitment: ledger.commitment() }, configuration, sealers),
            proposals,
            remembered: found.keys,
            catching_up: CatchingUp::new(options.sync, tip.number),
            sync: options.sync,
            headers,
            join,
            retelling: Retelling::default(),
            room: Room::unknown(),
            candidate: None,
            put_off: Vec::new(),
            consensus_wake_at: None,
            status_at: 0,
            told_waiting: false,
            promises: Promises::of(found.recovered.loss),
            block_at: None,
            told_due: 0,
            woken_for: None,
            halted: false,
        })
    }
}

/// What a native transaction of the last blocks used up.
pub(crate) const fn used_key(entry: &ReplayEntry) -> ReplayKey {
    ReplayKey::Native { sender: entry.sender, nonce: entry.nonce }
}

/// Who signed a recovery signs nothing else above its block.
fn refuse_if_recovering(ledger: &Ledger) -> Result<(), GroupError> {
    match ledger.signed_recovery()? {
        Some(signed) => Err(GroupError::Recovering { height: signed.height }),
        None => Ok(()),
    }
}

fn header_rules(ledger: &Ledger, pool: &Pool) -> HeaderRules {
    let scheme = Arc::clone(&pool.rules().scheme);
    HeaderRules { suite: ledger.genesis().suite, scheme, lineage: Arc::clone(ledger.lineage()) }
}

/// The set that rules a height, as consensus has it. Genesis's set begins to seal at height 1.
pub(crate) fn sealer_set(sealers: &Sealers, height: BlockNumber) -> SealerSet {
    let set = sealers.set_at(height);
    SealerSet { since: set.from.max(1), members: set.sealers.to_vec() }
}

/// The sealer sets that rule the heights above the tip, as far as they are known.
///
/// # Errors
/// The state cannot be read.
pub fn sealer_sets(ledger: &Ledger, executor: &Executor) -> Result<Vec<Arc<SealerSet>>, NodeFault> {
    let sealers = executor.sealers(ledger.state().as_ref())?;
    let next = ledger.tip().number.saturating_add(1);
    let mut sets: Vec<Arc<SealerSet>> = Vec::new();
    for height in next..next.saturating_add(u64::from(ledger.genesis().pipeline_depth)) {
        let set = sealer_set(&sealers, height);
        if sets.last().is_none_or(|last| last.since != set.since) {
            sets.push(Arc::new(set));
        }
    }
    Ok(sets)
}

/// The last block on disk, with its certificate.
///
/// # Errors
/// It cannot be read.
pub fn certified_tip(ledger: &Ledger) -> Result<Certified, GroupError> {
    let tip = ledger.tip();
    let block = ledger.block(tip.number)?.ok_or(GroupError::NoTip(tip.number))?;
    Ok(Certified { height: tip.number, header: tip.header_hash, certificate: block.certificate })
}

/// Who a node is in a group.
pub fn identity(ledger: &Ledger, signing: &Signing) -> Identity {
    Identity {
        suite: ledger.genesis().suite,
        lineage: Arc::clone(ledger.lineage()),
        key: Arc::clone(&signing.key),
        scheme: Arc::clone(&signing.scheme),
    }
}

/// How the engine of a group is set.
pub fn pbft_options(ledger: &Ledger, options: &GroupOptions) -> PbftOptions {
    PbftOptions {
        depth: u64::from(ledger.genesis().pipeline_depth),
        view_timeout_ms: options.view_timeout_ms,
        interval_ms_min: options.interval_ms_min,
        ..PbftOptions::default()
    }
}

/// A pool in which nothing waits, and that knows what the last blocks used.
fn empty_pool(ledger: &Ledger, rules: PoolRules, limits: PoolLimits) -> Result<Pool, GroupError> {
    let mut pool = Pool::new(rules, limits, ledger.tip().number);
    for block in ledger.replay_window() {
        let (number, entries) = block?;
        pool.remember(number, entries.iter().map(used_key).collect());
    }
    Ok(pool)
}
