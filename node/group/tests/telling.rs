//! What a node tells the others of its clients' transactions.

use std::sync::Arc;

use entente_crypto::SecretKey;
use entente_group::{Effect, Event, Group, GroupOptions, Message, Now, Signing, open};
use entente_ledger::LedgerOptions;
use entente_pool::check;
use entente_storage::Memory;
use entente_testing::{genesis, keys, unsigned};
use entente_types::{Bytes, Genesis, Transaction, UnsignedTransaction};
use parity_scale_codec::Encode as _;

/// One of four, whose proposals are not due: it proposes at heights 3, 7 and so on.
struct Node {
    group: Group,
    now_ms: u64,
}

impl Node {
    fn step(&mut self, event: Event) -> Vec<Arc<Transaction>> {
        self.messages(event).concat()
    }

    /// The transactions of each message that it tells.
    fn messages(&mut self, event: Event) -> Vec<Vec<Arc<Transaction>>> {
        let now = Now { monotonic_ms: self.now_ms, unix_ms: 1_700_000_010_000 + self.now_ms };
        let effects = self.group.step(now, event);
        let told = effects.into_iter().filter_map(|effect| match effect {
            Effect::Broadcast(Message::Transactions(transactions)) => Some(transactions),
            _ => None,
        });
        told.collect()
    }

    fn begin(genesis: &Genesis, key: &SecretKey) -> Self {
        let (ledger, executor) =
            open(Arc::new(Memory::new()), genesis, LedgerOptions::default()).expect("the ledger opens");
        let group = Group::new(&ledger, &executor, Signing::new(key.clone()), GroupOptions::default());
        let mut node = Self { group: group.expect("the group begins"), now_ms: 0 };
        node.step(Event::Tick);
        node
    }

    /// These as a client of the node sends them, with one request.
    fn admitting(&self, sent: &[Arc<Transaction>]) -> Event {
        let sized = sent.iter().map(|one| (Arc::clone(one), one.encoded_size())).collect();
        Event::Admit { ticket: 1, checked: check(self.group.pool().rules(), 0, sized) }
    }

    /// What it tells until then, woken as often as it may want to be.
    fn tells_until(&mut self, at_ms: u64) -> Vec<(u64, Arc<Transaction>)> {
        let mut told = Vec::new();
        while self.now_ms < at_ms {
            self.now_ms += 50;
            let now_ms = self.now_ms;
            told.extend(self.step(Event::Tick).into_iter().map(|transaction| (now_ms, transaction)));
        }
        told
    }
}

/// A link that was cut when a client sent loses what was told over it, and this node may not propose for long: without
/// being told again nobody would ever propose the transaction (found by `make chaos`).
#[test]
fn what_a_client_sent_and_waits_for_long_is_told_again() {
    let keys = keys(4);
    let genesis = genesis(&keys);
    let mut node = Node::begin(&genesis, &keys[2]);
    let sign = |nonce| Arc::new(unsigned(&genesis, &keys[0], nonce).sign(&genesis.hash(), &keys[0]));
    let sent: Vec<Arc<Transaction>> = (0..300).map(sign).collect();
    let admitting = node.admitting(&sent);
    assert_eq!(node.step(admitting), sent, "at once");
    assert_eq!(node.tells_until(3_950), [], "they may be in a block soon");
    let again = node.tells_until(6_000);
    let transactions: Vec<Arc<Transaction>> = again.iter().map(|(_, transaction)| Arc::clone(transaction)).collect();
    assert_eq!(transactions, sent, "the oldest first");
    let at = |place: usize| again[place].0;
    assert_eq!((at(0), at(127), at(128), at(299)), (4_000, 4_000, 4_500, 5_000), "a part at a time");
    assert_eq!(node.tells_until(7_950), [], "not all the time");
    assert_eq!(node.tells_until(8_000).len(), 128);
}

/// A message that is longer than those of its class may be goes to nobody.
#[test]
fn what_is_long_is_told_in_several_messages() {
    let keys = keys(4);
    let genesis = genesis(&keys);
    let mut node = Node::begin(&genesis, &keys[2]);
    let sign = |nonce| {
        let input = Bytes::new(vec![7; 1_000_000]).expect("short enough");
        let unsigned = UnsignedTransaction { input, ..unsigned(&genesis, &keys[0], nonce) };
        Arc::new(unsigned.sign(&genesis.hash(), &keys[0]))
    };
    let sent: Vec<Arc<Transaction>> = (0..12).map(sign).collect();
    let admitting = node.admitting(&sent);
    let messages = node.messages(admitting);
    assert_eq!(messages.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 2]);
    assert_eq!(messages.concat(), sent);
    assert!(messages.iter().all(|message| Message::Transactions(message.clone()).encoded_size() < 8 << 20));
}
